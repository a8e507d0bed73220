"""Appending to the chain, and reading its segments."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from threading import Lock
from typing import Any, Final, NamedTuple
from uuid import uuid4

from ..errors import EntryExists, LedgerError
from ..model.signature import Key
from ..storage.objects import ObjectStore

ROOT: Final = "activity/v1/"
LOG: Final = f"{ROOT}log/"
ANCHORS: Final = f"{ROOT}anchors/"
_DIGITS: Final = 12
_PAGE: Final = 1_000
_UNSEALED: Final = Key()


class Head(NamedTuple):
    """The newest segment: its number, from 1, and its digest; 0 and "" before the first."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it was read; `entries` are the lines as they were written.

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
    """Where the chain begins: at `number`, whose segment links to `previous`.

    `removed` entries were before it, the newest of `until`.
    """

    number: int
    previous: str
    removed: int
    until: datetime
    sealed_with: str = ""
    seal_fits: bool | None = True


def digest_of(data: bytes) -> str:
    """Return the digest that the next segment links to."""
    return hashlib.sha256(data).hexdigest()


def key_name(key: Key) -> str:
    """Return what segments call the key by; "" for none."""
    return key.fingerprint(b"the name of this key", 12)


def log_key(number: int) -> str:
    return f"{LOG}{number:0{_DIGITS}}.jsonl"


def anchor_key(number: int) -> str:
    return f"{ANCHORS}{number:0{_DIGITS}}.json"


def number_of(key: str) -> int | None:
    """Return the number in a name of either kind, None for what is neither."""
    stem, _, suffix = key.rpartition("/")[2].partition(".")
    known = len(stem) == _DIGITS and stem.isascii() and stem.isdigit()
    return int(stem) if known and suffix in ("jsonl", "json") else None


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
    """Read a segment; raises ValueError, KeyError or TypeError for what is none."""
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
    """Read an anchor; raises ValueError, KeyError or TypeError for what is none."""
    (one,), fits = _unsealed(data, key)
    until = datetime.fromisoformat(one["until"])
    return Anchor(
        int(one["number"]), str(one["previous"]), int(one["removed"]), until, one["key"], fits
    )


def last_number(objects: ObjectStore, after: int) -> int:
    """Return the number of the newest segment, `after` where there is none behind it.

    Doubles its steps, so that a long log is not listed whole.
    """
    step = 0
    while True:
        keys = islice(objects.list(LOG, log_key(after + step)), _PAGE)
        found = [number for key in keys if (number := number_of(key)) is not None]
        if found:
            after, step = found[-1], max(_PAGE, step * 2)
            if len(found) < _PAGE:
                return after
        elif step == 0:
            return after
        else:
            step = step // 2 if step > _PAGE else 0


def newest_anchor(objects: ObjectStore, key: Key) -> Anchor | None:
    """Return where the chain begins, None where nothing was ever removed.

    Raises ValueError, KeyError or TypeError where the newest anchor cannot be read.
    """
    keys = [name for name in objects.list(ANCHORS) if number_of(name) is not None]
    data = objects.get(keys[-1]) if keys else None
    return decode_anchor(data, key) if data is not None else None


def _sealed(documents: Sequence[dict[str, Any]], key: Key) -> bytes:
    lines = [json.dumps(one, ensure_ascii=False, allow_nan=False) for one in documents]
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
    """Say whether a seal is right, None where another key made it."""
    if sealed_with == key_name(key):
        return key.verify(data, seal)
    return None if sealed_with else _UNSEALED.verify(data, seal)


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
