"""Something small about every user, made again only for those whose entries have changed.

A folder on a disk whose version is unchanged is not read. In a bucket all keys are listed, in
ranges at once from where they were found to lie the last time, and compared by their digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from threading import Lock
from typing import Generic, TypeVar

from ..model.progress import Steps
from ..model.records import Progress
from ..storage.aws import each
from .entries import ROOT
from .ledger import Ledger
from .view import UserView

_RANGES = 8
_KEYS_WORTH_A_RANGE = 2_000
_USERS_AT_ONCE = 50
_TOLD_EVERY = 100

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class _FolderState(Generic[_Made]):
    """What was made of a folder, and the state that it was in."""

    version: str | None
    digest: bytes
    keys: int
    made: _Made | None


class UserIndex(Generic[_Made]):
    """Looks through all users; safe to share between threads, which wait for each other."""

    def __init__(self, ledger: Ledger, make: Callable[[UserView], _Made | None]) -> None:
        self._ledger = ledger
        self._objects = ledger.objects
        self._make = make
        self._seen: dict[str, _FolderState[_Made]] = {}
        self._lock = Lock()

    def take(self, on_progress: Progress | None = None) -> list[_Made]:
        """Return what `make` gives for every user that has an entry now, in no order.

        `on_progress` is told of users. Where it raises, that ends the call; what was made up to
        then is kept for the next one.
        """
        with self._lock:
            steps = Steps(on_progress, len(self._seen), every=_TOLD_EVERY)
            folders = self._objects.folders(ROOT)
            found = self._list_ranges(steps) if folders is None else self._walk(folders, steps)
            for gone in self._seen.keys() - found:
                del self._seen[gone]
            steps.end(len(found))
            return [one.made for one in self._seen.values() if one.made is not None]

    def _walk(self, folders: Iterator[str], steps: Steps) -> set[str]:
        found = set()
        for folder in folders:
            prefix = ROOT + folder
            # Older than the listing, so that a change in between is seen next time.
            version = self._objects.version(prefix) if folder.endswith("/") else None
            known = self._seen.get(prefix)
            if version is None or known is None or known.version != version:
                keys = (*self._objects.list(prefix),) if folder.endswith("/") else (prefix,)
                self._look(prefix, keys, version)
            found.add(prefix)
            steps.advance(1)
        return found & self._seen.keys()

    def _list_ranges(self, steps: Steps) -> set[str]:
        """List all keys; each range ends with the last key that is not after its boundary."""
        bounds = ["", *self._bounds(), "\U0010ffff"]

        def scan(at: int) -> set[str]:
            return set(self._list_range(bounds[at], bounds[at + 1], steps))

        return set().union(*each(scan, range(len(bounds) - 1)))

    def _list_range(self, after: str, last: str, steps: Steps) -> Iterator[str]:
        keys = _upto(last, self._objects.list(ROOT, after))
        groups = ((folder, tuple(group)) for folder, group in groupby(keys, key=_folder_of))
        while part := list(islice(groups, _USERS_AT_ONCE)):
            changed = [found for folder, found in part if not self._is_known(folder, found)]
            self._ledger.read_ahead(key for found in changed for key in found)
            for folder, found in part:
                self._look(folder, found, None)
                steps.advance(1)
                if folder in self._seen:
                    yield folder

    def _bounds(self) -> list[str]:
        """Return folders that split the known keys into parts of about equal size.

        No key of a folder sorts before the folder itself, so none is split.
        """
        folders = sorted(self._seen)
        total = sum(one.keys for one in self._seen.values())
        parts = min(_RANGES, total // _KEYS_WORTH_A_RANGE)
        bounds: list[str] = []
        passed = 0
        for folder in folders:
            if parts > 1 and passed * parts >= total * (len(bounds) + 1):
                bounds.append(folder)
            passed += self._seen[folder].keys
        return bounds

    def _look(self, folder: str, keys: Sequence[str], version: str | None) -> None:
        digest = _digest(keys)
        known = self._seen.get(folder)
        if known is not None and known.digest == digest:
            if known.version != version:
                self._seen[folder] = _FolderState(version, digest, len(keys), known.made)
            return
        view = self._ledger.look(folder[len(ROOT) :].rstrip("/"), keys) if keys else None
        if view is None:
            # Forgotten, or taken away, since it was listed.
            self._seen.pop(folder, None)
        else:
            self._seen[folder] = _FolderState(version, digest, len(keys), self._make(view))

    def _is_known(self, folder: str, keys: Sequence[str]) -> bool:
        known = self._seen.get(folder)
        return known is not None and known.digest == _digest(keys)


def _upto(last: str, keys: Iterator[str]) -> Iterator[str]:
    for key in keys:
        if key > last:
            return
        yield key


def _digest(keys: Sequence[str]) -> bytes:
    return hashlib.blake2b("\n".join(keys).encode(), digest_size=16).digest()


def _folder_of(key: str) -> str:
    name, slash, _ = key[len(ROOT) :].partition("/")
    return ROOT + name + slash
