"""The lease of a migration: one process at a time, among those that share the object storage.

    migration/v1/lease/<number>.json            the holder, the expiry and the progress
    migration/v1/done/<digest>/<number>.json    a source that was migrated completely

Objects are written once: taking or renewing the lease writes the next number, which only one
process can. An expired lease is free for the next. On a server whose put-if-absent is not atomic
the holder is part of the name, and a process that then sees another of the same number gives way.
"""

import json
import socket
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

from ..errors import BackendError, BackendUnavailable, EntryExists
from ..model.encoder import decode, pick
from ..storage.objects import ObjectStore, take
from .reports import MigrationReport

TTL_S = 300.0
_LEASES = "migration/v1/lease/"
_DONE = "migration/v1/done/"


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of the lease, and the progress when it was last renewed."""

    number: int
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
    """Return the newest holder, None if there was none yet."""
    key = max(objects.list(_LEASES), key=_number, default=None)
    data = objects.get(key) if key else None
    if key is None or data is None:
        return None
    try:
        return decode(Holder, {**json.loads(data), "number": _number(key)})
    except (ValueError, TypeError):
        # Damaged: nobody holds it, and the next number is free.
        long_ago = datetime.fromtimestamp(0, UTC)
        return Holder(_number(key), "", "", long_ago, long_ago, 0, 0, True)


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
        holder = read_holder(self._objects)
        if holder and holder.holds(self._now()):
            raise _taken(holder)
        self._started = self._now()
        if not self._write(holder.number + 1 if holder else 0, 0, 0):
            raise _taken(read_holder(self._objects))
        return self

    def __exit__(self, *exc: object) -> None:
        # The exception of the work comes first; a lease that cannot be released expires.
        with suppress(BackendError) if exc[0] else nullcontext():
            if self._write(self._number + 1, 0, 0, released=True):
                keys = list(self._objects.list(_LEASES))
                self._objects.delete(key for key in keys if _number(key) < self._number)

    def renew(self, done: int, total: int) -> None:
        """Extend the lease, once a third of its time is over.

        Raises:
            BackendUnavailable: it had expired, and another process took it.
        """
        if self._now() - self._renewed < self._ttl / 3:
            return
        if not self._write(self._number + 1, done, total):
            raise _taken(read_holder(self._objects))

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
        alone = "" if self._objects.atomic_puts else f"-{self._holder}"
        key = f"{_LEASES}{number:012d}{alone}.json"
        if not take(self._objects, key, data, own_name=bool(alone)):
            return False
        others = (name for name in self._objects.list(_LEASES) if name != key) if alone else ()
        if any(_number(name) == number for name in others):
            # Another took the number: the later writer sees the earlier one.
            self._objects.delete([key])
            return False
        self._number, self._renewed = number, now
        return True


@dataclass(frozen=True, slots=True)
class Done:
    """A source that was migrated completely: everything that could be copied is there."""

    finished_at: datetime
    copied: int
    failed: int


def note_done(objects: ObjectStore, report: MigrationReport) -> None:
    """Record that a source was migrated, with counts but no names."""
    document = pick(report, "finished_at", "copied", "failed")
    folder = f"{_DONE}{report.survey.digest}/"
    number = sum(1 for _ in objects.list(folder))
    # Another process may have recorded the same just now.
    with suppress(EntryExists):
        objects.put_if_absent(f"{folder}{number:04d}.json", json.dumps(document).encode())


def read_done(objects: ObjectStore, digest: str) -> Done | None:
    """Return the record of a migrated source, None if it was not migrated."""
    key = max(objects.list(f"{_DONE}{digest}/"), default=None)
    data = objects.get(key) if key else None
    try:
        return decode(Done, json.loads(data or b""))
    except ValueError:
        return None


def _number(key: str) -> int:
    name = key.rpartition("/")[2].removesuffix(".json").partition("-")[0]
    return int(name) if name.isdecimal() else 0


def _taken(holder: Holder | None) -> BackendUnavailable:
    who = f" on {holder.host!r}, since {holder.started_at:%H:%M} UTC" if holder else ""
    until = f" by {holder.expires_at:%H:%M:%S} UTC" if holder else ""
    return BackendUnavailable(
        f"another process is migrating{who}; wait until it is done, or try again{until}, when its "
        "claim ends unless it is renewed",
        backend="migration",
        operation="lease",
        code="taken",
    )
