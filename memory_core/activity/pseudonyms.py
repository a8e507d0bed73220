"""Pseudonyms of users in the log: random marks, whose meaning is kept apart and can be erased.

    activity/v1/users/<percent-encoded user id>/<mark>

The chain stays whole when a user is forgotten, and no longer names the user. A mark is used for
thirty days only, then a new one is made: it can be removed with the entries that carry it.
"""

import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final
from urllib.parse import unquote

from ..errors import EntryExists
from ..ledger.entries import DIGEST_MARK, folder_of, folders_of, is_forget, last_ulid_at, next_ulid
from ..ledger.entries import ROOT as LEDGER
from ..model.user_id import UserId
from ..storage.objects import ObjectStore
from .chain import ROOT

USERS: Final = f"{ROOT}users/"
USED_FOR: Final = timedelta(days=30)
_FRESH_S: Final = 600.0
_RESOLVED_S: Final = 30.0
_KEPT: Final = 5_000


class Names:
    """Makes marks and resolves them; safe to share between threads and processes."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._lock = Lock()
        self._given: dict[UserId, tuple[str, float]] = {}
        self._resolved: tuple[dict[str, str], float] | None = None
        self._gone: set[str] = set()

    def mark(self, user_id: UserId, at: datetime | None = None) -> str:
        """Return a mark for the user, a new one if there is none that is young enough.

        The mark of a user who was forgotten since `at` stands for nobody.
        """
        known = self._given.get(user_id)
        if known and time.monotonic() - known[1] < _FRESH_S and _age(known[0]) < USED_FOR:
            return known[0]
        marks = self.marks(user_id)
        if not marks and at and self._is_forgotten(user_id, at):
            # By another process, while the entry waited.
            return next_ulid("", datetime.now(UTC))
        mark = marks[-1] if marks and _age(marks[-1]) < USED_FOR else self._make(user_id)
        with self._lock:
            if len(self._given) >= _KEPT:
                self._given.clear()
            self._given[user_id] = mark, time.monotonic()
        return mark

    def marks(self, user_id: UserId) -> list[str]:
        """Return all marks of a user, oldest first."""
        return sorted(key.rpartition("/")[2] for key in self._keys(user_id))

    def ids(self, marks: Collection[str] = ()) -> dict[str, str]:
        """Return the user id behind every mark, as of some seconds ago at most.

        Those of `marks` that are missing have been erased: marks of other processes are looked up
        at once.
        """
        known = self._resolved
        if known and time.monotonic() - known[1] < _RESOLVED_S:
            unknown = {mark for mark in marks if mark not in known[0]}
            if unknown <= self._gone:
                return known[0]
        keys = [*self._objects.list(USERS)]
        long = self._objects.get_many(key for key in keys if _encoded(key).startswith(DIGEST_MARK))
        resolved = {
            key.rpartition("/")[2]: long[key].decode() if key in long else unquote(_encoded(key))
            for key in keys
        }
        self._resolved = resolved, time.monotonic()
        # Never given again, so they need not be looked up again.
        self._gone = {mark for mark in marks if mark not in resolved}
        return resolved

    def forget(self, user_id: UserId) -> None:
        """Erase the meaning of a user's marks. The entries stay, and name nobody."""
        self._objects.delete(self._keys(user_id))
        with self._lock:
            self._given.pop(user_id, None)
            self._resolved = None

    def remove_older(self, than: timedelta) -> None:
        """Erase the marks of which no entry is left, if entries are kept for that long."""
        keys = self._objects.list(USERS)
        old = [key for key in keys if _age(key.rpartition("/")[2]) > than + USED_FOR]
        self._objects.delete(old)
        if old:
            self._resolved = None

    def _is_forgotten(self, user_id: UserId, since: datetime) -> bool:
        return any(
            is_forget(key)
            for folder in folders_of(user_id)
            for key in self._objects.list(folder, folder + last_ulid_at(since))
        )

    def _keys(self, user_id: UserId) -> list[str]:
        """Return the keys of all marks of a user, including those of earlier releases."""
        folders = (USERS + folder.removeprefix(LEDGER) for folder in folders_of(user_id))
        return [key for folder in folders for key in self._objects.list(folder)]

    def _make(self, user_id: UserId) -> str:
        mark = next_ulid("", datetime.now(UTC))
        folder = USERS + folder_of(user_id).removeprefix(LEDGER)
        # If it exists it is our own, whose acknowledgement was lost: nobody else makes the same.
        with suppress(EntryExists):
            self._objects.put_if_absent(folder + mark, user_id.encode())
        with self._lock:
            self._resolved = None
        return mark


def _encoded(key: str) -> str:
    return key.removeprefix(USERS).partition("/")[0]


def _age(mark: str) -> timedelta:
    from ulid import ULID

    try:
        return datetime.now(UTC) - ULID.from_str(mark).datetime
    except ValueError:
        return timedelta(0)
