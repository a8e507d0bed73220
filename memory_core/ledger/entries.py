"""Entries of the ledger: their names and their encoding."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from ..errors import LedgerCorrupt
from ..model.records import Kind
from ..model.user_id import UserId

ROOT = "ledger/v1/"
ALL = "*"
"""The memory id of a DELETE or FORGET that means every memory of the user before it."""

# A file name has 255 bytes at most; an id that is longer once encoded is replaced by its digest,
# and read from an event. No encoded id begins with "%~".
_LONGEST_FOLDER = 240
_RANDOM_BITS = 70
DIGEST_MARK = "%~"
# The ten characters of a ULID that tell the time, in the digits of `int`.
_AS_BASE_32 = str.maketrans("ABCDEFGHJKMNPQRSTVWXYZ", "abcdefghijklmnopqrstuv")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(
    r"[0-7][0-9A-HJKMNP-TV-Z]{25}\."
    r"(?:(?P<kind>ADD|UPDATE|DELETE|FORGET)\.(?P<id>[^./]+)\.json|BATCH\.(?P<count>\d+)\.jsonl)"
)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An event of one memory. `line` is its line in a BATCH, None in an object of its own.

    `moved` is set if the memory came with an id from outside, or went to another user with its id.
    `restored` is the ULID of the ADD or UPDATE whose state it brought back, empty if it deleted the
    memory, None for any other event.
    """

    key: str
    kind: Kind
    memory_id: str
    line: int | None = None
    moved: bool = False
    restored: str | None = None

    @property
    def event_kind(self) -> Kind:
        """The kind in the history: RESTORE for an event that brought a state back."""
        return self.kind if self.restored is None else Kind.RESTORE

    @property
    def ulid(self) -> str:
        return _name(self.key)[:26]

    @property
    def at(self) -> datetime:
        """The time in the entry's name (aware UTC, microseconds; earlier releases: milliseconds).

        No earlier entry has a later time, and `last_ulid_at` of it is not before this entry.
        """
        return time_in(self.ulid)

    @property
    def ms(self) -> int:
        """The same time in whole milliseconds since 1970."""
        return _as_int(self.ulid[:10])


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event to be appended; `payload` is what the vector store will hold, whole.

    `moved` is the origin or destination of a memory that keeps its id: `{"from": ...}` or
    `{"to": ...}`, with the id of a user or the name of an export. `earlier` is its history there:
    `{"kind", "at", "memory"}`, oldest first. `restored` is the ULID of the event whose state is
    brought back. Releases without RESTORE read such an event by its `kind` alone: as the ADD,
    UPDATE or DELETE that leads to the same memories.
    """

    kind: Kind
    memory_id: str
    raw_user_id: str
    payload: Mapping[str, Any] | None = None
    moved: Mapping[str, str] | None = None
    earlier: Sequence[Mapping[str, Any]] = ()
    restored: str | None = None


def folder_of(user_id: UserId) -> str:
    """Return the prefix of a user's entries, a folder whose name does not end with a dot.

    Windows drops a dot at the end of a name, and NooBaa refuses "./" in a key.
    """
    return folders_of(user_id)[0]


@lru_cache(maxsize=1_000)
def folders_of(user_id: UserId) -> tuple[str, ...]:
    """Return the prefix of a user's entries, and that of earlier releases if it differs."""
    earlier = quote(user_id, safe="")
    if not earlier.strip("."):
        # "." and ".." would be the folder itself and the one above.
        earlier = earlier.replace(".", "%2E")
    ours = f"{earlier[:-1]}%2E" if earlier.endswith(".") else earlier
    digest = DIGEST_MARK + hashlib.sha256(user_id.encode()).hexdigest()
    names = (name if len(name) <= _LONGEST_FOLDER else digest for name in (ours, earlier))
    return tuple(f"{ROOT}{name}/" for name in dict.fromkeys(names))


def entry_name(ulid: str, drafts: Sequence[EventDraft]) -> str:
    """Return the name of the object that records the drafts."""
    if len(drafts) == 1 and not drafts[0].moved and drafts[0].restored is None:
        memory_id = quote(drafts[0].memory_id, safe="*").replace(".", "%2E")
        return f"{ulid}.{drafts[0].kind}.{memory_id}.json"
    return f"{ulid}.BATCH.{len(drafts)}.jsonl"


def is_batch(key: str) -> bool:
    """Return whether an object records several events, which its name does not list."""
    return ".BATCH." in _name(key)


def is_forget(key: str) -> bool:
    """Return whether an object records that its user was forgotten."""
    return ".FORGET." in _name(key)


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def check_place(key: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Raise ValueError for an entry that was cut off, or is of another name or user."""
    name = match_name(key)
    if len(events) != int(name["count"] or 1):
        raise ValueError("cut off")
    if name["kind"] and (name["kind"], unquote(name["id"])) != (events[0]["kind"], events[0]["id"]):
        raise ValueError("renamed")
    folder = key[: key.rindex("/") + 1]
    if any(folder not in folders_of(event["user_id"]) for event in events):
        raise ValueError("of another user")


def match_name(key: str) -> re.Match[str]:
    """Return the parts `kind` and `id`, or `count`, of an entry's name.

    Raises:
        LedgerCorrupt: it is not the name of an entry.
    """
    match = _NAME.fullmatch(_name(key))
    if match is None:
        raise LedgerCorrupt(
            f"{key!r} is not the name of a ledger entry; move the file out of the ledger", key
        )
    return match


def next_ulid(after: str, now: datetime) -> str:
    """Return a ULID of `now`, or one that follows `after` if a clock ran ahead."""
    from ulid import ULID

    fresh = _ulid_at(now, secrets.randbits(_RANDOM_BITS))
    if fresh > after:
        return fresh
    # Two writers that follow the same entry take two names.
    return str(ULID.from_int(int(ULID.from_str(after)) + 1 + secrets.randbits(40)))


def time_in(ulid: str) -> datetime:
    """Return the time (aware UTC) in the ULID of an event, as `LedgerEntry.at`."""
    us = -(-_as_int(ulid[10:12]) * 1000 // 1024)
    return _EPOCH + timedelta(milliseconds=_as_int(ulid[:10]), microseconds=us)


def _as_int(digits: str) -> int:
    return int(digits.translate(_AS_BASE_32), 32)


def last_ulid_at(moment: datetime) -> str:
    """Return the greatest ULID of an event of this microsecond."""
    return _ulid_at(moment, 2**_RANDOM_BITS - 1)


def _ulid_at(moment: datetime, rest: int) -> str:
    """Return a ULID whose first random bits are the fraction of its millisecond."""
    from ulid import ULID

    ms, us = divmod(max(moment - _EPOCH, timedelta()) // timedelta(microseconds=1), 1000)
    return str(ULID.from_int(((ms << 10 | us * 1024 // 1000) << _RANDOM_BITS) | rest))


def encode_event(
    user_id: UserId, draft: EventDraft, at: datetime, author: Mapping[str, str] | None = None
) -> bytes:
    """Return the event as one line of JSON; `author` is who made it, and by which call."""
    event: dict[str, Any] = {
        "v": 1,
        "kind": draft.kind,
        "id": draft.memory_id,
        "user_id": user_id,
        "raw_user_id": draft.raw_user_id,
        "at": at.isoformat(timespec="microseconds"),
    }
    if author:
        event["by"] = dict(author)
    if draft.restored is not None:
        event["restored"] = draft.restored
    if draft.payload is not None:
        event["payload"] = dict(draft.payload)
    if draft.moved:
        event["moved"] = dict(draft.moved)
    if draft.earlier:
        event["earlier"] = [dict(event) for event in draft.earlier]
    return json.dumps(event, ensure_ascii=False, allow_nan=False).encode()


def decode_event(line: bytes) -> dict[str, Any]:
    """Return the event; raises ValueError, KeyError or TypeError for anything else."""
    event = json.loads(line)
    if not isinstance(event, dict):
        raise ValueError("not an event")
    if not all(isinstance(event[name], str) for name in ("id", "user_id", "raw_user_id", "at")):
        raise ValueError("not text")
    datetime.fromisoformat(event["at"])
    if not isinstance(event.get("restored", ""), str):
        raise ValueError("restores no event")
    writes = Kind(event["kind"]) in (Kind.ADD, Kind.UPDATE)
    if writes and not isinstance(event["payload"]["data"], str):
        raise ValueError("no text")
    return event
