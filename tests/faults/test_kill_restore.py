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
    data_dirs = []
    for at in range(1, writes + 2):
        data_dirs.append(shutil.copytree(template, tmp_path / str(at)))
        where = {"data_dir": data_dirs[-1], "store": "chroma"}
        child = zygote.start("work", **where, calls=[call], at=at, when="after")
        assert child.wait() == (0 if at > writes else -signal.SIGKILL)
    found = zygote.run(
        "aftermath", data_dirs=[*map(str, data_dirs)], store="chroma", users=["ann"],
        calls=[call, finish],
    )  # fmt: skip
    for left, mended in zip(found[::2], found[1::2], strict=True):
        assert sorted(text for _, text in left) in (sorted(after), BEFORE)
        assert sorted(text for _, text in mended) == sorted(after)
    assert len(found) == 2 * len(data_dirs)
