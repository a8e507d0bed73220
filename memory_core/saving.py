"""Writing memories so that nothing acknowledged is ever lost: record first, then store."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from .errors import BackendError, InvalidMemory, NotIndexed
from .identity import UserId, normalize_user_id
from .ledger import ALL, Draft, Entry, Ledger, UserView
from .limits import MAX_METADATA_KEY_BYTES, check_metadata, check_payload, check_scope, check_text
from .memories import Memories, to_record
from .records import Kind, MemoryRecord, Receipt, Scope, Source
from .stores import Vector, VectorStore
from .stores.base import batches

if TYPE_CHECKING:
    from .documents import Chunk

LOG_ADDED = "[Mem0] OK Memory added for user %s"

_NAMESPACE = UUID("5b0c6f5e-6f0b-5d0e-9a3c-8d3a0f6f3e21")
_BATCH = 500  # Vectors that S3 Vectors takes in one request.
_logger = logging.getLogger("memory_core")


class Saver:
    """Appends to the ledger, then changes the store."""

    def __init__(self, ledger: Ledger, store: VectorStore, memories: Memories) -> None:
        self._ledger = ledger
        self._store = store
        self._memories = memories

    def save(
        self, scope: Scope, raw_user_id: str, composed: Sequence[Vector], *, verify: bool
    ) -> list[MemoryRecord]:
        """Store what is new of the composed memories; return a record for each, in order."""
        view = self._ledger.view(scope.user_id)
        asked = {
            one: replace(vector, key=one)
            for one, vector in zip(self._ids(view, scope, composed), composed, strict=True)
        }
        again = {one: vector for one, vector in asked.items() if one in view.live}
        records = self._heal(view, again)
        if len(records) < len(again):
            # Somebody else had them forgotten meanwhile: they are saved anew, after that.
            view = self._ledger.view(scope.user_id)
        fresh = [vector for one, vector in asked.items() if one not in records]
        written = self.write(view, Kind.ADD, raw_user_id, fresh, verify=verify)
        if written:
            _logger.info(LOG_ADDED, scope.user_id)
        records |= {vector.key: one for vector, one in zip(fresh, written, strict=True)}
        return [records[one] for one in asked]

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
        for batch in batches(vectors, _BATCH):
            drafts = [Draft(kind, one.key, raw_user_id, one.payload) for one in batch]
            entries = self._ledger.append(view, drafts)
            twins = _twins(self._ledger.look_again(view.user_id))
            revised = [
                _at_revision(replace(vector, key=twins.get(entry, vector.key)), entry)
                for vector, entry in zip(batch, entries, strict=True)
            ]
            self._put(revised, verify=verify)
            self._take_back(view.user_id, revised)
            records += [to_record(vector, verified=verify) for vector in revised]
        return records

    def _take_back(self, user_id: UserId, put: Sequence[Vector]) -> None:
        """Remove what another process deleted or forgot between our entry and our put."""
        now = self._ledger.look_again(user_id)
        if now is None:
            return
        gone = [vector.key for vector in put if vector.key not in now.live]
        if not gone:
            return
        self._store.erase(gone)
        forgot = max((one.ulid for one in now.entries if one.kind is Kind.FORGET), default="")
        ours = {vector.payload["revision"] for vector in put}
        hidden = [one for one in now.entries if one.ulid in ours and one.ulid < forgot]
        self._ledger.erase(user_id, hidden)

    def remove(self, view: UserView, draft: Draft) -> Receipt:
        """Record the deletion, then delete the vectors; counts what a recount still finds."""
        everything = draft.memory_id == ALL
        ids = view.all_ids if everything else {draft.memory_id}
        removed = len(view.live) if everything else 1
        left = 0
        if view.entries:
            self._ledger.append(view, [draft])
            self._store.delete(ids)
            left = len(self._store.get(ids)) if everything else 0
        return Receipt(view.user_id, draft.kind, removed, left, datetime.now(UTC))

    def forget(self, user_id: UserId) -> Receipt:
        """Record that everything before is forgotten, then remove it without a trace."""
        view = self._ledger.view(user_id)
        left = 0
        if view.entries:
            (forgotten,) = self._ledger.append(view, [Draft(Kind.FORGET, ALL, user_id)])
            # What others recorded before our entry, after we had looked, goes too.
            now = self._ledger.view(user_id)
            before = [entry for entry in now.entries if entry.ulid < forgotten.ulid]
            ids = (view.all_ids | now.all_ids) - now.live.keys()
            self._store.erase(ids)
            self._ledger.erase(user_id, before)
            left = len(self._store.get(ids))
        return Receipt(user_id, Kind.FORGET, len(view.live), left, datetime.now(UTC))

    def _ids(self, view: UserView, scope: Scope, composed: Sequence[Vector]) -> list[str]:
        updated = [one for one, live in view.live.items() if live.updated]
        current = self._memories.read(view, updated)[0] if updated else {}
        known = {_identity(vector.payload): one for one, vector in current.items()}
        return [
            known.get(_identity(vector.payload)) or _new_id(view, scope, vector)
            for vector in composed
        ]

    def _heal(self, view: UserView, again: Mapping[str, Vector]) -> dict[str, MemoryRecord]:
        """Return the records of memories saved again; put those the store has lost."""
        if not again:
            return {}
        stored, missing = self._memories.read(view, again)
        self._put(
            [
                _at_revision(replace(stored[one], values=again[one].values), view.live[one].latest)
                for one in missing
            ],
            verify=True,
        )
        if missing:
            self._memories.refresh(view.user_id)
        return {
            one: to_record(vector, already_stored=True, verified=True)
            for one, vector in stored.items()
        }

    def _put(self, vectors: Sequence[Vector], *, verify: bool) -> None:
        if not vectors:
            return
        try:
            self._store.put(vectors)
            found = self._store.get(one.key for one in vectors) if verify else {}
        except BackendError as exc:
            raise _not_indexed(vectors[0], str(exc)) from exc
        lost = [one for one in vectors if verify and not _is_there(one, found.get(one.key))]
        if lost and (now := self._ledger.look_again(lost[0].payload["user_id"])):
            # Deleted or forgotten by another process meanwhile: that is no loss.
            lost = [one for one in lost if one.key in now.live]
        if lost:
            raise _not_indexed(lost[0], "it was not there when it was read back")


def to_scope(user_id: str, agent_id: str | None, run_id: str | None) -> Scope:
    """Return whose memories are meant, in canonical form.

    Raises:
        InvalidUserId, InvalidMemory: an id cannot be one.
    """
    user = normalize_user_id(user_id)
    return Scope(user, check_scope(agent_id, "agent_id"), check_scope(run_id, "run_id"))


def to_sources(messages: object, metadata: Mapping[str, Any]) -> list[Source]:
    """Check messages, `[{"role": ..., "content": ...}]`, and return them as sources.

    Raises:
        InvalidMemory: something else, or a message that cannot be stored; says which.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise InvalidMemory('messages are not a list; pass [{"role": "user", "content": "..."}]')
    if not messages:
        raise InvalidMemory("there are no messages; pass at least one")
    return [_to_source(one, at, metadata) for at, one in enumerate(messages, 1)]


def by_scope(
    scope: Scope, document: str, chunks: Sequence[Chunk], metadata: Mapping[str, Any]
) -> list[tuple[Scope, list[Source]]]:
    """Check the chunks of a document and return them in groups that can be saved in one go.

    A chunk may name an agent and a run of its own, as exported memories do.

    Raises:
        InvalidMemory: a chunk cannot be stored; says which.
    """
    groups: list[tuple[Scope, list[Source]]] = []
    for chunk in chunks:
        try:
            part = Scope(
                scope.user_id,
                check_scope(chunk.agent_id, "agent_id") or scope.agent_id,
                check_scope(chunk.run_id, "run_id") or scope.run_id,
            )
            check_text(chunk.text)
            attached = {**metadata, **chunk.metadata, "document": document, "place": chunk.place}
            source = Source(chunk.text, chunk.role or "user", chunk.name, check_metadata(attached))
            check_payload(_filterable(part, source))
        except InvalidMemory as exc:
            raise InvalidMemory(f"{document}, {chunk.place}: {exc}") from exc
        if not groups or groups[-1][0] != part or len(groups[-1][1]) == _BATCH:
            groups.append((part, []))
        groups[-1][1].append(source)
    return groups


def to_messages(sources: Iterable[Source]) -> list[dict[str, str]]:
    """Return the sources as mem0 takes them."""
    return [
        {"role": source.role, "content": source.text}
        | ({"name": source.name} if source.name else {})
        for source in sources
    ]


def _to_source(message: object, number: int, metadata: Mapping[str, Any]) -> Source:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise InvalidMemory(
            f'message {number} has no role; pass {{"role": "user", "content": "..."}}'
        )
    check_text(message["role"], f"the role of message {number}", MAX_METADATA_KEY_BYTES)
    text = check_text(message.get("content"), f"message {number}")
    name = message.get("name")
    if name is not None:
        check_metadata({"name": name})
    return Source(text, message["role"], name, metadata)


def _filterable(scope: Scope, source: Source) -> dict[str, Any]:
    """Return what an index will filter a source's memory by."""
    own = {
        "user_id": scope.user_id,
        "agent_id": scope.agent_id,
        "run_id": scope.run_id,
        "actor_id": source.name,
        "role": source.role,
    }
    return {**source.metadata, **{key: value for key, value in own.items() if value}}


def _twins(view: UserView | None) -> dict[Entry, str]:
    """Return the entries of memories that are live under another id than they were added with."""
    live = view.live if view else {}
    return {one.added: key for key, one in live.items() if one.added.memory_id != key}


def _identity(payload: Mapping[str, Any]) -> tuple[object, ...]:
    return payload.get("agent_id"), payload.get("run_id"), payload["data"]


def _new_id(view: UserView, scope: Scope, vector: Vector) -> str:
    """Return an id that follows from scope and text, so that a repeated save finds the first.

    One that is live under another text (it was updated since) is passed over.
    """
    number = 0
    while True:
        parts = [scope.user_id, scope.agent_id, scope.run_id, vector.payload["data"], number]
        one = str(uuid5(_NAMESPACE, json.dumps(parts)))
        if one not in view.live or not view.live[one].updated:
            return one
        number += 1


def _at_revision(vector: Vector, entry: Entry) -> Vector:
    return replace(vector, payload={**vector.payload, "revision": entry.ulid})


def _is_there(written: Vector, found: Vector | None) -> bool:
    """Say whether what was read back is what was written, or what another writer put since."""
    if found is None:
        return False
    newer = found.payload.get("revision", "") > written.payload["revision"]
    return newer or found.payload == written.payload


def _not_indexed(vector: Vector, why: str) -> NotIndexed:
    return NotIndexed(
        f"memory {vector.key} is recorded and safe but not searchable yet: {why}; "
        "save it again, or run `python -m memory_core audit --repair`",
        vector.key,
    )
