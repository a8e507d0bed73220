"""kill -9 at every write of a restore and of a bulk deletion: done or not done, and repeatable."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.support.zygote import Zygote

HERS = ["likes figs", "likes kiwis", "likes plums"]
BEFORE = ["likes plums", "likes tea"]
RESTORE, DELETE, REPAIR = ["restore", "ann", "2"], ["delete some", "ann", "likes"], ["repair", ""]
CASES = {"restore": (RESTORE, RESTORE, HERS, 4), "delete some": (DELETE, REPAIR, [], 3)}
"""The call, what finishes it, what it leads to, and its writes: a batch and each vector."""


@pytest.fixture(scope="module")
def template(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("restore") / "template"
    calls = [
        ["messages", "ann", *HERS],
        ["delete some", "ann", "figs"],
        ["delete some", "ann", "kiwis"],
        ["save", "ann", "likes tea"],
    ]
    zygote.run("work", data_dir=folder, store="chroma", calls=calls)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_process_may_die_at_any_write(
    zygote: Zygote, template: Path, tmp_path: Path, name: str
) -> None:
    call, finish, after, writes = CASES[name]
    for at in range(1, writes + 2):
        where = {"data_dir": tmp_path / str(at), "store": "chroma"}
        shutil.copytree(template, where["data_dir"])
        child = zygote.start("work", **where, calls=[call], at=at, when="after")
        assert child.wait() == (0 if at > writes else -signal.SIGKILL)
        (left,) = zygote.run("examine_each", **where, users=["ann"])
        assert sorted(text for _, text in left) in (sorted(after), BEFORE)
        zygote.run("work", **where, calls=[call, finish])
        (mended,) = zygote.run("examine_each", **where, users=["ann"], mended=True)
        assert sorted(text for _, text in mended) == sorted(after)
