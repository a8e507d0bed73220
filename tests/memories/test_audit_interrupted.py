"""Audits and repairs while others work, on stores that fail, and killed at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from memory_core import MemoryService, normalize_user_id
from memory_core.embedders import Embedder
from memory_core.errors import BackendError, BackendUnavailable
from memory_core.ledger import ALL, EventDraft
from memory_core.model.records import Kind
from memory_core.storage.objects import LocalObjects
from memory_core.storage.vectors import Vector
from tests.support.damage import (
    ANN,
    BOB,
    bring_back,
    change_text,
    fill,
    found_in,
    lose,
    overwrite,
    put_stray,
    stored,
)
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore


class Watched(InMemoryStore):
    """Calls `before[name]` once, before the first call of that name."""

    def __init__(self) -> None:
        super().__init__(256)
        self.before: dict[str, Callable[[], object]] = {}

    def _called(self, name: str) -> None:
        if action := self.before.pop(name, None):
            action()

    def keys(self) -> Iterator[str]:
        found = list(super().keys())
        yield from found
        self._called("end of keys")

    def get(self, keys: Any, *, with_values: bool = False) -> dict[str, Vector]:
        self._called("get")
        return super().get(keys, with_values=with_values)

    def put(self, vectors: Any) -> None:
        self._called("put")
        super().put(vectors)

    def delete(self, keys: Any) -> None:
        self._called("delete")
        super().delete(keys)


@pytest.fixture
def watched(data_dir: Path, embedder: Embedder) -> tuple[Watched, MemoryService, dict[str, str]]:
    store = Watched()
    service = build_service(data_dir, embedder, store)
    return store, service, fill(service)


@pytest.mark.parametrize("moment", ["end of keys", "get"])
def test_what_others_do_during_an_audit_is_no_damage(
    watched: tuple[Watched, MemoryService, dict[str, str]], moment: str
) -> None:
    store, service, ids = watched

    def work() -> None:
        service.add_text_memory(ANN, "rye")
        service.update_memory(BOB, ids["elm"], "yew")
        service.delete_memory(BOB, ids["tea of bob"])
        service.forget_user(ANN)

    store.before[moment] = work
    assert found_in(service.audit()) == {}


def test_an_update_during_a_repair_wins(
    watched: tuple[Watched, MemoryService, dict[str, str]],
) -> None:
    store, service, ids = watched
    lose(service, ids)
    store.before["put"] = lambda: service.update_memory(ANN, ids["tea"], "cocoa")
    assert service.audit(repair=True).clean
    assert stored(service, ids["tea"]).payload["data"] == "cocoa"
    assert service.audit().clean


@pytest.mark.parametrize("end", ["delete_user", "forget_user"])
def test_a_memory_deleted_during_a_repair_stays_deleted(
    watched: tuple[Watched, MemoryService, dict[str, str]], end: str
) -> None:
    store, service, ids = watched
    lose(service, ids)
    store.before["put"] = lambda: getattr(service, end)(ANN)
    assert service.audit(repair=True).clean
    assert sorted(store.keys()) == sorted([ids["elm"], ids["tea of bob"]])


def test_a_memory_saved_again_while_its_rest_is_deleted_stays(
    watched: tuple[Watched, MemoryService, dict[str, str]],
) -> None:
    store, service, ids = watched
    bring_back(service, ids)
    store.before["delete"] = lambda: service.add_text_memory(ANN, "tea")
    assert service.audit(repair=True).clean
    assert stored(service, ids["tea"]).payload["data"] == "tea"


def test_either_of_two_saves_at_once_is_as_recorded(
    watched: tuple[Watched, MemoryService, dict[str, str]],
) -> None:
    _, service, ids = watched
    view = service.parts.ledger.view(normalize_user_id(ANN))
    latest = view.live[ids["tea"]].latest
    payload = service.parts.ledger.payloads([latest])[latest]
    (entry,) = service.parts.ledger.append(view, [EventDraft(Kind.ADD, ids["tea"], ANN, payload)])
    assert service.audit().clean
    overwrite(service, ids["tea"], revision=entry.ulid)
    assert service.audit().clean
    overwrite(service, ids["tea"], data="coffee")
    assert found_in(service.audit()) == {"altered": {ids["tea"]}}


# Stores that fail


def test_a_lost_vector_is_missing_and_put_again(data_dir: Path, embedder: Embedder) -> None:
    store = InMemoryStore(256)
    service = build_service(data_dir, embedder, store)
    ids = fill(service)
    store._vectors[ids["tea"]] = replace(store._vectors[ids["tea"]], values=None)
    assert found_in(service.audit()) == {"missing": {ids["tea"]}}
    assert service.audit(repair=True).clean
    assert stored(service, ids["tea"]).values is not None


def test_one_memory_that_the_store_refuses_keeps_no_other_out(
    data_dir: Path, embedder: Embedder
) -> None:
    class Fussy(InMemoryStore):
        fussy = False

        def put(self, vectors: Any) -> None:
            if self.fussy and any(one.payload["data"] == "tea" for one in vectors):
                raise BackendError("no tea, please", backend="in_memory", operation="put")
            super().put(vectors)

    store = Fussy(256)
    service = build_service(data_dir, embedder, store)
    ids = fill(service)
    lose(service, ids)
    store.fussy = True
    report = service.audit(repair=True)
    assert {item.id: item.repaired for item in report.missing} == {
        ids["tea"]: False,
        ids["elm"]: True,
    }
    assert "no tea, please" in next(one for one in report.missing if not one.repaired).detail
    assert not report.clean


def test_a_store_that_does_not_answer_ends_a_repair_with_its_error(
    data_dir: Path, embedder: Embedder
) -> None:
    class Silent(InMemoryStore):
        puts = 0

        def put(self, vectors: Any) -> None:
            self.puts += 1
            raise BackendUnavailable("no answer", backend="in_memory", operation="put")

    service = build_service(data_dir, embedder, InMemoryStore(256))
    fill(service)
    silent = Silent(256)
    with pytest.raises(BackendUnavailable):
        build_service(data_dir, embedder, silent).audit(repair=True)
    assert silent.puts == 1


class Killed(BaseException):
    """The process dies here."""


class Fuse:
    """Counts calls of writing methods, and dies before or after the n-th."""

    def __init__(self, blows_at: int, when: str) -> None:
        self.left, self._when = blows_at, when

    def call(self, method: Callable[..., Any], *args: Any) -> Any:
        self.left -= 1
        if self.left == 0 and self._when == "before":
            raise Killed
        result = method(*args)
        if self.left == 0:
            raise Killed
        return result


class FusedStore(InMemoryStore):
    def __init__(self, vectors: dict[str, Vector], fuse: Fuse) -> None:
        super().__init__(256)
        self._vectors = dict(vectors)
        self._fuse = fuse

    def keys(self) -> Iterator[str]:
        yield from self._fuse.call(lambda: list(super(FusedStore, self).keys()))

    def get(self, keys: Any, *, with_values: bool = False) -> dict[str, Vector]:
        return self._fuse.call(lambda: super(FusedStore, self).get(keys, with_values=with_values))  # type: ignore[no-any-return]

    def put(self, vectors: Any) -> None:
        # One by one, so that a batch may be cut in the middle.
        for one in vectors:
            self._fuse.call(super().put, [one])

    def delete(self, keys: Any) -> None:
        for one in keys:
            self._fuse.call(super().delete, [one])


class FusedObjects(LocalObjects):
    def __init__(self, root: Path, fuse: Fuse) -> None:
        super().__init__(root)
        self._fuse = fuse

    def put_if_absent(self, key: str, data: bytes) -> None:
        self._fuse.call(super().put_if_absent, key, data)

    def get(self, key: str) -> bytes | None:
        return self._fuse.call(super().get, key)  # type: ignore[no-any-return]

    def delete(self, keys: Any) -> None:
        for one in keys:
            self._fuse.call(super().delete, [one])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_repair_killed_at_any_call_is_finished_by_the_next(
    data_dir: Path, tmp_path: Path, embedder: Embedder, when: str
) -> None:
    store = InMemoryStore(256)
    service = build_service(data_dir, embedder, store)
    ids = fill(service)
    cy = service.add_text_memory("cy@example.com", "to be forgotten")[0].id
    lose(service, ids)
    change_text(service, {"tea": ids["oak"]})
    removed = stored(service, ids["tea of bob"])
    service.delete_memory(BOB, ids["tea of bob"])
    store.put([removed])
    die = service.parts.ledger.view(normalize_user_id("cy@example.com"))
    service.parts.ledger.append(die, [EventDraft(Kind.FORGET, ALL, "cy@example.com")])
    put_stray(service, "one", user_id=ANN, data="rye")
    put_stray(service, "two", user_id=BOB, data="barley")

    for calls in range(1, 200):
        folder = copytree(data_dir, tmp_path / f"{calls}")
        fuse = Fuse(calls, when)
        fused = FusedStore(store._vectors, fuse)
        broken = build_service(folder, embedder, fused, objects=FusedObjects(folder, fuse))
        try:
            broken.audit(repair=True, unexpected="adopt")
            finished = True
        except Killed:
            finished = False
        fuse.left = 0
        again = build_service(folder, embedder, fused)
        assert again.audit(repair=True, unexpected="adopt").clean, calls
        assert again.audit().clean, calls
        for user, texts in ((ANN, ["oak and ash", "rye", "tea"]), (BOB, ["barley", "elm"])):
            assert sorted(one.memory for one in again.list_memories(user)) == texts, calls
        assert sorted(fused.keys()) == sorted([ids["tea"], ids["oak"], ids["elm"], "one", "two"])
        assert [one.kind for one in again.history(ANN, "one")] == [Kind.ADD], calls
        assert cy not in fused._vectors
        assert [one.kind for one in again.history("cy@example.com")] == [Kind.FORGET]
        if finished:
            break
    assert finished
    assert calls > 20
