"""One user's memories as they are: the ledger folded, joined with the store, cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from .embedders import Embedder
from .errors import MemoryNotFound
from .identity import UserId
from .ledger import Ledger, Live, UserView
from .limits import RESERVED_KEYS
from .records import MemoryRecord
from .stores import Vector, VectorStore

if TYPE_CHECKING:
    from .embedders.base import Vectors
    from .ranking import Ranker

_MEMORIES_KEPT = 20_000
"""About 40 MB with the local embedder."""


RecordAt = Callable[[int], MemoryRecord]


@dataclass(slots=True)
class Shelf:
    """What is known of one user's live memories, for one state of the ledger."""

    view: UserView
    vectors: dict[str, Vector]
    missing: frozenset[str]
    ranker: Ranker | None = None

    @property
    def ids(self) -> list[str]:
        """The memories in the order they were added."""
        return [one for one in self.view.live if one in self.vectors]


class Memories:
    """Reads memories; records nothing. Safe to share between threads and with other processes.

    A memory that the store lacks, or holds in an older revision, comes from the ledger instead.
    """

    def __init__(self, ledger: Ledger, store: VectorStore, embedder: Embedder) -> None:
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._shelves: OrderedDict[UserId, Shelf] = OrderedDict()
        self._lock = Lock()

    def view_with(self, user_id: UserId, memory_id: str) -> UserView:
        """Return the user's view, in which the memory is live.

        Raises:
            MemoryNotFound: the user has no such memory.
        """
        view = self._ledger.view(user_id)
        if memory_id not in view.live:
            # A deletion that was cut off before the vectors went is finished here.
            if any(entry.memory_id == memory_id for entry in view.entries):
                self._store.delete([memory_id])
            raise not_found(user_id, memory_id)
        return view

    def read(
        self, view: UserView, ids: Collection[str]
    ) -> tuple[dict[str, Vector], frozenset[str]]:
        """Return live memories without their vectors, and which of them the store lacks."""
        return self._read(view, ids, with_values=False)

    def one(self, view: UserView, memory_id: str) -> tuple[Vector, bool]:
        """Return a live memory, and whether the store lacks it.

        Raises:
            MemoryNotFound: it was forgotten since the view was taken.
        """
        found, missing = self.read(view, [memory_id])
        if memory_id not in found:
            raise not_found(view.user_id, memory_id)
        return found[memory_id], bool(missing)

    def with_values(self, view: UserView, ids: Collection[str]) -> tuple[list[Vector], Vectors]:
        """Return live memories in the order of `ids`, and their vectors as rows."""
        found, _ = self._read(view, ids, with_values=True)
        vectors = [found[one] for one in ids if one in found]
        return vectors, self._matrix(vectors)

    def records(self, view: UserView) -> list[MemoryRecord]:
        """Return every live memory, newest first."""
        shelf = self._known(view)
        if shelf is None:
            vectors, missing = self._read(view, view.live, with_values=False)
            shelf = Shelf(view, vectors, missing)
        return [_record(shelf, one) for one in reversed(shelf.ids)]

    def ranker(self, view: UserView) -> tuple[Ranker, RecordAt]:
        """Return a ranker over every live memory, and what gives the record of a position."""
        from .ranking import Ranker

        shelf = self._shelf(view)
        if shelf.ranker is None:
            vectors = [shelf.vectors[one] for one in shelf.ids]
            texts = [vector.payload["data"] for vector in vectors]
            shelf.ranker = Ranker(texts, self._matrix(vectors))
        ids = shelf.ids
        return shelf.ranker, lambda position: _record(shelf, ids[position])

    def refresh(self, user_id: UserId) -> None:
        """Forget what was read of a user: the store was changed without a new ledger entry."""
        with self._lock:
            self._shelves.pop(user_id, None)

    def _known(self, view: UserView) -> Shelf | None:
        shelf = self._shelves.get(view.user_id)
        # A memory that was missing may have been put since, without a new ledger entry.
        return shelf if shelf and shelf.view is view and not shelf.missing else None

    def _shelf(self, view: UserView) -> Shelf:
        if shelf := self._known(view):
            return shelf
        kept = self._kept(view)
        fresh, missing = self._read(view, view.live.keys() - kept.keys(), with_values=True)
        shelf = Shelf(view, kept | fresh, missing)
        with self._lock:
            self._shelves[view.user_id] = shelf
            self._shelves.move_to_end(view.user_id)
            while len(self._shelves) > 1 and self._size() > _MEMORIES_KEPT:
                self._shelves.popitem(last=False)
        return shelf

    def _size(self) -> int:
        return sum(len(shelf.vectors) for shelf in self._shelves.values())

    def _kept(self, view: UserView) -> dict[str, Vector]:
        """Return what an earlier shelf knows that is still so: the same newest entry."""
        before = self._shelves.get(view.user_id)
        if before is None:
            return {}
        return {
            one: before.vectors[one]
            for one, live in view.live.items()
            if one in before.vectors
            and one not in before.missing
            and before.view.live[one].latest == live.latest
        }

    def _read(
        self, view: UserView, ids: Collection[str], *, with_values: bool
    ) -> tuple[dict[str, Vector], frozenset[str]]:
        stored = self._store.get(ids, with_values=with_values) if ids else {}
        missing = frozenset(one for one in ids if not _is_current(stored.get(one), view.live[one]))
        recorded = {
            one: Vector(one, payload)
            for one in missing
            if (payload := self._ledger.payload(view.live[one].latest)) is not None
        }
        # What is in neither was forgotten since the view was taken.
        gone = missing - recorded.keys()
        current = {one: found for one, found in stored.items() if one not in gone}
        return current | recorded, missing - gone

    def _matrix(self, vectors: Sequence[Vector]) -> Vectors:
        """Return the vectors as rows; those the store lacks are embedded now."""
        import numpy as np

        rows = np.zeros((len(vectors), self._embedder.dimensions), dtype=np.float32)
        without = [at for at, vector in enumerate(vectors) if vector.values is None]
        for at, vector in enumerate(vectors):
            if vector.values is not None:
                rows[at] = vector.values
        if without:
            rows[without] = self._embedder.embed([vectors[at].payload["data"] for at in without])
        return rows


def _record(shelf: Shelf, memory_id: str) -> MemoryRecord:
    return to_record(shelf.vectors[memory_id], indexed=memory_id not in shelf.missing)


def not_found(user_id: UserId, memory_id: str) -> MemoryNotFound:
    """Return the error for an id that is none of the user's memories."""
    return MemoryNotFound(
        f"user {user_id!r} has no memory {memory_id!r}; list the user's memories for their ids"
    )


def to_record(vector: Vector, **changes: Any) -> MemoryRecord:
    """Return the record of a stored payload; `changes` set its other fields."""
    payload = vector.payload
    created_at = _time(payload["created_at"])
    record = MemoryRecord(
        id=vector.key,
        user_id=payload["user_id"],
        memory=payload["data"],
        created_at=created_at,
        updated_at=_time(payload["updated_at"]) if payload.get("updated_at") else created_at,
        agent_id=payload.get("agent_id"),
        run_id=payload.get("run_id"),
        role=payload.get("role"),
        metadata=_attached(payload),
    )
    return replace(record, **changes)


def _attached(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key not in RESERVED_KEYS}


def _is_current(stored: Vector | None, live: Live) -> bool:
    return stored is not None and stored.payload.get("revision") in live.revisions


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
