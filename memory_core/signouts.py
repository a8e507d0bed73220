"""Sessions of the dashboard that were ended, for all its instances to know.

An object for each, without content: its name says until when it matters and holds a digest of the
session's id.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from .errors import EntryExists
from .objects import ObjectStore

_PREFIX = "signouts/v1/"


class SignOuts:
    """Ended sessions in the object storage. Failures of it are `BackendError`s."""

    def __init__(self, objects: ObjectStore, clock: Callable[[], float] = time.time) -> None:
        self._objects, self._clock = objects, clock

    def add(self, session_id: str, until: float) -> None:
        """Note that a session is over, which matters until this time (seconds since 1970)."""
        key = f"{_PREFIX}{round(until):012d}-{digest(session_id)}"
        try:
            self._objects.put_if_absent(key, b"{}")
        except EntryExists:
            return

    def digests(self) -> frozenset[str]:
        """Return the digests of the sessions that are over; what matters no more is deleted."""
        now, over, old = round(self._clock()), set(), []
        for key in self._objects.list(_PREFIX):
            until, _, digested = key.removeprefix(_PREFIX).partition("-")
            if until.isdigit() and int(until) > now:
                over.add(digested)
            else:
                old.append(key)
        if old:
            self._objects.delete(old)
        return frozenset(over)


def digest(session_id: str) -> str:
    """Return what stands for a session id in the storage."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:32]
