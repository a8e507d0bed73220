"""When the store or the ledger fails: a clear error, nothing lost, and doing it again mends it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core.embedders import Embedder
from memory_core.errors import BackendError, BackendUnavailable, MemoryNotFound, NotIndexed
from memory_core.storage.objects import LocalObjects
from memory_core.storage.vectors import Vector, VectorStore
from tests.support.factories import STORES, build_service, files_holding
from tests.support.wrappers import Trip, TrippedObjects, TrippedStore, When

TEA, RYE, OATS = "likes tea", "likes rye", "likes oats"
NOBODY = 65534


class Faulty:
    """A real store and a real ledger folder, and services on them that fail when told."""

    def __init__(self, kind: str, data_dir: Path, embedder: Embedder) -> None:
        self.data_dir = data_dir
        self._embedder = embedder
        self.store = STORES[kind](data_dir, embedder.dimensions)

    def service(self, trip: Trip | None = None, store: VectorStore | None = None) -> MemoryService:
        trip = trip or Trip(0)
        return build_service(
            self.data_dir,
            self._embedder,
            TrippedStore(store or self.store, trip),
            objects=TrippedObjects(LocalObjects(self.data_dir), trip),
        )

    def failing(self, *only: str, at: int = 1, when: When = "before") -> MemoryService:
        """Return a service whose `at`-th call of these names fails."""
        return self.service(Trip(at, when, only=only))

    def texts(self, user: str = "ann") -> list[str]:
        return [one.memory for one in self.service().list_memories(user)]


@pytest.fixture(params=STORES)
def faulty(request: pytest.FixtureRequest, data_dir: Path, embedder: Embedder) -> Iterator[Faulty]:
    made = Faulty(request.param, data_dir, embedder)
    yield made
    made.store.close()


class Dropping(TrippedStore):
    """Says that it stored, and does not."""

    def put(self, vectors: Sequence[Vector]) -> None:
        pass


def test_a_put_that_fails_leaves_the_memory_recorded_listed_and_found(faulty: Faulty) -> None:
    service = faulty.failing("store.put")
    with pytest.raises(NotIndexed, match="recorded and safe") as caught:
        service.add_text_memory("ann", TEA)
    assert list(faulty.store.keys()) == []
    for looking in (service, faulty.service()):
        (listed,) = looking.list_memories("ann")
        assert (listed.id, listed.memory) == (caught.value.memory_id, TEA)
        assert not listed.indexed
        assert not looking.get_memory("ann", listed.id).indexed
        (hit,) = looking.query_memories("ann", TEA)
        assert hit.memory.id == listed.id
        assert hit.cosine == pytest.approx(1, abs=1e-4)
        assert [*looking.storage().values()] == [0, 1]


def test_saving_it_again_mends_it(faulty: Faulty) -> None:
    service = faulty.failing("store.put")
    with pytest.raises(NotIndexed) as caught:
        service.add_text_memory("ann", TEA, metadata={"topic": "drinks"})
    service.query_memories("ann", TEA)
    (again,) = service.add_text_memory("ann", TEA, verify=True)
    assert (again.id, again.already_stored, again.verified) == (caught.value.memory_id, True, True)
    for looking in (service, faulty.service()):
        (listed,) = looking.list_memories("ann")
        assert (listed.indexed, listed.metadata) == (True, {"topic": "drinks"})
        assert [*looking.storage().values()] == [1, 0]
        assert looking.search("ann", TEA, mode="index").hits[0].memory.id == again.id
    assert len(service.history("ann")) == 1


def test_a_put_whose_answer_is_lost_leads_to_one_memory(faulty: Faulty) -> None:
    with pytest.raises(NotIndexed) as caught:
        faulty.failing("store.put", when="after").add_text_memory("ann", TEA)
    (listed,) = faulty.service().list_memories("ann")
    assert (listed.id, listed.indexed) == (caught.value.memory_id, True)
    (again,) = faulty.service().add_text_memory("ann", TEA)
    assert again.already_stored
    assert (faulty.texts(), list(faulty.store.keys())) == ([TEA], [again.id])


def test_a_ledger_entry_whose_answer_is_lost_leads_to_one_memory(faulty: Faulty) -> None:
    with pytest.raises(BackendUnavailable):
        faulty.failing("objects.put", when="after").add_text_memory("ann", TEA)
    faulty.service().add_text_memory("ann", TEA, verify=True)
    (listed,) = faulty.service().list_memories("ann")
    assert listed.indexed
    assert list(faulty.store.keys()) == [listed.id]


def test_reading_back_notices_a_store_that_drops_what_it_took(faulty: Faulty) -> None:
    service = faulty.service(store=Dropping(faulty.store, Trip(0)))
    with pytest.raises(NotIndexed, match="read back") as caught:
        service.add_text_memory("ann", TEA, verify=True)
    (listed,) = service.list_memories("ann")
    assert (listed.id, listed.indexed) == (caught.value.memory_id, False)
    (record,) = service.add_text_memory("ann", RYE)
    assert not record.verified
    with pytest.raises(NotIndexed):
        service.update_memory("ann", record.id, OATS, verify=True)
    assert faulty.texts() == [OATS, TEA]


def test_without_a_ledger_entry_nothing_is_stored(faulty: Faulty) -> None:
    service = faulty.failing("objects.put")
    with pytest.raises(BackendUnavailable):
        service.add_text_memory("ann", TEA)
    assert (faulty.texts(), list(faulty.store.keys())) == ([], [])
    assert service.history("ann") == []


def test_an_update_that_is_recorded_only_shows_the_new_text(faulty: Faulty) -> None:
    (first,) = faulty.service().add_text_memory("ann", TEA)
    service = faulty.failing("store.put")
    with pytest.raises(NotIndexed) as caught:
        service.update_memory("ann", first.id, RYE)
    assert caught.value.memory_id == first.id
    for looking in (service, faulty.service()):
        (listed,) = looking.list_memories("ann")
        assert (listed.memory, listed.indexed) == (RYE, False)
        assert looking.query_memories("ann", RYE)[0].cosine == pytest.approx(1, abs=1e-4)
        assert looking.search("ann", RYE, mode="index").hits[0].memory.memory == RYE
    (again,) = service.add_text_memory("ann", RYE)
    assert (again.id, again.already_stored) == (first.id, True)
    assert [one.indexed for one in faulty.service().list_memories("ann")] == [True]


def test_a_deletion_whose_vectors_stay_is_a_deletion_all_the_same(faulty: Faulty) -> None:
    service = faulty.service()
    (tea,), (rye,) = (service.add_text_memory("ann", text) for text in (TEA, RYE))
    failing = faulty.failing("store.delete")
    failing.query_memories("ann", TEA)
    with pytest.raises(BackendUnavailable):
        failing.delete_memory("ann", tea.id)
    assert set(faulty.store.keys()) == {tea.id, rye.id}
    for looking in (failing, faulty.service()):
        assert [one.memory for one in looking.list_memories("ann")] == [RYE]
        for mode in ("exact", "index"):
            hits = looking.search("ann", TEA, mode=mode).hits
            assert [hit.memory.memory for hit in hits] == [RYE]
    with pytest.raises(MemoryNotFound):
        failing.delete_memory("ann", tea.id)
    assert list(faulty.store.keys()) == [rye.id]


def test_an_error_is_never_shown_as_an_empty_answer(faulty: Faulty) -> None:
    (one,) = faulty.service().add_text_memory("ann", TEA)
    looks: list[Callable[[MemoryService], object]] = [
        lambda service: service.list_memories("ann"),
        lambda service: service.query_memories("ann", TEA),
        lambda service: service.search("ann", TEA, mode="index"),
        lambda service: service.get_memory("ann", one.id),
        lambda service: service.history("ann"),
        lambda service: service.users(),
        lambda service: service.storage(),
        lambda service: service.status(),
    ]
    for look in looks:
        counting = Trip(0)
        look(faulty.service(counting))
        assert counting.calls
        for at in range(1, len(counting.calls) + 1):
            service = faulty.failing(at=at)
            with pytest.raises(BackendUnavailable):
                look(service)
            look(service)


WORKS: dict[str, Callable[[MemoryService, str], object]] = {
    "save": lambda service, one: service.add_text_memory("ann", OATS, verify=True),
    "save what is there": lambda service, one: service.add_text_memory("ann", TEA),
    "update": lambda service, one: service.update_memory("ann", one, OATS),
    "delete": lambda service, one: service.delete_memory("ann", one),
    "delete user": lambda service, one: service.delete_user("ann"),
    "forget": lambda service, one: service.forget_user("ann"),
    "document": lambda service, one: service.add_document(
        "ann", "a.jsonl", b'{"memory": "likes oats"}\n{"memory": "likes figs"}', isolate=False
    ),
}


@pytest.mark.parametrize("work", WORKS)
def test_whichever_call_fails_doing_it_again_finishes_the_work(
    work: str, tmp_path: Path, embedder: Embedder
) -> None:
    after: list[str] | None = None
    for at in count(0):
        for when in ("before", "after"):
            faulty = Faulty("in_memory", tmp_path / f"{at}{when}", embedder)
            (one,) = faulty.service().add_text_memory("ann", TEA)
            before = faulty.texts()
            trip = Trip(at, when)
            service = faulty.service(trip)
            try:
                WORKS[work](service, one.id)
            except (BackendError, NotIndexed):
                assert after is not None
                assert faulty.texts() in (before, after)
                try:
                    WORKS[work](service, one.id)
                except MemoryNotFound:
                    assert work == "delete"
            after = after if after is not None else faulty.texts()
            assert faulty.texts() == after
            listed = faulty.service().list_memories("ann")
            assert all(found.indexed for found in listed)
            assert set(faulty.store.keys()) == {found.id for found in listed}
            if work == "forget":
                assert files_holding(faulty.data_dir, TEA) == []
        if at > len(trip.calls):
            return


@contextmanager
def nobody() -> Iterator[None]:
    """Give up the rights of root, for which no folder is read-only."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_without_permission_is_one_sentence_for_every_call(faulty: Faulty) -> None:
    service = faulty.service()
    (one,) = service.add_text_memory("ann", TEA)
    ledger = faulty.data_dir / "ledger"
    ledger.chmod(0)
    calls: list[Callable[[], object]] = [
        lambda: service.add_text_memory("ann", RYE),
        lambda: service.add_text_memory("bob", RYE),
        lambda: service.update_memory("ann", one.id, RYE),
        lambda: service.delete_memory("ann", one.id),
        lambda: service.forget_user("ann"),
        lambda: service.list_memories("ann"),
        lambda: service.users(),
    ]
    with nobody():
        for call in calls:
            with pytest.raises(BackendUnavailable, match=r"Permission denied; .*MEMORY_DATA_DIR"):
                call()
    ledger.chmod(0o700)
    assert faulty.texts() == [TEA]
    assert list(faulty.store.keys()) == [one.id]


def test_a_full_disk_is_an_error_and_nothing_is_half_written(faulty: Faulty) -> None:
    service = faulty.service()
    service.add_text_memory("ann", TEA)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(BackendUnavailable, match="check that the disk"):
            service.add_text_memory("ann", "tea " * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert faulty.texts() == [TEA]
    assert list((faulty.data_dir / ".staging").iterdir()) == []
    service.add_text_memory("ann", "tea " * 2000, verify=True)
