"""Damaged vector files of ChromaDB never end the process; what is on record stays, and heals."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from memory_core import MemoryService, NotIndexed
from memory_core.cli import cli
from memory_core.errors import BackendUnavailable, IndexDamaged
from tests.support.vector_files import (
    SAVED,
    TEXTS,
    fill_files,
    make_collection,
    open_on,
    overwrite,
)

Damage = Callable[[bytes], bytes]


def cut(content: bytes) -> bytes:
    return content[:20]


def ones(content: bytes) -> bytes:
    return b"\xff" * len(content)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose vectors lie in files, closed in order."""
    data_dir = tmp_path_factory.mktemp("filled") / "data"
    fill_files(data_dir)
    return data_dir


@pytest.fixture
def data_dir(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "data"))


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note the processes that are started, and start them."""
    started: list[Any] = []
    run = subprocess.run

    def note(*args: Any, **kwargs: Any) -> Any:
        started.append(args)
        return run(*args, **kwargs)

    monkeypatch.setattr("memory_core.storage.vectors.chroma_trial.subprocess.run", note)
    return started


def listed(service: MemoryService) -> set[str]:
    return {memory.memory for memory in service.list_memories("ann")}


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("data_level0.bin", cut),
        ("header.bin", cut),
        ("index_metadata.pickle", ones),
    ],
)
def test_memories_are_listed_and_one_sentence_names_rebuild(
    name: str, damage: Damage, data_dir: Path, trials: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    overwrite(data_dir, name, damage)
    with open_on(data_dir) as service:
        assert listed(service) == set(TEXTS)
        (step,) = (step for step in service.status().steps if not step.ok and "vector" in step.name)
        assert service.storage() == {"chroma": 0, "ledger": SAVED}
        with pytest.raises(IndexDamaged, match="python -m memory_core rebuild") as raised:
            service.audit()
    assert step.detail == str(raised.value)
    assert "are damaged" in caplog.text
    # It is tried once for all calls, and not at all where its header does not fit.
    assert len(trials) == (0 if damage is cut else 1)


@pytest.mark.process
def test_each_command_says_it_in_one_sentence_and_rebuild_heals_what_was_saved_meanwhile_too(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(data_dir)
    monkeypatch.setenv("MEMORY_DATA_DIR", str(data_dir))
    # The service keeps what the trial found out.
    with open_on(data_dir) as service:
        with pytest.raises(NotIndexed):
            service.add_text_memory("ann", "likes figs")
        hits = service.query_memories("ann", "Which instrument does she play?", limit=1)
        assert [hit.memory.memory for hit in hits] == ["plays the oboe"]
        for command, code in (("status", 0), ("doctor", 1), ("audit", 3), ("list ann", 0)):
            answer = CliRunner().invoke(cli, command.split())
            assert answer.exit_code == code, answer.output
            assert "python -m memory_core rebuild" in answer.output
            assert answer.output.count("are damaged: ChromaDB ends with SIGSEGV") == 1
    rebuilt = CliRunner().invoke(cli, ["rebuild"])
    assert (rebuilt.exit_code, "damaged" in rebuilt.output) == (0, False)
    assert f"{SAVED + 1} memories" in rebuilt.output
    with open_on(data_dir) as service:
        assert listed(service) == {*TEXTS, "likes figs"}
        assert all(memory.indexed for memory in service.list_memories("ann"))
        assert len(service.search("ann", "figs", mode="index").hits) == 5
        assert service.status().steps[-1].name != "vector files"
        assert service.audit().clean
    answer = CliRunner().invoke(cli, ["list", "ann"])
    assert all(text in answer.output for text in TEXTS)


def test_a_healthy_folder_is_not_tried_wherever_it_is_copied(
    data_dir: Path, trials: list[Any]
) -> None:
    with open_on(data_dir) as service:
        service.add_text_memory("ann", "likes figs")
        service.add_text_memory("ann", "likes plums")
        assert service.audit().clean
    with open_on(data_dir) as service:
        assert len(listed(service)) == len(TEXTS) + 2
        assert service.forget_user("ann").left == 0
    make_collection(data_dir / "chroma", "another")
    with open_on(data_dir) as service:
        assert listed(service) == set()
    assert trials == []


@pytest.mark.process
def test_a_folder_of_another_release_is_tried_once(data_dir: Path, trials: list[Any]) -> None:
    (mark,) = (data_dir / "chroma").glob("*/.holdfast.tried")
    mark.unlink()
    for _ in range(2):
        with open_on(data_dir) as service:
            assert listed(service) == set(TEXTS)
            assert service.audit().clean
    assert len(trials) == 1


@pytest.mark.process
def test_a_trial_that_somebody_ends_is_no_damage(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(data_dir)
    killed = "import os, signal\nprint('begun', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr("memory_core.storage.vectors.chroma_trial._TRY", killed)
    with pytest.raises(BackendUnavailable, match="SIGKILL"):
        open_on(data_dir)


@pytest.mark.process
def test_where_no_python_can_be_started_a_folder_is_opened_untried(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (mark,) = (data_dir / "chroma").glob("*/.holdfast.tried")
    mark.unlink()
    monkeypatch.setattr("memory_core.storage.vectors.chroma_trial.sys.executable", "/bin/false")
    with open_on(data_dir) as service:
        assert listed(service) == set(TEXTS)
    assert "could not be tried with '/bin/false'" in caplog.text


@pytest.mark.process
def test_a_trial_that_does_not_end_is_damage(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(data_dir)
    monkeypatch.setattr("memory_core.storage.vectors.chroma_trial._TRY", "while True: pass")
    monkeypatch.setattr("memory_core.storage.vectors.chroma_trial._LEAST_S", 0.2)
    with open_on(data_dir) as service, pytest.raises(IndexDamaged, match="had not read them"):
        service.audit()
