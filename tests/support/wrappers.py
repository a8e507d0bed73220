"""Stores that fail, die or let somebody in between at a chosen call; the rest is the real thing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any, Literal, NoReturn

from memory_core.errors import BackendUnavailable
from memory_core.model.records import IndexInfo
from memory_core.model.user_id import UserId
from memory_core.storage.objects import ObjectStore
from memory_core.storage.vectors import Vector, VectorStore

When = Literal["before", "after"]
Action = Callable[[], object]


def die() -> NoReturn:
    """End this process as `kill -9` does: nothing is flushed, nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def fail() -> NoReturn:
    """Fail as a disk or a service does."""
    raise BackendUnavailable("told to fail; try again", backend="test", operation="test")


class Trip:
    """Counts calls; does `action` before or after the one numbered `at` takes effect.

    `only` counts calls of these names alone. After that, or with `at` 0, it only counts.
    """

    def __init__(
        self, at: int, when: When = "before", action: Action = fail, only: Iterable[str] = ()
    ) -> None:
        self.calls: list[str] = []
        self._at = at
        self._when = when
        self._action = action
        self._only = frozenset(only)

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        if self._only and name not in self._only:
            yield
            return
        self.calls.append(name)
        due = len(self.calls) == self._at
        if due and self._when == "before":
            self._action()
        yield
        if due and self._when == "after":
            self._action()


class TrippedObjects:
    """An ObjectStore whose every call passes a trip; deletes go one by one."""

    def __init__(self, inner: ObjectStore, trip: Trip) -> None:
        self._inner = inner
        self._trip = trip

    @property
    def atomic_puts(self) -> bool:
        return self._inner.atomic_puts

    @property
    def in_order(self) -> bool:
        return self._inner.in_order

    @property
    def left_out(self) -> Set[str]:
        return self._inner.left_out

    @property
    def lists_freely(self) -> bool:
        return self._inner.lists_freely

    def put_if_absent(self, key: str, data: bytes) -> None:
        with self._trip.call("objects.put"):
            self._inner.put_if_absent(key, data)

    def replace(self, key: str, data: bytes) -> None:
        with self._trip.call("replace"):
            self._inner.replace(key, data)

    def get(self, key: str) -> bytes | None:
        with self._trip.call("objects.get"):
            return self._inner.get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return {key: data for key in keys if (data := self.get(key)) is not None}

    def list(self, prefix: str, start_after: str = "") -> Iterator[str]:
        with self._trip.call("objects.list"):
            found = list(self._inner.list(prefix, start_after))
        yield from found

    def folders(self, prefix: str) -> Iterator[str] | None:
        with self._trip.call("objects.list"):
            found = self._inner.folders(prefix)
            return None if found is None else iter(list(found))

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with self._trip.call("objects.delete"):
                self._inner.delete([key])

    def sweep(self) -> None:
        with self._trip.call("objects.sweep"):
            self._inner.sweep()

    def version(self, prefix: str) -> str | None:
        with self._trip.call("objects.version"):
            return self._inner.version(prefix)


class TrippedStore:
    """A VectorStore whose every call passes a trip; vectors are put and deleted one by one."""

    def __init__(self, inner: VectorStore, trip: Trip) -> None:
        self._inner = inner
        self._trip = trip

    def put(self, vectors: Sequence[Vector]) -> None:
        for vector in vectors:
            with self._trip.call("store.put"):
                self._inner.put([vector])

    def get(self, keys: Iterable[str], *, with_values: bool = False) -> dict[str, Vector]:
        with self._trip.call("store.get"):
            return self._inner.get(keys, with_values=with_values)

    def keys(self) -> Iterator[str]:
        with self._trip.call("store.keys"):
            found = list(self._inner.keys())
        yield from found

    def query(
        self, user_id: UserId, values: Any, limit: int, words: str = ""
    ) -> list[tuple[str, float | None]]:
        with self._trip.call("store.query"):
            return self._inner.query(user_id, values, limit, words)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with self._trip.call("store.delete"):
                self._inner.delete([key])

    def erase(self, keys: Iterable[str]) -> None:
        for key in keys:
            with self._trip.call("store.erase"):
                self._inner.erase([key])

    def describe(self) -> IndexInfo:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()
