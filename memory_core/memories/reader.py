"""One user's memories as they are now: the ledger joined with the store, and cached."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..embedders import Embedder
from ..errors import IndexDamaged, MemoryNotFound
from ..ledger import Ledger, LedgerEntry, UserView
from ..ledger.ledger import trim
from ..model.limits import RESERVED_KEYS
from ..model.payload import expiry_of, fingerprint, owner, parse_time, time_of
from ..model.records import MemoryRecord
from ..model.user_id import UserId
from ..storage.vectors import Vector, VectorStore

if TYPE_CHECKING:
    from ..embedders.base import Vectors
    from .ranking import Ranker

_MEMORIES_KEPT = 20_000
"""About 40 MB with the local embedder."""
_FINGERPRINTS_KEPT = 50_000
_logger = logging.getLogger("memory_core")
_DERIVED = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

RecordAt = Callable[[int], MemoryRecord]


@dataclass(slots=True)
class _UserMemories:
    """One user's live memories, for one state of the ledger."""

    view: UserView
    vectors: dict[str, Vector]
    missing: frozenset[str]
    ranker: Ranker | None = None
    ids: list[str] = field(init=False)
    """The memories in the order they were added."""

    def __post_init__(self) -> None:
        self.ids = [memory_id for memory_id in self.view.live if memory_id in self.vectors]

    def record(self, memory_id: str) -> MemoryRecord:
        return to_record(self.vectors[memory_id], indexed=memory_id not in self.missing)


class MemoryReader:
    """Reads memories; records nothing. Safe to share between threads and with other processes.

    A memory that the store lacks, or holds in an older revision, comes from the ledger instead.
    """

    def __init__(self, ledger: Ledger, store: VectorStore, embedder: Embedder) -> None:
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._cache: OrderedDict[UserId, _UserMemories] = OrderedDict()
        self._asked: tuple[UserId, str] | None = None
        self._fingerprints: dict[LedgerEntry, bytes] = {}
        self._lock = Lock()

    def view_with(self, user_id: UserId, memory_id: str) -> UserView:
        """Return the user's view, in which the memory is live.

        Raises:
            MemoryNotFound: the user has no such memory.
        """
        view = self._ledger.view(user_id)
        if memory_id not in view.live:
            # Finish a deletion that was cut off before the vectors were deleted.
            if memory_id in view.all_ids:
                self._store.delete(self.removable(view, {memory_id}))
            raise _not_found(user_id, memory_id)
        return view

    def stored_owner(self, memory_id: str) -> UserId | None:
        """Return the owner of a memory, as the store names it; None if the ledger disagrees."""
        stored = self._store.get([memory_id]).get(memory_id)
        user = owner(stored.payload or {}) if stored else None
        return user if user and memory_id in self._ledger.view(user).live else None

    def get(self, view: UserView, memory_id: str) -> tuple[Vector, bool]:
        """Return a live memory, and whether the store holds it.

        Raises:
            MemoryNotFound: it was forgotten since the view was taken.
        """
        vectors, missing = self.read(view, [memory_id])
        if memory_id not in vectors:
            raise _not_found(view.user_id, memory_id)
        return vectors[memory_id], not missing

    def read(
        self, view: UserView, ids: Collection[str], *, with_values: bool = False
    ) -> tuple[dict[str, Vector], frozenset[str]]:
        """Return live memories, and which of them the store lacks."""
        try:
            vectors = self._store.get(ids, with_values=with_values) if ids else {}
        except IndexDamaged as exc:
            # What is on record is known without the store.
            _logger.error("%s", exc)
            vectors = {}
        missing = {key for key in ids if not is_current(vectors.get(key), view, key)}
        entries = {view.live[memory_id].latest: memory_id for memory_id in missing}
        payloads = self._ledger.payloads(entries)
        recorded = {entries[entry]: Vector(entries[entry], payloads[entry]) for entry in payloads}
        # What is in neither was forgotten since the view was taken.
        for gone in missing - recorded.keys():
            vectors.pop(gone, None)
        return vectors | recorded, frozenset(recorded)

    def with_values(self, view: UserView, ids: Collection[str]) -> tuple[list[Vector], Vectors]:
        """Return live memories in the order of `ids`, and their vectors as rows."""
        current, _ = self.read(view, ids, with_values=True)
        vectors = [current[memory_id] for memory_id in ids if memory_id in current]
        return vectors, self._matrix(vectors)

    def records(self, view: UserView) -> list[MemoryRecord]:
        """Return every live memory, newest first."""
        user = self._cached(view) or _UserMemories(view, *self.read(view, view.live))
        records = [user.record(memory_id) for memory_id in reversed(user.ids)]
        if any(live.added.moved or live.latest.restored for live in view.live.values()):
            # They were recorded here long after they were made.
            records.sort(key=lambda record: record.created_at, reverse=True)
        return records

    def ranker(self, view: UserView) -> tuple[Ranker, RecordAt]:
        """Return a ranker over every live memory, and a function from position to record."""
        from .continuity import continuations
        from .ranking import Ranker

        user = self._load(view)
        ids = user.ids
        if user.ranker is None:
            vectors = [user.vectors[memory_id] for memory_id in ids]
            texts = [vector.payload["data"] for vector in vectors]
            pairs = continuations([vector.payload for vector in vectors])
            matrix = self._matrix(vectors)
            user.ranker = Ranker(texts, matrix, pairs)
            # The rows of the matrix replace the vectors that were read, so that none is kept twice.
            rows = zip(ids, vectors, matrix, strict=True)
            user.vectors = {key: replace(vector, values=row) for key, vector, row in rows}
        return user.ranker, lambda position: user.record(ids[position])

    def is_asked_again(self, view: UserView) -> bool:
        """Return whether the previous question was about the same memories; note this one.

        Then all of them are worth reading, unless there are more than the cache keeps.
        """
        before, self._asked = self._asked, (view.user_id, view.last_ulid)
        return before == self._asked and len(view.live) <= _MEMORIES_KEPT

    def refresh(self, user_id: UserId) -> None:
        """Drop a user from the cache: the store was changed without a new ledger entry."""
        with self._lock:
            self._cache.pop(user_id, None)

    def removable(self, view: UserView, ids: Set[str]) -> set[str]:
        """Return the ids, all once the user's, under which the store has nobody else's memory.

        A tool that writes any id may have given another user one that became free.
        """
        freed = ids - view.live.keys()
        stored = self._store.get(freed) if freed else {}
        others = {
            memory_id
            for memory_id, vector in stored.items()
            if (vector.payload or {}).get("user_id") not in (None, view.user_id)
        }
        return {*ids} - others

    def with_other_ids(self, view: UserView) -> dict[bytes, str]:
        """Return, by fingerprint, the live memories whose id may not follow from their text."""
        others = {
            memory_id: live.latest
            for memory_id, live in view.live.items()
            if live.updated
            or live.added.moved
            or live.added.memory_id != memory_id
            # mem0's own ids are random. Called on each save: UUID() takes ten times as long.
            or not _DERIVED.fullmatch(memory_id)
        }
        # What an entry recorded never changes.
        known = {entry: self._fingerprints.get(entry) for entry in others.values()}
        unread = [memory_id for memory_id, entry in others.items() if known[entry] is None]
        # Memories of a batch are read at once from the ledger; the others in bulk from the store.
        payloads = self._ledger.payloads(
            others[memory_id] for memory_id in unread if others[memory_id].line is not None
        )
        alone = [memory_id for memory_id in unread if others[memory_id].line is None]
        vectors = self.read(view, alone)[0] if alone else {}
        payloads |= {others[key]: dict(vector.payload) for key, vector in vectors.items()}
        fresh = {entry: fingerprint(payload) for entry, payload in payloads.items()}
        with self._lock:
            self._fingerprints |= fresh
            trim(self._fingerprints, _FINGERPRINTS_KEPT)
        known |= fresh
        return {mark: key for key, entry in others.items() if (mark := known[entry]) is not None}

    def _cached(self, view: UserView) -> _UserMemories | None:
        user = self._cache.get(view.user_id)
        # A memory that was missing may have been put since, without a new ledger entry.
        return user if user and user.view is view and not user.missing else None

    def _load(self, view: UserView) -> _UserMemories:
        if user := self._cached(view):
            return user
        kept = self._kept(view)
        fresh, missing = self.read(view, view.live.keys() - kept.keys(), with_values=True)
        user = _UserMemories(view, kept | fresh, missing)
        with self._lock:
            self._cache[view.user_id] = user
            self._cache.move_to_end(view.user_id)
            size = sum(len(cached.vectors) for cached in self._cache.values())
            while len(self._cache) > 1 and size > _MEMORIES_KEPT:
                size -= len(self._cache.popitem(last=False)[1].vectors)
        return user

    def _kept(self, view: UserView) -> dict[str, Vector]:
        """Return the cached memories whose newest entry is still the same."""
        before = self._cache.get(view.user_id)
        if before is None:
            return {}
        return {
            memory_id: before.vectors[memory_id]
            for memory_id, live in view.live.items()
            if memory_id in before.vectors
            and memory_id not in before.missing
            and before.view.live[memory_id].latest == live.latest
        }

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


def to_record(vector: Vector, **changes: Any) -> MemoryRecord:
    """Return the record of a stored payload; `changes` set its other fields."""
    payload = vector.payload
    return MemoryRecord(
        id=vector.key,
        user_id=payload["user_id"],
        memory=payload["data"],
        created_at=parse_time(payload["created_at"]),
        updated_at=parse_time(payload.get("updated_at") or payload["created_at"]),
        agent_id=payload.get("agent_id"),
        run_id=payload.get("run_id"),
        role=payload.get("role"),
        metadata={key: value for key, value in payload.items() if key not in RESERVED_KEYS},
        expires=expiry_of(payload),
        actor_id=payload.get("actor_id"),
        attributed_to=payload.get("attributed_to"),
        **changes,
    )


def is_current(stored: Vector | None, view: UserView, memory_id: str) -> bool:
    """Return whether the store holds a memory as last recorded, and fit to be shown."""
    payload = stored.payload or {} if stored else {}
    return (
        payload.get("revision") in view.live[memory_id].revisions
        and payload.get("user_id") == view.user_id
        and isinstance(payload.get("data"), str)
        and time_of(payload, "created_at") is not None
        and (not payload.get("updated_at") or time_of(payload, "updated_at") is not None)
    )


def _not_found(user_id: UserId, memory_id: str) -> MemoryNotFound:
    return MemoryNotFound(
        f"user {user_id!r} has no memory {memory_id!r}; list the user's memories for their ids"
    )
