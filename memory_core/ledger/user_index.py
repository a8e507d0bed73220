"""A small value for every user, recomputed only for those whose entries have changed.

On a disk, a folder whose version is unchanged is not read. In a bucket all keys are listed, in
parallel ranges of about equal size by the last listing, and compared by their digest. Unreadable
entries are left out of the value of their user, which each call then recomputes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from threading import Lock
from typing import Generic, TypeVar

from ..model.counting import Progress, Steps
from ..model.user_id import UserId
from ..storage.aws.client import each
from .entries import ROOT
from .ledger import USERS_AT_ONCE, Ledger, by_folder
from .view import UserView

_RANGES = 8
_KEYS_WORTH_A_RANGE = 2_000
_REPORT_EVERY = 100

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class _FolderState(Generic[_Made]):
    """The value of a folder, and the state of the folder at that time."""

    version: str | None
    digest: bytes
    keys: int
    made: _Made | None


class UserIndex(Generic[_Made]):
    """Visits all users; safe to share between threads, which wait for each other."""

    def __init__(self, ledger: Ledger, make: Callable[[UserView], _Made | None]) -> None:
        self._ledger = ledger.tolerant()
        self._objects = ledger.objects
        self._make = make
        self._states: dict[str, _FolderState[_Made]] = {}
        self._lock = Lock()

    def take(self, on_progress: Progress | None = None) -> list[_Made]:
        """Return the value of every user that has an entry now, in no particular order.

        `on_progress` gets counts of users. If it raises, the call ends, and the next one continues
        with the values made so far.
        """
        with self._lock:
            self._ledger = self._ledger.tolerant()
            steps = Steps(on_progress, len(self._states), every=_REPORT_EVERY)
            folders = self._objects.folders(ROOT)
            present = self._list_ranges(steps) if folders is None else self._walk(folders, steps)
            for folder in self._states.keys() - present:
                del self._states[folder]
            steps.end(len(present))
            return [state.made for state in self._states.values() if state.made is not None]

    def damaged(self) -> tuple[UserId, ...]:
        """Return the users with entries that the last call left out of their values."""
        with self._lock:
            return self._ledger.users_in(self._ledger.damaged or ())

    def _walk(self, folders: Iterator[str], steps: Steps) -> set[str]:
        present = set()
        for folder in folders:
            prefix = ROOT + folder
            # Read first, so that the next call sees a change in between.
            version = self._objects.version(prefix) if folder.endswith("/") else None
            known = self._states.get(prefix)
            if version is None or known is None or known.version != version:
                keys = (*self._objects.list(prefix),) if folder.endswith("/") else (prefix,)
                self._look(prefix, keys, version)
            present.add(prefix)
            steps.advance(1)
        return present & self._states.keys()

    def _list_ranges(self, steps: Steps) -> set[str]:
        """List all keys; each range ends with the last key that is not after its boundary."""
        bounds = ["", *self._bounds(), "\U0010ffff"]

        def scan(at: int) -> set[str]:
            return set(self._list_range(bounds[at], bounds[at + 1], steps))

        return set().union(*each(scan, range(len(bounds) - 1)))

    def _list_range(self, after: str, last: str, steps: Steps) -> Iterator[str]:
        folders = by_folder(takewhile(lambda key: key <= last, self._objects.list(ROOT, after)))
        while part := list(islice(folders, USERS_AT_ONCE)):
            changed = [
                keys
                for folder, keys in part
                if not (known := self._states.get(folder)) or known.digest != _digest(keys)
            ]
            self._ledger.read_ahead(key for keys in changed for key in keys)
            for folder, keys in part:
                self._look(folder, keys, None)
                steps.advance(1)
                if folder in self._states:
                    yield folder

    def _bounds(self) -> list[str]:
        """Return folders that split the known keys into parts of about equal size.

        No key of a folder sorts before the folder itself, so none is split.
        """
        if not self._objects.in_order:
            return []
        total = sum(state.keys for state in self._states.values())
        parts = min(_RANGES, total // _KEYS_WORTH_A_RANGE)
        bounds: list[str] = []
        passed = 0
        for folder in sorted(self._states):
            if parts > 1 and passed * parts >= total * (len(bounds) + 1):
                bounds.append(folder)
            passed += self._states[folder].keys
        return bounds

    def _look(self, folder: str, keys: Sequence[str], version: str | None) -> None:
        digest = _digest(keys)
        known = self._states.get(folder)
        if known is not None and known.digest == digest:
            if known.version != version:
                self._states[folder] = _FolderState(version, digest, len(keys), known.made)
            return
        view = self._ledger.look(folder, keys) if keys else None
        if view is None:
            # Forgotten, or removed, since it was listed.
            self._states.pop(folder, None)
        else:
            if not (self._ledger.damaged or {}).keys().isdisjoint(keys):
                version, digest = None, b""
            self._states[folder] = _FolderState(version, digest, len(keys), self._make(view))


def _digest(keys: Sequence[str]) -> bytes:
    return hashlib.blake2b("\n".join(keys).encode(), digest_size=16).digest()
