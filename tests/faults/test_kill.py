"""kill -9 at every step: nothing acknowledged is missing, and doing it again finishes the work.

A process does one call and dies at its n-th write, before or after that took effect, for every n
until the call gets through. What it printed before it died was acknowledged. A fresh process then
looks at what each left, does the call again, and looks again, with services that know nothing.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import files_holding
from tests.support.wrappers import When
from tests.support.zygote import Zygote

Memories = list[list[str]]

BEFORE = ["likes tea", "likes rye", "likes oats"]
LINES = "\n".join(json.dumps({"memory": f"entry {number}"}) for number in range(4))
MANY = "\n".join(json.dumps({"memory": f"entry {number}"}) for number in range(510))
# The ids follow from user, scope and text; `{tea}` stands for that of the first.
CALLS: dict[str, list[Any]] = {
    "save": ["save", "ann", "likes figs"],
    "save what is there": ["save", "ann", "likes tea"],
    "messages": ["messages", "ann", "likes figs", "likes tea", "likes kiwis"],
    "document": ["document", "ann", "notes.jsonl", LINES],
    "update": ["update", "ann", "{tea}", "likes cocoa"],
    "delete": ["delete", "ann", "{tea}"],
    "delete user": ["delete user", "ann"],
    "forget": ["forget", "ann"],
}


MOMENT = 12
"""How much a process has said when it is killed at whatever it is doing then."""


class Drill:
    """A data folder with memories of Ann and Bob, copied for every death."""

    def __init__(self, zygote: Zygote, folder: Path, store: str, texts: list[str] = BEFORE) -> None:
        self.zygote = zygote
        self.store = store
        self._folder = folder
        self._template = folder / "template"
        saves = [["save", user, text] for text in texts for user in ("ann", "bob")]
        zygote.run("work", data_dir=self._template, store=store, calls=saves)
        self.before = self.examine(self._template)
        self.bob = self.examine(self._template, "bob")

    def call(self, name: str) -> list[Any]:
        ids = {"{tea}": self.before[0][0]}
        return [ids.get(part, part) for part in CALLS[name]]

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(self._template, self._folder / name))

    def examine(self, data_dir: Path, user: str = "ann") -> Memories:
        (found,) = self.zygote.run("examine", data_dir=data_dir, store=self.store, user=user)
        return [list(one) for one in found]

    def aftermath(self, data_dirs: Sequence[Path], call: list[Any]) -> Iterator[list[Memories]]:
        """Yield for each folder the memories of Ann and of Bob, and those after doing it again."""
        found = self.zygote.run(
            "aftermath", data_dirs=[*map(str, data_dirs)], store=self.store,
            users=["ann", "bob"], calls=[call],
        )  # fmt: skip
        assert len(found) == 4 * len(data_dirs)
        yield from (found[at : at + 4] for at in range(0, len(found), 4))

    def die(self, data_dir: Path, call: list[Any], at: int, when: When) -> tuple[int, list[Any]]:
        child = self.zygote.start(
            "work", data_dir=data_dir, store=self.store, calls=[call], at=at, when=when
        )
        return child.wait(), child.reported()

    def again(self, data_dir: Path, call: list[Any]) -> None:
        self.zygote.run("work", data_dir=data_dir, store=self.store, calls=[call])


def drill_every_step(drill: Drill, name: str) -> int:
    """Die at every write of the call; return how many there are."""
    call = drill.call(name)
    undisturbed = drill.copy(f"{name} undisturbed")
    drill.again(undisturbed, call)
    after = drill.examine(undisturbed)
    left: list[Path] = []
    for at in count(0):
        # Before the next write is after this one: nothing changes in between.
        moment: tuple[int, When] = (at, "after") if at else (1, "before")
        data_dir = drill.copy(f"{name} {at}")
        code, acknowledged = drill.die(data_dir, call, *moment)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        assert acknowledged == []
        left.append(data_dir)
    for data_dir, memories in zip(left, drill.aftermath(left, call), strict=True):
        found, of_bob, finished, of_bob_then = memories
        assert found in (drill.before, after), data_dir.name
        assert finished == after, data_dir.name
        assert of_bob == of_bob_then == drill.bob
        if name == "forget":
            assert_forgotten(data_dir)
    return max(0, at - 1)


def assert_forgotten(data_dir: Path) -> None:
    own = (data_dir / "ledger" / "v1" / "ann").iterdir()
    assert [path.name.split(".")[1] for path in own] == ["FORGET"]


@pytest.fixture(scope="module")
def drill(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    return Drill(zygote, tmp_path_factory.mktemp("drill"), "in_memory")


@pytest.mark.parametrize("name", CALLS)
def test_a_process_may_die_at_any_write_of_a_call(drill: Drill, name: str) -> None:
    assert drill_every_step(drill, name) >= (name != "save what is there")


def test_a_process_may_die_at_any_write_of_a_call_with_chromadb(
    zygote: Zygote, tmp_path: Path
) -> None:
    # It writes and removes, vectors and entries; the order of the other calls is that on any store.
    drill = Drill(zygote, tmp_path, "chroma", BEFORE[:2])
    assert drill_every_step(drill, "forget") >= 2


def test_a_document_cut_off_between_its_parts_is_finished_without_doubles(drill: Drill) -> None:
    call = ["document", "ann", "many.jsonl", MANY]
    texts = [f"entry {number}" for number in range(510)]
    # The writes are an entry and then 500 vectors, and an entry and 10 vectors.
    moments = {502: 500, 503: 510}
    data_dirs = [drill.copy(f"many {at}") for at in moments]
    for at, data_dir in zip(moments, data_dirs, strict=True):
        code, acknowledged = drill.die(data_dir, call, at, "before")
        assert (code, acknowledged) == (-signal.SIGKILL, [])
    aftermaths = drill.aftermath(data_dirs, call)
    for kept, (found, _, finished, _) in zip(moments.values(), aftermaths, strict=True):
        assert [text for _, text in found] == [*BEFORE, *texts[:kept]]
        assert [text for _, text in finished] == [*BEFORE, *texts]


def test_a_process_killed_at_any_moment_loses_nothing_it_acknowledged(
    zygote: Zygote, tmp_path: Path
) -> None:
    # More than it has the time for.
    texts = [f"number {number} of this one" for number in range(5_000)]
    child = zygote.start("save_many", data_dir=tmp_path, texts=texts)
    child.wait_for(MOMENT)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    acknowledged = child.reported()[1:]
    where = {"data_dir": tmp_path, "store": "chroma", "user": "ann"}
    (found,) = zygote.run("examine", **where)
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1
    again = texts[: len(found) + 2]
    zygote.run("save_many", data_dir=tmp_path, texts=again)
    (found,) = zygote.run("examine", **where, mended=True)
    assert [text for _, text in found] == again


def test_a_process_killed_while_it_forgets_leaves_a_store_that_works(
    zygote: Zygote, tmp_path: Path
) -> None:
    calls: list[list[str]] = [["save", "bob", "likes rye"]]
    for number in range(1_000):
        calls += [["save", "ann", f"zebrafish {number}"], ["forget", "ann"]]
    where = {"data_dir": tmp_path, "store": "chroma"}
    child = zygote.start("work", **where, calls=calls)
    child.wait_for(MOMENT)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    (found,) = zygote.run("examine", **where, user="ann")
    assert len(found) <= 1
    zygote.run("work", **where, calls=[["forget", "ann"]])
    (found,) = zygote.run("examine", **where, user="bob", mended=True)
    assert [text for _, text in found] == ["likes rye"]
    assert files_holding(tmp_path, "zebrafish") == []
