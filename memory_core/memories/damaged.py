"""Damaged entries of the ledger, and what they recorded, by the vectors that hold their revision.

An entry alone tells kind and memory by its name; a batch does not. While a batch of a user cannot
be read, nothing of theirs is called deleted, altered or never recorded: it may say otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..errors import LedgerCorrupt
from ..ledger import ALL, Ledger, LedgerEntry, UserView
from ..ledger.entries import DIGEST_MARK, folders_of, is_batch, match_name
from ..model.counting import batches
from ..model.payload import time_of
from ..model.records import Kind
from ..model.user_id import UserId
from ..storage.vectors import Vector, VectorStore

_READ = 1_000


class DamagedEntry(NamedTuple):
    """An entry that cannot be read, and the events it has to hold: none where some are unknown.

    `name` is the id of its memory, of a batch the name of the object.
    """

    key: str
    user_id: UserId | None
    name: str
    detail: str
    events: tuple[Mapping[str, Any], ...]


class Damage:
    """What a tolerant ledger has left out so far."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def hides(self, user_id: UserId) -> bool:
        """Tell if a batch of the user cannot be read, so that their view is incomplete."""
        hidden = {
            _folder(key)
            for key in self._ledger.damaged or ()
            if is_batch(key) or DIGEST_MARK in _folder(key)
        }
        return bool(hidden) and not hidden.isdisjoint(folders_of(user_id))

    def entries(
        self, store: VectorStore, keys: Collection[str], views: Mapping[UserId, UserView]
    ) -> Iterator[DamagedEntry]:
        """Yield the damaged entries; `keys` are those of the store, `views` of the same moment."""
        damaged = self._ledger.damaged or {}
        owners = {folder: user for user in views for folder in folders_of(user)} if damaged else {}
        vectors = list(self._vectors(store, keys, damaged))
        for key, error in sorted(damaged.items()):
            user_id = owners.get(_folder(key))
            name = key.rpartition("/")[2]
            events: tuple[Mapping[str, Any], ...] = ()
            try:
                named = match_name(key)
            except LedgerCorrupt:
                # No entry at all: whoever put it there has to take it away.
                yield DamagedEntry(key, user_id, name, str(error), ())
                continue
            own = [
                vector
                for vector in vectors
                if user_id and _holds(vector, user_id, name[:26], named["id"])
            ]
            if user_id and (own or named["kind"] in ("DELETE", "FORGET")):
                events = tuple(_events(key, user_id, own, views[user_id]))
            yield DamagedEntry(
                key,
                user_id,
                unquote(named["id"] or name),
                str(error),
                events if len(events) == int(named["count"] or 1) else (),
            )

    def _vectors(
        self, store: VectorStore, keys: Collection[str], damaged: Collection[str]
    ) -> Iterator[Vector]:
        """Yield the vectors whose revision is that of a damaged entry."""
        ulids = {key.rpartition("/")[2][:26] for key in damaged}
        for batch in batches(sorted(keys), _READ) if damaged else ():
            for vector in store.get(batch).values():
                if (vector.payload or {}).get("revision") in ulids:
                    yield vector


def _events(
    key: str, user_id: UserId, vectors: Sequence[Vector], view: UserView
) -> Iterator[Mapping[str, Any]]:
    """Yield the events of an entry of this name, in the order in which its memories were made."""
    name = match_name(key)
    at = LedgerEntry(key, Kind.ADD, ALL).at.isoformat(timespec="milliseconds")
    common = {"v": 1, "user_id": user_id, "raw_user_id": user_id, "at": at}
    if name["kind"] in ("DELETE", "FORGET"):
        yield {**common, "kind": name["kind"], "id": unquote(name["id"])}
        return
    for vector in sorted(vectors, key=lambda vector: (vector.payload["created_at"], vector.key)):
        payload = {name: value for name, value in vector.payload.items() if name != "revision"}
        kind = name["kind"] or ("UPDATE" if vector.key in view.live else "ADD")
        yield {**common, "kind": kind, "id": vector.key, "payload": payload}


def _holds(vector: Vector, user_id: UserId, ulid: str, named: str | None) -> bool:
    """Return whether a vector is a memory of the user as this entry recorded it."""
    payload = vector.payload
    return (
        payload["revision"] == ulid
        and payload.get("user_id") == user_id
        and (named is None or unquote(named) == vector.key)
        and isinstance(payload.get("data"), str)
        and time_of(payload, "created_at") is not None
    )


def _folder(key: str) -> str:
    return key.rpartition("/")[0] + "/"
