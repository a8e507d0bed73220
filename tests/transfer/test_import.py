"""Imports: what was exported comes back whole, and what is broken says so and does no harm."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_core import InvalidUserId, MemoryService
from memory_core.ledger import ledger
from memory_core.transfer import export_memories, import_memories
from memory_core.transfer.format import Kind
from memory_core.transfer.reports import Outcome
from tests.support.intakes import (
    RISKY,
    Hashes,
    carried,
    open_world,
    puts,
    said,
    take,
    texts,
    written,
)
from tests.support.places import Place


@pytest.fixture
def world(tmp_path: Path) -> MemoryService:
    return open_world(tmp_path / "world")


def rows_of(path: Path) -> bytes:
    """Return an exported table without its first and last line."""
    return path.read_bytes().partition(b"\r\n")[2].rpartition(b"#end")[0]


def everything(service: MemoryService) -> dict[str, list[Any]]:
    """Return what can be seen of every user's memories, but when the entry was written."""
    return {
        found.user_id: sorted(
            (one.id, one.memory, one.created_at, one.updated_at, one.agent_id, one.run_id,
             one.role, sorted(one.metadata.items()), one.indexed)
            for one in service.list_memories(found.user_id)
        )
        for found in service.users()
    }  # fmt: skip


@pytest.mark.parametrize("home", ["chroma", "s3_vectors"])
def test_there_and_back_again(
    world: MemoryService, open_place: Callable[[str], Place], tmp_path: Path, home: str
) -> None:
    """From a real backend to another, in every form, and back to it after everything was lost."""
    place = open_place(home)
    first = place.service()
    for at, text in enumerate(RISKY):
        # The memories of an export may begin with any sign; those saved here have their own ids.
        first.add_text_memory(
            f"User{at % 2}@Größe.de", f"{text} – 日本 \U0001f600\nline", agent_id="chef",
            run_id=f"r{at}", metadata={"=k": "=v", "n": 0.1 + at, "list": ["a", "é"], "yes": True},
        )  # fmt: skip
    first.add_document(
        "user0@größe.de", "notes.md", b"# Title\n\nA sentence about nothing at all.", isolate=False
    )
    (edited, *_) = first.list_memories("user0@größe.de")
    first.update_memory("user0@größe.de", edited.id, "edited")
    before = everything(first)
    paths: dict[str, Path] = {}
    for name, kind, vectors in (("v", "jsonl", True), ("t", "jsonl", False), ("c", "csv", False)):
        paths[name] = tmp_path / f"{name}.{kind}"
        export_memories(first, paths[name], kind=kind, vectors=vectors)  # type: ignore[arg-type]
    for path in (paths["v"], paths["c"]):
        first.delete_user("user0@größe.de")
        back = import_memories(first, path, existing="keep-both").intake
        assert (back.verified, back.brought_back) == (True, len(before["user0@größe.de"]))
        assert everything(first) == before
    assert first.audit().clean
    first.close()
    for name, path in paths.items():
        other = open_world(tmp_path / name, 256, "another-model")
        report = import_memories(other, path)
        assert report.ok, report.intake
        assert report.intake.verified
        assert report.intake.embedded == len(RISKY) + 1, "another model, so none is kept"
        assert everything(other) == before
        assert other.audit().clean
        again = tmp_path / f"{name} again.csv"
        export_memories(other, again, kind="csv")
        rows = [
            path.read_bytes().split(b"\r\n", 1)[1].rpartition(b"#end")[0]
            for path in (paths["c"], again)
        ]
        assert rows[0] == rows[1]


def test_vectors_are_kept_where_the_model_is_the_same(
    world: MemoryService, exported: Path, tmp_path: Path
) -> None:
    report = import_memories(world, exported)
    assert (report.whole, report.ok, report.intake.embedded) == (True, True, 0)
    assert puts(world) == [12]
    other = open_world(tmp_path / "other", 16)
    assert import_memories(other, exported).intake.embedded == 12
    assert other.parts.store.get(["a-0"], with_values=True)["a-0"].values.shape == (16,)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_second_import_writes_nothing(tmp_path: Path, world: MemoryService, kind: Kind) -> None:
    source = open_world(tmp_path / "source")
    take(source, *(carried(f"m-{n}", "ann", f"t {n}", topic="x", actor_id="Bo") for n in range(5)))
    path = tmp_path / f"all.{kind}"
    export_memories(source, path, kind=kind)
    import_memories(world, path)
    before = world.history("ann"), puts(world)[:]
    for existing in ("skip", "overwrite", "keep-both"):
        report = import_memories(world, path, existing=existing)  # type: ignore[arg-type]
        assert said(report.intake) == {"already_there": 5}
        assert report.intake.verified
    assert (world.history("ann"), puts(world)) == before


def test_a_dry_run_says_what_would_be_and_writes_nothing(
    world: MemoryService, exported: Path
) -> None:
    take(world, carried("a-0", "a", "other"), carried("x", "b", "b 1"))
    before = everything(world), puts(world)[:]
    dry = import_memories(world, exported, dry_run=True)
    assert (everything(world), puts(world)) == before
    assert (dry.intake.verified, dry.ok) == (None, True)
    real = import_memories(world, exported)
    assert dry.intake.counts == real.intake.counts
    assert real.intake.counts[Outcome.CONFLICT] == real.intake.counts[Outcome.ALREADY] == 1


def test_everything_as_one_users(world: MemoryService, exported: Path) -> None:
    take(world, carried("b-0", "b", "b 0"))
    report = import_memories(world, exported, user_id=" Zoe ")
    assert report.intake.verified
    assert len(texts(world, "zoe")) == 12
    assert report.intake.renamed == 1
    assert "b-0" not in texts(world, "zoe")
    assert texts(world, "b") == {"b-0": "b 0"}
    assert said(import_memories(world, exported, user_id="zoe").intake) == {"already_there": 12}
    with pytest.raises(InvalidUserId):
        import_memories(world, exported, user_id=" ")


def test_progress_counts_what_is_taken_in_and_what_is_read_back(
    world: MemoryService, exported: Path
) -> None:
    seen: list[tuple[int, int]] = []
    import_memories(world, exported, on_progress=lambda *done: seen.append(done))
    assert seen == [(12, 24), (16, 24), (20, 24), (24, 24)]


@pytest.mark.exhaustive
def test_a_large_file_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the users take no more than a half more; what is kept of each is bounded."""
    for name in ("_EVENTS_KEPT", "_FRUGAL_EVENTS"):
        monkeypatch.setattr(ledger, name, 200)
    for name in ("_VIEWS_KEPT", "_FRUGAL_VIEWS", "USERS_AT_ONCE"):
        monkeypatch.setattr(ledger, name, 5)
    monkeypatch.setattr("memory_core.transfer.incoming_writer._WINDOW", 100)

    def peaks(users: int) -> tuple[int, int]:
        path = written(
            tmp_path / f"{users}.jsonl",
            *(
                {"id": f"m-{user}-{n}", "user_id": f"user{user}", "memory": f"{n} " + "x" * 2_000}
                for user in range(users)
                for n in range(20)
            ),
        )
        service = open_world(tmp_path / f"world{users}")
        # A store that holds nothing and an embedder that keeps no texts.
        monkeypatch.setattr(Hashes, "embed", lambda self, texts: np.eye(8)[[0] * len(texts)])
        monkeypatch.setattr(type(service.parts.store), "put", lambda store, vectors: None)
        tracemalloc.start()
        report = import_memories(service, path)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        export_memories(service, tmp_path / f"out{users}.jsonl")
        given = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert report.intake.counts[Outcome.ADDED] == users * 20
        return taken, given

    few = peaks(10)
    # The smaller of two: during one, Python's table of interned strings (4 MB) may grow.
    many = [*map(min, peaks(40), peaks(41))]
    assert many[0] < few[0] * 1.5
    assert many[1] < few[1] * 1.5
