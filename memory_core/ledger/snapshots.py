"""Snapshots: the names of a user's entries up to one of them, so that not all have to be listed.

    snapshots/v1/<the user's folder in the ledger>/<ulid of the last entry>.<digest>.json.z

A snapshot is derived and never needed: without it everything is listed and replayed. It holds no
text, and of a batch only what the object's name does not say. Earlier releases never look here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from ..errors import BackendError
from ..model.records import Kind
from ..model.user_id import UserId
from ..storage.objects import ObjectStore, take
from .entries import ROOT, LedgerEntry, folders_of, is_forget

SNAPSHOTS: Final = "snapshots/v1/"
PAGE: Final = 1_000
"""Keys of one listing; a user with fewer objects needs no snapshot."""
OVERLAP: Final = 500
"""The last keys of a snapshot, which are listed again to find those that came late."""

_logger = logging.getLogger("memory_core")


class Snapshots:
    """The snapshots in one object store. They are valid as long as their entries exist."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def newest(self, folder: str) -> tuple[LedgerEntry, ...]:
        """Return the entries of the newest readable snapshot of a folder, if any."""
        with suppress(BackendError):
            for key in reversed(self._keys(folder)):
                entries = self._read(key)
                if len(keys_of(entries)) > OVERLAP:
                    return entries
        return ()

    def keep(self, folder: str, entries: Sequence[LedgerEntry]) -> None:
        """Replace the snapshot of a folder. A failure is logged, and costs requests later."""
        rows = [
            [entry.key.removeprefix(folder), entry.kind, entry.memory_id,
             entry.line, entry.moved, entry.restored]
            for entry in entries
        ]  # fmt: skip
        document = {"v": 1, "folder": folder, "entries": rows}
        data = zlib.compress(json.dumps(document, ensure_ascii=False).encode())
        key, last = _key(folder, entries[-1].ulid, data), entries[-1].key
        try:
            if not take(self._objects, key, data):
                # The name has the digest, so the object of that name is damaged.
                self._objects.replace(key, data)
            if any(map(is_forget, self._objects.list(folder, last))):
                # Forgotten meanwhile, perhaps before there was this snapshot to erase.
                self.remove(folder)
            else:
                self._objects.delete(old for old in self._keys(folder) if old < key)
        except BackendError as exc:
            _logger.info("no snapshot of the ledger was written, all is listed: %s", exc)

    def remove(self, folder: str, after: str = "") -> None:
        """Erase the snapshots of a folder, or those that go beyond the ULID `after`."""
        first = len(_place(folder))
        self._objects.delete(key for key in self._keys(folder) if key[first : first + 26] > after)

    def count(self, user_id: UserId) -> int:
        """Return the number of a user's snapshots."""
        return sum(len(self._keys(folder)) for folder in folders_of(user_id))

    def wrong(self) -> Iterator[tuple[str, str]]:
        """Yield the key of each damaged or outdated snapshot, and a sentence about it."""
        for key in self._objects.list(SNAPSHOTS):
            folder = ROOT + key.removeprefix(SNAPSHOTS).rpartition("/")[0] + "/"
            keys, listed = keys_of(self._read(key)), self._objects.list(folder)
            right = keys and all(next(listed, "") == name for name in keys)
            if not right and self._objects.get(key) is not None:
                yield key, f"damaged or out of date; nothing is lost, a repair removes it: {key}"

    def _keys(self, folder: str) -> list[str]:
        return [*self._objects.list(_place(folder))]

    def _read(self, key: str) -> tuple[LedgerEntry, ...]:
        """Return the entries of a snapshot; none if it is damaged, of another folder, or gone."""
        try:
            data = self._objects.get(key) or b""
            document = json.loads(zlib.decompress(data))
            folder = document["folder"]
            entries = tuple(
                LedgerEntry(folder + name, Kind(kind), *fields)
                for name, kind, *fields in document["entries"]
            )
            whole = document["v"] == 1 and key == _key(folder, entries[-1].ulid, data)
        except (ValueError, KeyError, TypeError, IndexError, zlib.error):
            return ()
        return entries if whole else ()


def keys_of(entries: Sequence[LedgerEntry]) -> tuple[str, ...]:
    """Return the objects that record the entries, in order."""
    return tuple(dict.fromkeys(entry.key for entry in entries))


def _place(folder: str) -> str:
    return SNAPSHOTS + folder.removeprefix(ROOT)


def _key(folder: str, ulid: str, data: bytes) -> str:
    return f"{_place(folder)}{ulid}.{hashlib.sha256(data).hexdigest()[:32]}.json.z"


def tail_of(objects: ObjectStore, folder: str, keys: Sequence[str]) -> tuple[str, ...] | None:
    """Return the keys of a folder after `keys`; None if it no longer has the last of these.

    Then an entry came late, from a slow writer or another clock, or the user was forgotten.
    """
    last = tuple(keys[-OVERLAP:])
    listed = tuple(objects.list(folder, keys[-OVERLAP - 1]))
    new = listed[len(last) :]
    return new if listed[: len(last)] == last and not any(map(is_forget, new)) else None
