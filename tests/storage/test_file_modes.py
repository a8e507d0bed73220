"""What is written to the disk belongs to one user alone, whatever the process allows by default."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory_core import Settings, open_service
from memory_core.storage.objects.local import OF_OTHERS
from tests.support.paths import ROOT

ANN = "ann@example.com"


@pytest.fixture(autouse=True)
def usual_rights() -> Iterator[None]:
    """Let files be readable for everybody by default, as on most systems."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def _open_to_others(*folders: Path) -> dict[str, str]:
    return {
        str(path): stat.filemode(path.stat().st_mode)
        for folder in folders
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & OF_OTHERS
    }


def test_a_program_makes_folders_and_files_for_its_user_alone(tmp_path: Path) -> None:
    parent = tmp_path / "srv"
    parent.mkdir()
    data, chroma = parent / "new" / "data", parent / "elsewhere" / "chroma"
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(data), "CHROMA_PATH": str(chroma)})
    with open_service(settings) as service:
        (record,) = service.add_text_memory(ANN, "Likes green tea")
        assert _open_to_others(data.parent, chroma.parent) == {}
        service.update_memory(ANN, record.id, "Likes oolong")
        service.forget_user(ANN)
        service.activity.flush()
    assert (chroma / "chroma.sqlite3").is_file()
    assert _open_to_others(data.parent, chroma.parent) == {}


def test_a_folder_that_was_there_keeps_its_rights(tmp_path: Path) -> None:
    chroma = tmp_path / "chroma"
    chroma.mkdir(mode=0o755)
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(tmp_path), "CHROMA_PATH": str(chroma)})
    with open_service(settings) as service:
        service.add_text_memory(ANN, "Likes green tea")
    assert str(chroma) in _open_to_others(chroma)
    assert _open_to_others(tmp_path / "ledger") == {}


def test_a_command_writes_files_for_its_user_alone(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    command = ["doctor", "--only", "environment.zone", "--bundle", str(bundle)]
    subprocess.run(
        [sys.executable, "-m", "memory_core", *command],
        cwd=ROOT,
        env={**os.environ, "MEMORY_DATA_DIR": str(tmp_path / "data")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    assert _open_to_others(bundle) == {}
