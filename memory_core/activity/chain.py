"""The chain of the activity log: segments appended, read, and removed when they are old.

Each segment links to the one before by its digest. Where old segments were removed, an anchor holds
the place at which the chain begins. On a server whose put-if-absent is not atomic the writer is
part of a segment's name, so that none replaces another; several can then have the same number, and
each links to one of those before it.
"""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from threading import Lock
from typing import Any, Final, NamedTuple
from uuid import uuid4

from ..errors import EntryExists, LedgerError
from ..model.signature import Key
from ..storage.objects import ObjectStore, take

ROOT: Final = "activity/v1/"
LOG: Final = f"{ROOT}log/"
ANCHORS: Final = f"{ROOT}anchors/"
UNREADABLE: Final = (ValueError, KeyError, TypeError)
"""Raised if a segment or an anchor is damaged."""

_DIGITS: Final = 12
_SUFFIX: Final = re.compile(r"json|jsonl|[0-9a-f]{12}\.jsonl")
_PAGE: Final = 1_000
_ATTEMPTS: Final = 40
_KEPT: Final = 500
_AT_ONCE: Final = 100
_UNSEALED: Final = Key()


class Head(NamedTuple):
    """The newest segment: its number, from 1, and its digest; 0 and "" before the first."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it was read; `entries` are its lines as they were written.

    `sealed_with` names the key, "" for none; `seal_fits` is None for a key that is not ours.
    """

    number: int
    previous: str
    writer: str
    at: datetime
    entries: tuple[dict[str, Any], ...]
    digest: str
    sealed_with: str
    seal_fits: bool | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """The beginning of the chain: at `number`, whose segment links to `previous`.

    `removed` entries were before it, the newest of `until`.
    """

    number: int
    previous: str
    removed: int
    until: datetime
    seal_fits: bool | None = True


def digest_of(data: bytes) -> str:
    """Return the digest that the next segment links to."""
    return hashlib.sha256(data).hexdigest()


def key_name(key: Key) -> str:
    """Return the name of a key in segments; "" for none."""
    return key.fingerprint(b"the name of this key", 12)


def log_key(number: int, writer: str = "") -> str:
    return f"{LOG}{number:0{_DIGITS}}{writer and f'.{writer}'}.jsonl"


def anchor_key(number: int) -> str:
    return f"{ANCHORS}{number:0{_DIGITS}}.json"


def number_of(key: str) -> int | None:
    """Return the number in the name of a segment or an anchor, None for other names."""
    stem, _, suffix = key.rpartition("/")[2].partition(".")
    known = len(stem) == _DIGITS and stem.isascii() and stem.isdigit()
    return int(stem) if known and _SUFFIX.fullmatch(suffix) else None


def encode(
    head: Head, writer: str, at: datetime, entries: Sequence[dict[str, Any]], key: Key
) -> bytes:
    """Return the segment that follows `head`."""
    header = {
        "v": 1,
        "number": head.number + 1,
        "previous": head.digest,
        "writer": writer,
        "at": at.isoformat(timespec="milliseconds"),
        "entries": len(entries),
        "key": key_name(key),
    }
    return _sealed([header, *entries], key)


def decode(data: bytes, key: Key) -> Segment:
    """Read a segment; raises one of UNREADABLE."""
    (header, *entries), seal_fits = _unsealed(data, key)
    if header["entries"] != len(entries):
        raise ValueError("cut off")
    for entry in entries:
        datetime.fromisoformat(entry["at"])
        if not all(isinstance(entry[name], str) for name in ("who", "action", "outcome")):
            raise ValueError("not an entry")
    return Segment(
        number=int(header["number"]),
        previous=str(header["previous"]),
        writer=str(header["writer"]),
        at=datetime.fromisoformat(header["at"]),
        entries=tuple(entries),
        digest=digest_of(data),
        sealed_with=header["key"],
        seal_fits=seal_fits,
    )


def encode_anchor(anchor: Anchor, key: Key) -> bytes:
    document = {
        "v": 1,
        "number": anchor.number,
        "previous": anchor.previous,
        "removed": anchor.removed,
        "until": anchor.until.isoformat(timespec="milliseconds"),
        "key": key_name(key),
    }
    return _sealed([document], key)


def decode_anchor(data: bytes, key: Key) -> Anchor:
    """Read an anchor; raises one of UNREADABLE."""
    (document,), seal_fits = _unsealed(data, key)
    return Anchor(
        number=int(document["number"]),
        previous=str(document["previous"]),
        removed=int(document["removed"]),
        until=datetime.fromisoformat(document["until"]),
        seal_fits=seal_fits,
    )


def last_number(objects: ObjectStore, after: int) -> int:
    """Return the number of the newest segment, `after` if there is none after it.

    Doubles its steps, so that a long log is not listed whole.
    """
    step = 0
    while True:
        keys = islice(objects.list(LOG, log_key(after + step)), _PAGE)
        numbers = [number for key in keys if (number := number_of(key)) is not None]
        if numbers:
            after, step = numbers[-1], max(_PAGE, step * 2)
            if len(numbers) < _PAGE:
                return after
        elif step == 0:
            return after
        else:
            step = step // 2 if step > _PAGE else 0


def _sealed(documents: Sequence[dict[str, Any]], key: Key) -> bytes:
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in documents]
    body = "\n".join(lines).encode()
    return body + b"\n" + json.dumps({"seal": key.sign(body).hex()}).encode() + b"\n"


def _unsealed(data: bytes, key: Key) -> tuple[list[dict[str, Any]], bool | None]:
    body, _, last = data.removesuffix(b"\n").rpartition(b"\n")
    documents = [json.loads(line) for line in body.split(b"\n")]
    first = documents[0]
    if first["v"] != 1:
        raise ValueError("of another release")
    return documents, _seal_fits(key, body, str(json.loads(last)["seal"]), str(first["key"]))


def _seal_fits(key: Key, data: bytes, seal: str, sealed_with: str) -> bool | None:
    """Return whether a seal is right, None if another key made it."""
    if sealed_with == key_name(key):
        return key.verify(data, seal)
    return None if sealed_with else _UNSEALED.verify(data, seal)


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
                alone = "" if self.objects.atomic_puts else self._writer
                key = log_key(head.number + 1, alone)
                if not take(self.objects, key, data, own_name=bool(alone)):
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

    @property
    def _may_share(self) -> bool:
        """True if several segments may have one number, with names that depend on the server."""
        return not (self.objects.atomic_puts and self.objects.in_order)

    def last(self) -> int:
        """Return the number of the newest segment, 0 if there is none."""
        return last_number(self.objects, self._head.number if self._head else 0)

    def segments(self, numbers: Iterable[int]) -> dict[int, Segment]:
        """Return the segments that can be read, cached; those of one number are joined."""
        wanted = [*numbers]
        with self._lock:
            contents = {number: self._read[number] for number in wanted if number in self._read}
        missing = [number for number in wanted if number not in contents]
        keys = [log_key(number) for number in missing]
        if self._may_share:
            keys = self._keys_of(missing)
        new = self.objects.get_many(keys).items()
        segments: dict[int, Segment] = {}
        for number, data in (
            *contents.items(),
            *((number_of(key) or 0, data) for key, data in new),
        ):
            with suppress(*UNREADABLE):
                segment, before = decode(data, self.key), segments.get(number)
                segments[number] = _joined(before, segment) if before else segment
                contents[number] = data
        with self._lock:
            for number in () if self._may_share else segments:
                self._read[number] = contents[number]
                self._read.move_to_end(number)
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return segments

    def keys(self, first: int) -> list[str]:
        """List the segments from a number on, those of the same number together."""
        keys = self.objects.list(LOG, log_key(first - 1, "z"))
        return [key for key in keys if (number_of(key) or 0) >= first]

    def _keys_of(self, numbers: Sequence[int]) -> list[str]:
        """List the segments of these numbers, which several writers may have taken."""
        first, last = min(numbers, default=1), max(numbers, default=0)
        keys = takewhile(lambda key: (number_of(key) or 0) <= last, self.keys(first))
        return [key for key in keys if number_of(key) in numbers]

    def anchor(self) -> Anchor | None:
        """Return the newest anchor, None if nothing was ever removed.

        Raises one of UNREADABLE if it is damaged.
        """
        keys = [name for name in self.objects.list(ANCHORS) if number_of(name) is not None]
        data = self.objects.get(keys[-1]) if keys else None
        return decode_anchor(data, self.key) if data is not None else None

    def remove_old(self, kept_for: timedelta) -> int:
        """Remove the segments of which every entry is older; return the number of entries.

        The newest segment stays. The anchor is written first, then segments are removed: leftovers
        of a call that was cut off are before the anchor, and removed by the next.
        """
        try:
            anchor = self.anchor()
        except UNREADABLE:
            # Somebody changed it: the check reports that, and nothing more is removed.
            return 0
        first = number = anchor.number if anchor else 1
        last = self.last()
        # Limited by the log's own last time: a clock that runs ahead does not empty it.
        newest = self.segments([last]).get(last)
        now = datetime.now(UTC)
        until = min(now, newest.at if newest else now) - kept_for
        removed, oldest_kept, old = 0, False, None
        while number < last and not oldest_kept:
            part = range(number, min(last, number + _AT_ONCE))
            segments = self.segments(part)
            for number in part:
                segment = segments.get(number)
                if segment is None or segment.at >= until:
                    oldest_kept = True
                    break
                old, removed = segment, removed + len(segment.entries)
            number += 1
        if old:
            before = anchor.removed if anchor else 0
            first = old.number + 1
            beginning = Anchor(first, old.digest, before + removed, old.at)
            # Another process may have removed the same.
            with suppress(EntryExists):
                self.objects.put_if_absent(anchor_key(first), encode_anchor(beginning, self.key))
        self._delete_before(first)
        return removed

    def _delete_before(self, first: int) -> None:
        """Delete segments and anchors before the anchor."""
        keys = []
        for folder in (LOG, ANCHORS):
            for key in self.objects.list(folder):
                number = number_of(key)
                if number is not None and number >= first:
                    break
                if number is not None and (folder == LOG or key == anchor_key(number)):
                    keys.append(key)
        self.objects.delete(keys)

    def _look(self, after: int) -> Head:
        """Return the newest segment of all processes."""
        number = last_number(self.objects, after)
        key = log_key(number)
        if number and self._may_share:
            key = next(iter(self.keys(number)), key)
        data = self.objects.get(key) if number else None
        return Head(number, digest_of(data) if data is not None else "")


def _joined(before: Segment, segment: Segment) -> Segment:
    return replace(
        before,
        entries=before.entries + segment.entries,
        digest=f"{before.digest} {segment.digest}",
        at=max(before.at, segment.at),
    )
