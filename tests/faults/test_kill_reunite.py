"""kill -9 at every write of a reunion: both or one have the memories, and it can be finished."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.zygote import Zygote

HERS = ["likes figs", "likes kiwis", "likes plums"]
CALL = ["reunite", "ann", "bob"]
WRITES = 5
"""A batch for the one who takes them, three vectors, a batch for the one who had them."""


@pytest.fixture(scope="module")
def template(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reunite") / "template"
    calls = [["messages", "ann", *HERS], ["save", "bob", "likes tea"]]
    zygote.run("work", data_dir=folder, store="chroma", calls=calls)
    return folder


@pytest.mark.parametrize(
    ("finish", "moments"),
    [(CALL, range(1, WRITES + 2)), (["repair", ""], (1, WRITES - 1))],
    ids=["again", "repair"],
)
def test_a_process_may_die_at_any_write(
    zygote: Zygote, template: Path, tmp_path: Path, finish: list[str], moments: Iterable[int]
) -> None:
    for at in moments:
        data_dir = shutil.copytree(template, tmp_path / str(at))
        child = zygote.start(
            "work", data_dir=data_dir, store="chroma", calls=[CALL], at=at, when="after"
        )
        if at > WRITES:
            assert child.wait() == 0
        else:
            assert child.wait() == -signal.SIGKILL
            assert child.reported() == []
    cut_off = [str(tmp_path / str(at)) for at in moments if at < WRITES]
    # After the last write there is nothing to finish.
    whole = [str(tmp_path / str(at)) for at in moments if at >= WRITES]
    for data_dirs, calls in ((cut_off, [finish]), (whole, [])):
        found = zygote.run(
            "aftermath", data_dirs=data_dirs, store="chroma", users=["ann", "bob"], calls=calls
        )
        assert len(found) == 4 * len(data_dirs)
        for of_ann, of_bob in zip(found[::4], found[1::4], strict=True):
            assert {text for _, text in of_ann} in ({*HERS}, set())
            assert {text for _, text in of_bob} == {*HERS, "likes tea"}
        for of_ann, of_bob in zip(found[2::4], found[3::4], strict=True):
            assert of_ann == []
            assert sorted(text for _, text in of_bob) == sorted(["likes tea", *HERS])
