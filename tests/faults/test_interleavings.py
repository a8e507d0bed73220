"""Another process may come in between any two steps: the end is as if they had taken turns.

One service is stopped at every call it makes to the ledger's objects and to the store, and another
one does a whole piece of work there. What remains must be what some order of the single steps,
undisturbed, leaves as well; and the ledger alone must say the same as ledger and store together.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, count
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core.embedders import Embedder
from memory_core.errors import MemoryNotFound, NotIndexed
from memory_core.model.records import Kind
from memory_core.storage.objects import LocalObjects
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore
from tests.support.wrappers import Trip, TrippedObjects, TrippedStore

Ids = dict[str, str]
Step = Callable[[MemoryService, Ids], object]
Outcome = tuple[str, ...]

OLD, OTHER, NEW, CHANGED = "likes tea", "likes rye", "likes oats", "likes cocoa"
DOCUMENT = b'{"memory": "likes oats"}\n{"memory": "likes figs"}'


def save(text: str) -> Step:
    def step(service: MemoryService, ids: Ids) -> None:
        (record,) = service.add_text_memory("ann", text, verify=True)
        ids[text] = record.id

    return step


def update(text: str, to: str) -> Step:
    return lambda service, ids: service.update_memory("ann", ids.get(text, "gone"), to, verify=True)


def delete(text: str) -> Step:
    return lambda service, ids: service.delete_memory("ann", ids.get(text, "gone"))


WORKS: dict[str, list[Step]] = {
    "save new": [save(NEW)],
    "save old": [save(OLD)],
    "update old": [update(OLD, CHANGED)],
    "update other to old": [update(OTHER, OLD)],
    "delete old": [delete(OLD)],
    "delete user": [lambda service, ids: service.delete_user("ann")],
    "restore user": [lambda service, ids: service.restore_user("ann", ids["the beginning"])],
    "forget user": [lambda service, ids: service.forget_user("ann")],
    "save new and update": [save(NEW), update(NEW, CHANGED)],
    "delete and save old": [delete(OLD), save(OLD)],
    "document": [
        lambda service, ids: service.add_document("ann", "a.jsonl", DOCUMENT, isolate=False)
    ],
}
SINGLE = [name for name, steps in WORKS.items() if len(steps) == 1]
"""What is stopped: each call of two steps is a call of one of them."""
SEEN = [name for name in WORKS if name not in {"save old", "save new and update"}]
"""What others may see: but for what changes nothing, and two steps that each are seen alone."""
LOOKS: dict[str, Step] = {
    "list": lambda service, ids: service.list_memories("ann"),
    "query": lambda service, ids: service.query_memories("ann", OLD),
    "query index": lambda service, ids: service.search("ann", OLD, mode="index"),
    "history": lambda service, ids: service.history("ann"),
    "users": lambda service, ids: (service.users(), service.storage()),
    "get": lambda service, ids: service.get_memory("ann", ids[OLD]),
}


class World:
    """Copies of a ledger folder and a store with two memories of Ann and one of Bob."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._folder = folder
        self._embedder = embedder
        self._numbers = count()
        self._stored = InMemoryStore(embedder.dimensions)
        self._in_turn: dict[tuple[Step, ...], Outcome] = {}
        first = build_service(folder / "template", embedder, self._stored)
        self.ids: Ids = {}
        for user, text in (("bob", OLD), ("ann", OLD), ("ann", OTHER)):
            (record,) = first.add_text_memory(user, text)
            self.ids[text] = record.id
        self.ids["the beginning"] = first.history("ann")[-1].event_id

    def copy(self) -> tuple[Path, InMemoryStore]:
        folder = self._folder / str(next(self._numbers))
        shutil.copytree(self._folder / "template", folder)
        store = InMemoryStore(self._embedder.dimensions)
        store.put(list(self._stored.get(self._stored.keys(), with_values=True).values()))
        return folder, store

    def service(
        self, folder: Path, store: InMemoryStore, trip: Trip | None = None
    ) -> MemoryService:
        if trip is None:
            return build_service(folder, self._embedder, store)
        objects = TrippedObjects(LocalObjects(folder), trip)
        return build_service(folder, self._embedder, TrippedStore(store, trip), objects=objects)

    def outcome(self, folder: Path, store: InMemoryStore) -> Outcome:
        """Return what the ledger alone says, having compared it with ledger and store."""
        alone = self.service(folder, InMemoryStore(self._embedder.dimensions))
        both = self.service(folder, store)
        said = [(one.id, one.memory) for one in alone.list_memories("ann")]
        assert [(one.id, one.memory) for one in both.list_memories("ann")] == said
        found = {hit.memory.id for hit in both.query_memories("ann", OLD, limit=99)}
        assert found == {one for one, _ in said}
        assert [one.memory for one in both.list_memories("bob")] == [OLD]
        history = both.history("ann")
        forgotten = [at for at, event in enumerate(history) if event.kind is Kind.FORGET]
        if forgotten:
            before = history[: forgotten[-1]]
            assert [one.memory for one in before if one.memory] == [], "on record after a FORGET"
            held = store.get(list(store.keys())).items()
            left = {one for one, vector in held if vector.payload["user_id"] == "ann"}
            assert left <= {one for one, _ in said}, "in the store after a FORGET"
        return (*sorted(text for _, text in said), *["(forgotten)"] * bool(forgotten))

    def in_turn(self, steps: Sequence[Step]) -> Outcome:
        """Return what steps undisturbed leave; the same for whoever asks again."""
        if (order := tuple(steps)) not in self._in_turn:
            folder, store = self.copy()
            self.work(self.service(folder, store), steps)
            self._in_turn[order] = self.outcome(folder, store)
        return self._in_turn[order]

    def work(self, service: MemoryService, steps: Sequence[Step]) -> list[NotIndexed]:
        """Do them all; that a memory is gone meanwhile is an answer, too."""
        ids, complaints = dict(self.ids), []
        for step in steps:
            try:
                step(service, ids)
            except NotIndexed as exc:
                complaints.append(exc)
            except MemoryNotFound:
                continue
        return complaints


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> World:
    return World(tmp_path_factory.mktemp("world"), embedder)


def orders(first: Sequence[Step], second: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield every order that keeps the order of each."""
    size = len(first) + len(second)
    for places in combinations(range(size), len(first)):
        rest = iter(second)
        mine = iter(first)
        yield [next(mine) if at in places else next(rest) for at in range(size)]


def interleave(
    world: World, stopped: Sequence[Step], between: Sequence[Step]
) -> dict[str, Outcome]:
    """Do `between` at every call of `stopped`; return what came of it at which call."""
    seen: dict[str, Outcome] = {}
    for at in count(1):
        for when in ("after", "before"):
            folder, store = world.copy()
            other = world.service(folder, store)
            trip = Trip(at, when, lambda other=other: world.work(other, between))
            complaints = world.work(world.service(folder, store, trip), stopped)
            if len(trip.calls) < at:
                return seen
            where = f"{when} call {at}, {trip.calls[at - 1]}"
            if complaints:
                live = {one.id for one in world.service(folder, store).list_memories("ann")}
                # Not to be searchable because it was deleted meanwhile is no news, but no lie.
                assert not [str(one) for one in complaints if one.memory_id in live], where
            try:
                seen[where] = world.outcome(folder, store)
            except AssertionError as exc:
                raise AssertionError(f"{where}: {exc}") from exc
            if trip.calls[at - 1] != "objects.put":
                # After this call and before the next one is the same moment, but for the time in
                # an entry's name, which is taken before it is written.
                break
    raise AssertionError("never done")


@pytest.mark.parametrize("between", WORKS)
@pytest.mark.parametrize("stopped", SINGLE)
def test_two_writers_end_as_if_they_had_taken_turns(
    world: World, stopped: str, between: str
) -> None:
    first, second = WORKS[stopped], WORKS[between]
    possible = {world.in_turn(steps) for steps in orders(first, second)}
    outcomes = interleave(world, first, second)
    assert {where: one for where, one in outcomes.items() if one not in possible} == {}


@pytest.mark.parametrize("between", SEEN)
@pytest.mark.parametrize("look", LOOKS)
def test_whoever_looks_while_another_writes_meets_no_error(
    world: World, look: str, between: str
) -> None:
    after = world.in_turn(WORKS[between])
    assert set(interleave(world, [LOOKS[look]], WORKS[between]).values()) == {after}
