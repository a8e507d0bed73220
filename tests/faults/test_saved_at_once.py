"""Two processes that save the same text at the same moment are both told that it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core.embedders import Embedder
from memory_core.errors import NotIndexed
from memory_core.storage.objects import LocalObjects
from memory_core.storage.vectors import Vector
from tests.support.damage import found_in
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore
from tests.support.wrappers import Action, Trip, TrippedObjects, TrippedStore


def interrupted(
    data_dir: Path, embedder: Embedder, store: InMemoryStore, looked: Action, read_back: Action
) -> MemoryService:
    """Return a service with another in between, once it has looked and before it reads back."""
    objects = TrippedObjects(
        LocalObjects(data_dir), Trip(1, "after", looked, only=["objects.list"])
    )
    tripped = TrippedStore(store, Trip(1, "before", read_back, only=["store.get"]))
    return build_service(data_dir, embedder, tripped, objects=objects)


class Careless(TrippedStore):
    """Keeps a memory without its metadata."""

    def put(self, vectors: Sequence[Vector]) -> None:
        kept = "data", "user_id", "created_at", "revision"
        super().put(
            [replace(one, payload={key: one.payload[key] for key in kept}) for one in vectors]
        )


def test_a_store_that_keeps_half_of_a_memory_is_noticed(data_dir: Path, embedder: Embedder) -> None:
    store = Careless(InMemoryStore(embedder.dimensions), Trip(0))
    service = build_service(data_dir, embedder, store)
    with pytest.raises(NotIndexed, match="read back"):
        service.add_text_memory("ann", "likes tea", metadata={"topic": "drinks"}, verify=True)


def test_what_the_other_put_last_is_what_was_saved(data_dir: Path, embedder: Embedder) -> None:
    store = InMemoryStore(embedder.dimensions)
    other = build_service(data_dir, embedder, store)
    theirs = {}

    def save() -> None:
        (record,) = other.add_text_memory("ann", "likes tea")
        theirs.update(store.get([record.id], with_values=True))

    # Its put may be the later one, though its entry is the earlier.
    service = interrupted(data_dir, embedder, store, save, lambda: store.put([*theirs.values()]))
    (record,) = service.add_text_memory("ann", "likes tea", verify=True)
    assert record.verified
    assert [*theirs] == [record.id]
    assert len(other.history("ann")) == 2
    assert [(one.id, one.indexed) for one in other.list_memories("ann")] == [(record.id, True)]
    assert found_in(other.audit()) == {}
