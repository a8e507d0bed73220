"""Who migrates: one at a time, among processes that share nothing but the object storage.

    migration/v1/lease/<number>.json    who holds the lease, until when, and how far it is

Objects are written once: whoever takes the lease, or renews it, writes the next number, which only
one can. One that has expired is free for the next.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

from ..errors import BackendError, BackendUnavailable, EntryExists
from ..storage.objects import ObjectStore
from .migration_report import MigrationReport

ROOT = "migration/v1/"
_LEASES = ROOT + "lease/"
TTL_S = 300.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease, and how far it was when it was last renewed."""

    number: int
    holder: str
    host: str
    source: str
    expires_at: datetime
    started_at: datetime
    done: int
    total: int
    released: bool

    def holds(self, now: datetime) -> bool:
        return not self.released and now < self.expires_at


def read_holder(objects: ObjectStore) -> Holder | None:
    """Return who took the lease last, None where nobody did."""
    key = _last(objects)
    data = objects.get(key) if key else None
    if key is None or data is None:
        return None
    try:
        found = json.loads(data)
        return Holder(
            number=_number(key),
            holder=str(found["holder"]),
            host=str(found["host"]),
            source=str(found["source"]),
            expires_at=datetime.fromisoformat(found["expires_at"]),
            started_at=datetime.fromisoformat(found["started_at"]),
            done=int(found["done"]),
            total=int(found["total"]),
            released=bool(found["released"]),
        )
    except (ValueError, KeyError, TypeError):
        # Damaged: nobody holds it, and the next number is free.
        long_ago = datetime.fromtimestamp(0, UTC)
        return Holder(_number(key), "", "", "", long_ago, long_ago, 0, 0, True)


class Lease:
    """A context manager; it is held from entering until leaving, or until it expires."""

    def __init__(
        self,
        objects: ObjectStore,
        source: str,
        *,
        ttl_s: float = TTL_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._objects = objects
        self._source = source
        self._ttl = timedelta(seconds=ttl_s)
        self._now = now
        self._holder = uuid4().hex
        self._number = -1
        self._started = self._renewed = now()

    def __enter__(self) -> Self:
        found = read_holder(self._objects)
        if found and found.holds(self._now()):
            raise _taken(found)
        self._started = self._now()
        if not self._write(found.number + 1 if found else 0, 0, 0):
            raise _taken(read_holder(self._objects))
        return self

    def __exit__(self, *exc: object) -> None:
        # What ended the work is told; a lease that cannot be given back expires.
        with suppress(BackendError) if exc[0] else nullcontext():
            self._release()

    def renew(self, done: int, total: int) -> None:
        """Hold it for longer, once a third of its time is over.

        Raises:
            BackendUnavailable: it had expired, and another process took it.
        """
        if self._now() - self._renewed < self._ttl / 3:
            return
        if not self._write(self._number + 1, done, total):
            raise _taken(read_holder(self._objects))

    def _release(self) -> None:
        if self._write(self._number + 1, 0, 0, released=True):
            keys = list(self._objects.list(_LEASES))
            self._objects.delete(key for key in keys if _number(key) < self._number)

    def _write(self, number: int, done: int, total: int, *, released: bool = False) -> bool:
        now = self._now()
        document: dict[str, Any] = {
            "holder": self._holder,
            "host": socket.gethostname(),
            "source": self._source,
            "expires_at": (now + self._ttl).isoformat(),
            "started_at": self._started.isoformat(),
            "done": done,
            "total": total,
            "released": released,
        }
        data = json.dumps(document).encode()
        key = f"{_LEASES}{number:012d}.json"
        try:
            self._objects.put_if_absent(key, data)
        except EntryExists:
            # Our own write whose acknowledgement was lost counts as done.
            if self._objects.get(key) != data:
                return False
        self._number, self._renewed = number, now
        return True


def _last(objects: ObjectStore) -> str | None:
    return max(objects.list(_LEASES), default=None)


def _number(key: str) -> int:
    name = key.rpartition("/")[2].removesuffix(".json")
    return int(name) if name.isdecimal() else 0


def _taken(found: Holder | None) -> BackendUnavailable:
    who = f" on {found.host!r}, since {found.started_at:%H:%M} UTC" if found else ""
    until = f" by {found.expires_at:%H:%M:%S} UTC" if found else ""
    return BackendUnavailable(
        f"another process is migrating{who}; wait until it is done, or try again{until}, when its "
        "claim ends unless it is renewed",
        backend="migration",
        operation="lease",
        code="taken",
    )


_DONE = ROOT + "done/"


@dataclass(frozen=True, slots=True)
class Done:
    """A source that was migrated whole: what could be copied is there."""

    finished_at: datetime
    copied: int
    failed: int


def note_done(objects: ObjectStore, report: MigrationReport) -> None:
    """Leave the mark of a source; it has counts and no names."""
    document = {
        "finished_at": report.finished_at.isoformat(),
        "copied": report.copied,
        "failed": report.failed,
    }
    folder = f"{_DONE}{report.survey.digest}/"
    number = sum(1 for _ in objects.list(folder))
    # Another process that did the same just now has left it already.
    with suppress(EntryExists):
        objects.put_if_absent(f"{folder}{number:04d}.json", json.dumps(document).encode())


def read_done(objects: ObjectStore, digest: str) -> Done | None:
    """Return what is known of a source, None where it was not migrated."""
    key = max(objects.list(f"{_DONE}{digest}/"), default=None)
    data = objects.get(key) if key else None
    try:
        found = json.loads(data or b"")
        finished = datetime.fromisoformat(found["finished_at"])
        return Done(finished, int(found["copied"]), int(found["failed"]))
    except (ValueError, KeyError, TypeError):
        return None
