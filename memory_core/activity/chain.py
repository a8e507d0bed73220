"""Appending to the chain, and reading its segments."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final
from uuid import uuid4

from ..errors import EntryExists, LedgerError
from ..objects import ObjectStore
from ..signature import Key
from .segments import Head, Segment, decode, digest_of, encode, last_number, log_key

_ATTEMPTS: Final = 40
_KEPT: Final = 500


class Chain:
    """The segments of the log; safe to share between threads, and with other processes."""

    def __init__(self, objects: ObjectStore, key: Key) -> None:
        self.objects = objects
        self.key = key
        self._writer = uuid4().hex[:12]
        self._head: Head | None = None
        self._lock = Lock()
        self._read: OrderedDict[int, bytes] = OrderedDict()

    def append(self, entries: Sequence[dict[str, Any]]) -> Head:
        """Write the entries as the newest segment, durably.

        Raises:
            LedgerError: other processes took every number that was tried.
        """
        with self._lock:
            head = self._head or self._look(0)
            for _ in range(_ATTEMPTS):
                data = encode(head, self._writer, datetime.now(UTC), entries, self.key)
                key = log_key(head.number + 1)
                try:
                    self.objects.put_if_absent(key, data)
                except EntryExists:
                    # Our own write whose acknowledgement was lost counts as done.
                    if self.objects.get(key) != data:
                        head = self._look(head.number)
                        continue
                self._head = Head(head.number + 1, digest_of(data))
                return self._head
            raise LedgerError(
                "could not write to the activity log: other processes took every number that was "
                "tried; try again"
            )

    @property
    def written(self) -> Head | None:
        """The newest segment that this process wrote or linked to."""
        return self._head

    def last(self) -> int:
        """Return the number of the newest segment, 0 where there is none."""
        return last_number(self.objects, self._head.number if self._head else 0)

    def segments(self, numbers: Iterable[int]) -> dict[int, Segment]:
        """Return those that are there and can be read; what was read before is kept."""
        wanted = [*numbers]
        with self._lock:
            found = {number: self._read[number] for number in wanted if number in self._read}
        keys = {log_key(number): number for number in wanted if number not in found}
        for name, data in self.objects.get_many(keys).items():
            found[keys[name]] = data
        segments = {}
        for number, data in found.items():
            try:
                segments[number] = decode(data, self.key)
            except (ValueError, KeyError, TypeError):
                continue
        with self._lock:
            for number in segments:
                self._read[number] = found[number]
                self._read.move_to_end(number)
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return segments

    def _look(self, after: int) -> Head:
        """Return the newest segment of all processes."""
        number = last_number(self.objects, after)
        data = self.objects.get(log_key(number)) if number else None
        return Head(number, digest_of(data) if data is not None else "")
