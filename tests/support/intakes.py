"""An embedder for a moment's work, and services on stores in memory, for what comes in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memory_core import MemoryService
from memory_core.embedders.base import unit_rows
from memory_core.transfer.incoming_memory import Incoming
from memory_core.transfer.incoming_writer import Intake
from memory_core.transfer.reports import Existing, IntakeReport, Outcome
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore

RISKY = ["=1+1", "+1", "-1", "@cmd", "\ttab", "\rcr", "\nlf", "'=1", "''x", "＝1", "a=1", "'"]

EARLY = "2026-01-02T03:04:05+00:00"


class Hashes:
    """Vectors that follow from the letters of a text, and the texts that were embedded."""

    def __init__(self, dimensions: int = 8, name: str = "hashes") -> None:
        self.name = self.slug = name
        self.dimensions = dimensions
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.embedded += texts
        rows = [hashlib.sha256(text.encode()).digest() for text in texts]
        whole = np.array([list(row) for row in rows], dtype=np.float32).reshape(-1, 32)
        return unit_rows(whole[:, : self.dimensions] - 127.5)


class Counting(InMemoryStore):
    """A store in memory that knows how many vectors each put had."""

    def __init__(self, dimensions: int) -> None:
        super().__init__(dimensions)
        self.puts: list[int] = []

    def put(self, vectors: Sequence[Any]) -> None:
        self.puts.append(len(vectors))
        super().put(vectors)


def open_world(folder: Path, dimensions: int = 8, name: str = "hashes") -> MemoryService:
    """Return an empty service on a store in memory."""
    return build_service(folder, Hashes(dimensions, name), Counting(dimensions))


def puts(service: MemoryService) -> list[int]:
    """Return how many vectors were put each time."""
    store = service.parts.store
    assert isinstance(store, Counting)
    return store.puts


def carried(memory_id: str | None, user: str, text: object, **more: Any) -> Incoming:
    """Return a memory as an export would have it; `line` is that of nothing."""
    fields = {name: more.pop(name) for name in ("values", "embedder", "former") if name in more}
    payload = {"data": text, "created_at": EARLY, **more}
    return Incoming(memory_id, user, payload, **fields)


def take(
    service: MemoryService, *batch: Incoming, existing: Existing = "skip", dry_run: bool = False
) -> IntakeReport:
    """Take one batch in, and prove it."""
    parts = service.parts
    with Intake(
        parts.ledger, parts.store, parts.embedder, "a.jsonl", existing=existing, dry_run=dry_run
    ) as intake:
        intake.take(batch)
        return intake.finish()


def said(report: IntakeReport) -> Mapping[str, int]:
    """Return what was counted, without what was not."""
    asides = {"renamed": report.renamed, "brought back": report.brought_back}
    asides |= {"healed": report.healed, "unlike": report.unlike, "embedded": report.embedded}
    counts = {str(outcome): report.counts[outcome] for outcome in Outcome}
    return {word: number for word, number in {**counts, **asides}.items() if number}


def texts(service: MemoryService, user: str) -> dict[str, str]:
    """Return a user's memories by id."""
    return {one.id: one.memory for one in service.list_memories(user)}


def written(path: Path, *lines: Any) -> Path:
    """Write lines of JSON, and those that are text as they are."""
    path.write_text(
        "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines), "utf-8"
    )
    return path
