"""Snapshots: the names of a user's entries up to one of them, so that not all have to be listed.

    snapshots/v1/<the user's folder in the ledger>/<ulid of the last entry>.<digest>.json.z

A snapshot is derived and never needed: without it everything is listed and replayed. It has no
text; of a batch it has what the name of the object does not tell. Earlier releases never look here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from ..errors import BackendError, LedgerCorrupt
from ..model.user_id import UserId
from ..storage.objects import ObjectStore, take
from .entries import ROOT, LedgerEntry, entries_of, folders_of, is_forget

SNAPSHOTS: Final = "snapshots/v1/"
PAGE: Final = 1_000
"""Keys of one listing; a user with fewer objects needs no snapshot."""
OVERLAP: Final = 500
"""The last keys of a snapshot, which are listed again: who comes late is found among them."""

_logger = logging.getLogger("memory_core")


class Snapshot(NamedTuple):
    """The keys of a folder up to one of them, in order, and the entries that they record."""

    keys: tuple[str, ...]
    entries: tuple[LedgerEntry, ...]


class Snapshots:
    """The snapshots in one object store. They hold for as long as the entries that they name."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def newest(self, folder: str) -> Snapshot | None:
        """Return the newest snapshot of a folder of the ledger that can be read, if any."""
        with suppress(BackendError):
            for key in reversed(self._keys(folder)):
                if (snapshot := self._read(key)) and len(snapshot.keys) > OVERLAP:
                    return snapshot
        return None

    def keep(self, folder: str, snapshot: Snapshot) -> None:
        """Write a snapshot in place of those before it. A failure is logged, and costs requests."""
        data = _encode(folder, snapshot)
        key = f"{_place(folder)}{_name(snapshot.keys[-1], data)}"
        try:
            if not take(self._objects, key, data):
                # The name has the digest: what lies there is damaged.
                self._objects.replace(key, data)
            if any(map(is_forget, self._objects.list(folder, snapshot.keys[-1]))):
                # Forgotten meanwhile, perhaps before this one was there to be erased.
                self.remove(folder)
            else:
                self._objects.delete(old for old in self._keys(folder) if old < key)
        except BackendError as exc:
            _logger.info("no snapshot of the ledger was written, all is listed: %s", exc)

    def remove(self, folder: str, after: str = "") -> None:
        """Erase the snapshots of a folder, or those that go beyond the ULID `after`."""
        if keys := [key for key in self._keys(folder) if _ulid(key) > after]:
            self._objects.delete(keys)

    def count(self, user_id: UserId) -> int:
        """Return the number of a user's snapshots."""
        return sum(len(self._keys(folder)) for folder in folders_of(user_id))

    def wrong(self) -> Iterator[tuple[str, str]]:
        """Yield those that are damaged, or differ from the ledger, with the folder there."""
        for key in self._objects.list(SNAPSHOTS):
            folder = ROOT + key.removeprefix(SNAPSHOTS).rpartition("/")[0] + "/"
            snapshot = self._read(key)
            wanted = snapshot.keys if snapshot else ()
            listed = self._objects.list(folder)
            differs = any(next(listed, "") != name for name in wanted)
            if (differs or not snapshot) and self._objects.get(key) is not None:
                yield key, folder

    def _keys(self, folder: str) -> list[str]:
        return [*self._objects.list(_place(folder))]

    def _read(self, key: str) -> Snapshot | None:
        """Return a snapshot; None for one that is damaged, of another folder, or gone."""
        data = self._objects.get(key)
        try:
            return _decode(key, data) if data else None
        except (ValueError, KeyError, TypeError, IndexError, zlib.error, LedgerCorrupt):
            return None


def _place(folder: str) -> str:
    return SNAPSHOTS + folder.removeprefix(ROOT)


def _ulid(key: str) -> str:
    return key.rpartition("/")[2][:26]


def _name(last: str, data: bytes) -> str:
    return f"{_ulid(last)}.{hashlib.sha256(data).hexdigest()[:32]}.json.z"


def _encode(folder: str, snapshot: Snapshot) -> bytes:
    batches: dict[str, list[Any]] = {}
    for entry in snapshot.entries:
        if entry.line is not None:
            event: dict[str, Any] = {"kind": entry.kind, "id": entry.memory_id}
            if entry.moved:
                event["moved"] = True
            if entry.restored is not None:
                event["restored"] = entry.restored
            batches.setdefault(entry.key.removeprefix(folder), []).append(event)
    names = [key.removeprefix(folder) for key in snapshot.keys]
    document = {"v": 1, "folder": folder, "names": names, "batches": batches}
    return zlib.compress(json.dumps(document, ensure_ascii=False).encode())


def _decode(key: str, data: bytes) -> Snapshot:
    """Return the snapshot; raises one of several errors for anything else."""
    document = json.loads(zlib.decompress(data))
    folder, batches = document["folder"], document["batches"]
    keys = tuple(folder + name for name in document["names"])
    if document["v"] != 1 or key != f"{_place(folder)}{_name(keys[-1], data)}":
        raise ValueError("damaged, or of another folder")
    entries = [
        entry for name, at in zip(document["names"], keys, strict=True)
        for entry in entries_of(at, batches.get(name, ()))
    ]  # fmt: skip
    return Snapshot(keys, tuple(entries))


def tail_of(objects: ObjectStore, folder: str, keys: Sequence[str]) -> tuple[str, ...] | None:
    """Return what a folder has behind the keys; None where it no longer has their last ones.

    Then an entry came late, by a slow writer or another clock, or the user was forgotten.
    """
    last = tuple(keys[-OVERLAP:])
    listed = tuple(objects.list(folder, keys[-OVERLAP - 1]))
    new = listed[len(last) :]
    return new if listed[: len(last)] == last and not any(map(is_forget, new)) else None
