"""One user's memories as they are: the ledger folded, joined with the store, cached."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..embedders import Embedder
from ..errors import MemoryNotFound
from ..ledger import Ledger, LedgerEntry, UserView
from ..ledger.ledger import trim
from ..model.limits import RESERVED_KEYS
from ..model.payload import expiry_of, fingerprint, parse_time, time_of
from ..model.records import MemoryRecord
from ..model.user_id import UserId
from ..storage.vectors import Vector, VectorStore

if TYPE_CHECKING:
    from ..embedders.base import Vectors
    from .ranking import Ranker

_MEMORIES_KEPT = 20_000
"""About 40 MB with the local embedder."""
_FINGERPRINTS_KEPT = 50_000


_DERIVED = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

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
        self._fingerprints: dict[LedgerEntry, bytes] = {}
        self._lock = Lock()

    def view_with(self, user_id: UserId, memory_id: str) -> UserView:
        """Return the user's view, in which the memory is live.

        Raises:
            MemoryNotFound: the user has no such memory.
        """
        view = self._ledger.view(user_id)
        if memory_id not in view.live:
            # A deletion that was cut off before the vectors went is finished here.
            if memory_id in view.all_ids:
                self._store.delete(self.removable(view, {memory_id}))
            raise not_found(user_id, memory_id)
        return view

    def removable(self, view: UserView, ids: Set[str]) -> set[str]:
        """Return which of the ids, all once the user's, the store holds no one else's memory of.

        An id that is free again may have come to another user by a tool that writes any.
        """
        freed = ids - view.live.keys()
        found = self._store.get(freed) if freed else {}
        return {
            one for one in ids if one not in found or _owner(found[one]) in (None, view.user_id)
        }

    def with_other_ids(self, view: UserView) -> dict[bytes, str]:
        """Return, by fingerprint, the live memories whose id may not follow from their text."""
        others = {
            one: live.latest
            for one, live in view.live.items()
            if live.updated
            or live.added.moved
            or live.added.memory_id != one
            or not _is_derived(one)
        }
        # What an entry recorded never changes.
        known = {entry: self._fingerprints.get(entry) for entry in others.values()}
        unread = [one for one, entry in others.items() if known[entry] is None]
        # What lies in a batch is read in one go; the rest is asked of the store, many at once.
        batched = [others[one] for one in unread if others[one].line is not None]
        payloads = self._ledger.payloads(batched)
        alone = [one for one in unread if others[one].line is None]
        found = self.read(view, alone)[0] if alone else {}
        payloads |= {others[one]: dict(vector.payload) for one, vector in found.items()}
        fresh = {entry: fingerprint(payload) for entry, payload in payloads.items()}
        with self._lock:
            self._fingerprints |= fresh
            trim(self._fingerprints, _FINGERPRINTS_KEPT)
        known |= fresh
        return {mark: one for one, entry in others.items() if (mark := known[entry]) is not None}

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
        found = [_record(shelf, one) for one in reversed(shelf.ids)]
        if any(live.added.moved for live in view.live.values()):
            # They were recorded here long after they were made.
            found.sort(key=lambda record: record.created_at, reverse=True)
        return found

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
        missing = frozenset(one for one in ids if not is_current(stored.get(one), view, one))
        latest = {view.live[one].latest: one for one in missing}
        payloads = self._ledger.payloads(latest)
        recorded = {latest[entry]: Vector(latest[entry], payloads[entry]) for entry in payloads}
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
    record = MemoryRecord(
        id=vector.key,
        user_id=payload["user_id"],
        memory=payload["data"],
        created_at=parse_time(payload["created_at"]),
        updated_at=parse_time(payload.get("updated_at") or payload["created_at"]),
        agent_id=payload.get("agent_id"),
        run_id=payload.get("run_id"),
        role=payload.get("role"),
        metadata=_attached(payload),
        expires=expiry_of(payload),
    )
    return replace(record, **changes)


def _attached(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key not in RESERVED_KEYS}


def is_current(stored: Vector | None, view: UserView, one: str) -> bool:
    """Say whether the store holds a memory as recorded last, as far as it takes to show it."""
    payload = stored.payload or {} if stored else {}
    return (
        payload.get("revision") in view.live[one].revisions
        and payload.get("user_id") == view.user_id
        and isinstance(payload.get("data"), str)
        and time_of(payload, "created_at") is not None
        and (not payload.get("updated_at") or time_of(payload, "updated_at") is not None)
    )


def _is_derived(memory_id: str) -> bool:
    """Say whether an id is one that Holdfast makes of a text; mem0's own are drawn by lot."""
    # Asked of every memory on each save: UUID() takes ten times as long.
    return _DERIVED.fullmatch(memory_id) is not None


def _owner(stored: Vector) -> object:
    return (stored.payload or {}).get("user_id")
