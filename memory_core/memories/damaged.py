"""Damaged entries of the ledger, recovered from the vectors that carry their revision.

The name of a single entry gives its kind and memory; that of a batch does not. While a batch of a
user cannot be read, none of their memories is reported as deleted, altered or never recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
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

Events = tuple[Mapping[str, Any], ...]


class Damage:
    """The damaged entries that a tolerant ledger has left out so far."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._vectors: list[Vector] | None = None

    def hides(self, user_id: UserId) -> bool:
        """Return whether a batch of the user cannot be read, so that their view is incomplete."""
        hidden = {
            _folder(key)
            for key in self._ledger.damaged or ()
            if is_batch(key) or DIGEST_MARK in _folder(key)
        }
        return bool(hidden) and not hidden.isdisjoint(folders_of(user_id))

    def recorded(
        self,
        key: str,
        store: VectorStore,
        keys: Collection[str],
        views: Mapping[UserId, UserView],
    ) -> tuple[tuple[UserId, str], Events]:
        """Return user and memory of a damaged entry, and the events that it has to hold.

        An unknown user is empty; in place of a memory, a batch has the name of its object. Events
        are returned only if the store has all of them. `keys` are those of the store, `views` of
        the same moment.
        """
        user_id = next((user for user in views if _folder(key) in folders_of(user)), UserId(""))
        name = key.rpartition("/")[2]
        if not is_entry(key):
            # The ledger did not write it: whoever did has to remove it.
            return (user_id, name), ()
        parts = match_name(key)
        at = LedgerEntry(key, Kind.ADD, ALL).at.isoformat(timespec="milliseconds")
        event = {"v": 1, "user_id": user_id, "raw_user_id": user_id, "at": at}
        events: Events = ({**event, "kind": parts["kind"], "id": unquote(parts["id"] or "")},)
        if user_id and parts["kind"] not in ("DELETE", "FORGET"):
            events = tuple(
                {
                    **event,
                    "kind": parts["kind"]
                    or ("UPDATE" if held.key in views[user_id].live else "ADD"),
                    "id": held.key,
                    "payload": {key: val for key, val in held.payload.items() if key != "revision"},
                }
                for held in self._held(store, keys)
                if held.payload["revision"] == name[:26]
                and held.payload.get("user_id") == user_id
                and unquote(parts["id"] or held.key) == held.key
            )
        complete = user_id and len(events) == int(parts["count"] or 1)
        return (user_id, unquote(parts["id"] or name)), events if complete else ()

    def _held(self, store: VectorStore, keys: Collection[str]) -> list[Vector]:
        """Return the vectors whose revision is that of a damaged entry, in order of creation."""
        if self._vectors is None:
            ulids = {key.rpartition("/")[2][:26] for key in self._ledger.damaged or ()}
            vectors = [
                vector
                for batch in batches(sorted(keys), _READ)
                for vector in store.get(batch).values()
                if (vector.payload or {}).get("revision") in ulids
                and isinstance(vector.payload.get("data"), str)
                and time_of(vector.payload, "created_at") is not None
            ]
            vectors.sort(key=lambda vector: (vector.payload["created_at"], vector.key))
            self._vectors = vectors
        return self._vectors


def is_entry(key: str) -> bool:
    """Return whether the name of an object is that of an entry."""
    try:
        return bool(match_name(key))
    except LedgerCorrupt:
        return False


def _folder(key: str) -> str:
    return key.rpartition("/")[0] + "/"
