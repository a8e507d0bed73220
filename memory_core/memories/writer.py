"""Writing memories so that nothing acknowledged is ever lost: first the ledger, then the store."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from ..errors import BackendError, InvalidMemory, NotIndexed
from ..ledger import ALL, EventDraft, Ledger, LedgerEntry, UserView
from ..model.counting import batches
from ..model.limits import RESERVED_KEYS, check_metadata, check_payload
from ..model.payload import differing, fingerprint
from ..model.records import Kind, MemoryRecord, Receipt, Scope
from ..model.user_id import UserId, is_probe
from ..storage.vectors import Vector, VectorStore
from ..storage.vectors.base import PUT_BATCH
from .reader import MemoryReader, is_current, to_record

if TYPE_CHECKING:
    from ..storage.vectors.base import Values

LOG_ADDED = "[Mem0] OK Memory added for user %s"
NAMESPACE = UUID("5b0c6f5e-6f0b-5d0e-9a3c-8d3a0f6f3e21")
_OF_DOCUMENTS = frozenset(("document", "place"))
_logger = logging.getLogger("memory_core")


class MemoryWriter:
    """Appends to the ledger, then changes the store."""

    def __init__(self, ledger: Ledger, store: VectorStore, memories: MemoryReader) -> None:
        self._ledger = ledger
        self._store = store
        self._memories = memories

    def save(
        self, scope: Scope, raw_user_id: str, composed: Sequence[Vector], *, verify: bool
    ) -> list[MemoryRecord]:
        """Store the composed memories that are new; return a record for each, in order."""
        view = self._ledger.view(scope.user_id)
        known = self._memories.with_other_ids(view)
        asked = {}
        for vector in composed:
            key = known.get(fingerprint(vector.payload)) or _id_of(view, scope, vector.payload)
            asked[key] = replace(vector, key=key)
        again = {key: vector for key, vector in asked.items() if key in view.live}
        records = self._restore(view, raw_user_id, again, verify=verify)
        if len(records) < len(again):
            # Another process forgot the user in between: save again, after that FORGET.
            view = self._ledger.view(scope.user_id)
        fresh = [vector for key, vector in asked.items() if key not in records]
        written = self.write(view, Kind.ADD, raw_user_id, fresh, verify=verify)
        if written and not is_probe(scope.user_id):
            _logger.info(LOG_ADDED, scope.user_id)
        records |= {vector.key: record for vector, record in zip(fresh, written, strict=True)}
        return [records[key] for key in asked]

    def write(
        self,
        view: UserView,
        kind: Kind,
        raw_user_id: str,
        vectors: Sequence[Vector],
        *,
        verify: bool,
    ) -> list[MemoryRecord]:
        """Record the memories, put them, and with `verify` read them back."""
        for vector in vectors:
            check_payload(vector.payload)
        records: list[MemoryRecord] = []
        for batch in batches(vectors, PUT_BATCH):
            drafts = [EventDraft(kind, new.key, raw_user_id, new.payload) for new in batch]
            revised = self.record(view, drafts, [new.values for new in batch])
            self.put(revised, verify=verify)
            self.take_back(view.user_id, revised)
            records += [to_record(vector, verified=verify) for vector in revised]
        return records

    def record(
        self, view: UserView, drafts: Sequence[EventDraft], values: Sequence[Values | None]
    ) -> list[Vector]:
        """Record the memories in one object; return them as the store is to hold them."""
        entries = self._ledger.append(view, drafts)
        now = self._ledger.look_again(view.user_id)
        # Memories that are live under another id than the one they were added with.
        twins = {
            live.added: key
            for key, live in (now.live if now else {}).items()
            if live.added.memory_id != key
        }
        return [
            at_revision(Vector(twins.get(entry, draft.memory_id), draft.payload or {}, row), entry)
            for draft, row, entry in zip(drafts, values, entries, strict=True)
        ]

    def take_back(self, user_id: UserId, put: Sequence[Vector]) -> None:
        """Remove what another process deleted or forgot between our entry and our put."""
        now = self._ledger.look_again(user_id)
        if now is None:
            return
        gone = [vector.key for vector in put if vector.key not in now.live]
        if not gone:
            return
        self._store.erase(gone)
        ours = {vector.payload["revision"] for vector in put}
        hidden = [entry for entry in now.entries if entry.ulid in ours]
        self._ledger.erase(user_id, [entry for entry in hidden if entry.ulid < now.forgotten])

    def remove(self, view: UserView, draft: EventDraft, *, verify: bool) -> Receipt:
        """Record the deletion, then delete the vectors; with `verify` count what is left."""
        everything = draft.memory_id == ALL
        ids = view.all_ids if everything else {draft.memory_id}
        removed = len(view.live) if everything else 1
        if view.entries:
            self._ledger.append(view, [draft])
            ids = self._memories.removable(view, ids)
            self._store.delete(ids)
        left = len(self._store.get(ids)) if verify else None
        return Receipt(view.user_id, draft.kind, removed, left, datetime.now(UTC))

    def forget(self, user_id: UserId) -> Receipt:
        """Record that everything before is forgotten, then remove it without a trace."""
        view = self._ledger.view(user_id)
        left = 0
        if view.entries:
            (forgotten,) = self._ledger.append(view, [EventDraft(Kind.FORGET, ALL, user_id)])
            # Entries that others made after our look, but before our entry, are erased too.
            now = self._ledger.view(user_id)
            before = [entry for entry in now.entries if entry.ulid < forgotten.ulid]
            ids = self._memories.removable(view, (view.all_ids | now.all_ids) - now.live.keys())
            self._store.erase(ids)
            self._ledger.erase(user_id, before)
            left = len(self._store.get(ids))
        return Receipt(user_id, Kind.FORGET, len(view.live), left, datetime.now(UTC))

    def put(self, vectors: Sequence[Vector], *, verify: bool) -> None:
        """Put recorded memories, and with `verify` read them back.

        Raises:
            NotIndexed: the store did not take them.
        """
        if not vectors:
            return
        try:
            self._store.put(vectors)
            stored = self._store.get(vector.key for vector in vectors) if verify else {}
        except BackendError as exc:
            raise _not_indexed(vectors[0], str(exc)) from exc
        lost = [vector for vector in vectors if not _is_there(vector, stored.get(vector.key))]
        if verify and lost:
            # Deleted meanwhile by another process, or saved by it as well: that is no loss.
            now = self._ledger.view(lost[0].payload["user_id"])
            for vector in lost:
                if vector.key in now.live and not _is_anothers(vector, stored.get(vector.key), now):
                    raise _not_indexed(vector, "it was not there when it was read back")

    def _restore(
        self, view: UserView, raw_user_id: str, again: Mapping[str, Vector], *, verify: bool
    ) -> dict[str, MemoryRecord]:
        """Return the records of memories saved again, with their new metadata merged in.

        Those the store has lost are put.
        """
        if not again:
            return {}
        stored, missing = self._memories.read(view, again)
        completed = [new for key in stored if (new := _completed(stored[key], again[key]))]
        lost = [
            at_revision(replace(stored[key], values=again[key].values), view.live[key].latest)
            for key in missing
        ]
        self.put(lost, verify=True)
        if missing:
            self._memories.refresh(view.user_id)
        written = self.write(view, Kind.UPDATE, raw_user_id, completed, verify=verify)
        return {
            key: to_record(vector, already_stored=True, verified=True)
            for key, vector in stored.items()
        } | {record.id: replace(record, already_stored=True) for record in written}


def _completed(stored: Vector, given: Vector) -> Vector | None:
    """Return a stored memory with the metadata and expiry of a repeated save; None if none is new.

    A document adds only keys that the memory lacks, and never its own name and place.

    Raises:
        InvalidMemory: there is more metadata than a memory can have.
    """
    kept = _OF_DOCUMENTS | stored.payload.keys() if "document" in given.payload else frozenset()
    new = {
        key: value
        for key, value in given.payload.items()
        if (key not in RESERVED_KEYS or key == "expiration_date") and key not in kept
    }
    payload = {**stored.payload, **new}
    if not differing(stored.payload, payload):
        return None
    try:
        check_metadata({key: payload[key] for key in payload.keys() - RESERVED_KEYS})
    except InvalidMemory as exc:
        raise InvalidMemory(
            f"the text is stored already, and with the metadata it has {exc}"
        ) from exc
    payload["updated_at"] = datetime.now(UTC).isoformat()
    return replace(stored, payload=payload, values=given.values)


def memory_id(scope: Scope, text: str, number: int = 0, forgotten: str = "") -> str:
    """Return the id of a text saved in a scope; the number distinguishes it from earlier ones.

    `forgotten`, the ULID of the user's last FORGET, keeps ids from coming back after it.
    """
    parts = [scope.user_id, scope.agent_id, scope.run_id, text, number]
    parts += [forgotten] if forgotten else []
    return str(uuid5(NAMESPACE, json.dumps(parts)))


def new_id(view: UserView, scope: Scope, text: str) -> str:
    """Return an id that follows from scope and text, so that a repeated save finds the first.

    An id whose memory was updated since, or moved to another user, is skipped; after one that was
    deleted, the text may be live under the next.
    """
    free = ""
    for number in count():
        derived = memory_id(scope, text, number, view.forgotten)
        live = view.live.get(derived)
        if live and not (live.updated or live.added.moved):
            return derived
        if not live and derived not in view.given_away:
            free = free or derived
            if derived not in view.deleted:
                break
    return free


def _id_of(view: UserView, scope: Scope, payload: Mapping[str, Any]) -> str:
    """Return the id of a new memory. The same words at two times in a chat are two memories."""
    plain = new_id(view, scope, payload["data"])
    if plain in view.live or "document" not in payload or "time" not in payload:
        return plain
    said = [payload.get(key) for key in ("data", "time", "speaker", "conversation")]
    return new_id(view, scope, json.dumps(said))


def at_revision(vector: Vector, entry: LedgerEntry) -> Vector:
    """Return a memory marked with the entry that records it."""
    return replace(vector, payload={**vector.payload, "revision": entry.ulid})


def _is_there(written: Vector, stored: Vector | None) -> bool:
    """Return whether the store holds what was written, or what another writer put since."""
    if stored is None:
        return False
    newer = stored.payload.get("revision", "") > written.payload["revision"]
    return newer or stored.payload == written.payload


def _is_anothers(written: Vector, stored: Vector | None, view: UserView) -> bool:
    """Return whether the store holds the same memory as another writer put it."""
    return (
        stored is not None
        and stored.payload.get("revision") != written.payload["revision"]
        and is_current(stored, view, written.key)
    )


def _not_indexed(vector: Vector, why: str) -> NotIndexed:
    return NotIndexed(
        f"memory {vector.key} is recorded and safe but not searchable yet: {why}; "
        "save it again, or run `python -m memory_core audit --repair`",
        vector.key,
    )
