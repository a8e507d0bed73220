"""Imports that are killed at every step, that meet each other, and whose backend fails."""

from __future__ import annotations

import json
import shutil
from itertools import count
from pathlib import Path

import pytest

from memory_core import BackendUnavailable, NotIndexed
from memory_core.embedders import Embedder
from memory_core.storage.objects import LocalObjects
from memory_core.transfer import import_memories
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore
from tests.support.intakes import said
from tests.support.wrappers import Trip, TrippedObjects, TrippedStore, When, fail
from tests.support.zygote import Zygote

KEPT = [["m-0", "ann 0"], ["m-1", "ann 1"]]


def file_of(folder: Path, *users: str, each: int = 3, name: str = "all.jsonl") -> Path:
    path = folder / name
    lines = [
        json.dumps({"id": f"m-{at * each + n}", "user_id": user, "memory": f"{user} {n}"})
        for at, user in enumerate(users)
        for n in range(each)
    ]
    path.write_text("\n".join(lines))
    return path


def test_an_import_killed_at_every_step_is_finished_by_the_next(
    zygote: Zygote, tmp_path: Path
) -> None:
    call = ["import", "", str(file_of(tmp_path, "ann", "bob", each=2))]
    template = tmp_path / "template"
    zygote.run("work", data_dir=template, store="chroma", calls=[["save", "cleo", "rye"]])
    for at in count(0):
        moment: tuple[int, When] = (at, "after") if at else (1, "before")
        data_dir = Path(shutil.copytree(template, tmp_path / str(at)))
        where = {"data_dir": data_dir, "store": "chroma"}
        child = zygote.start("work", **where, calls=[call], at=moment[0], when=moment[1])
        if child.wait() == 0:
            break
        *_, found = zygote.run("finish", **where, call=call, user="ann")
        assert found == KEPT, f"write {at}"
        entries = [path for path in data_dir.glob("ledger/v1/*/*") if "cleo" not in str(path)]
        assert len(entries) == 2, f"write {at}: one of Ann, one of Bob, and none twice"
    # One entry for each user, and four vectors.
    assert at == 7


def test_two_imports_at_once_write_nothing_twice(
    zygote: Zygote, data_dir: Path, tmp_path: Path
) -> None:
    path = file_of(tmp_path, "ann", "bob", each=150)
    for child in [zygote.start("take_in", data_dir=data_dir, path=path) for _ in range(2)]:
        assert child.finish() == [300]
    for user in ("ann", "bob"):
        (found,) = zygote.run("examine", data_dir=data_dir, store="chroma", user=user, mended=True)
        assert sorted(text for _, text in found) == sorted(f"{user} {n}" for n in range(150))


@pytest.mark.parametrize("lost", ["objects.put", "store.put"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_did_not_come_is_no_second_memory(
    tmp_path: Path, embedder: Embedder, lost: str, when: When
) -> None:
    path = file_of(tmp_path, "ann", "bob")
    store, objects = InMemoryStore(embedder.dimensions), LocalObjects(tmp_path / "data")
    trip = Trip(2, when, fail, [lost])
    failing = build_service(
        tmp_path / "data",
        embedder,
        TrippedStore(store, trip),
        objects=TrippedObjects(objects, trip),
    )
    with pytest.raises((BackendUnavailable, NotIndexed), match="again"):
        import_memories(failing, path)
    service = build_service(tmp_path / "data", embedder, store, objects=objects)
    report = import_memories(service, path)
    assert report.ok
    assert said(report.intake)["already_there"] >= (3 if when == "before" else 6) * (
        lost == "objects.put"
    )
    assert len(list((tmp_path / "data" / "ledger").rglob("*.jsonl"))) == 2
    assert service.audit().clean
