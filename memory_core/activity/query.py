"""Reading the log backwards: by number, so that nothing has to be listed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ..model.user_id import normalize_user_id
from .chain import UNREADABLE, Chain
from .entries import ActivityEntry, Actor, Named, Page, Wanted
from .pseudonyms import Names

_AT_ONCE: Final = 32
_MOST_READ: Final = 2_000
# Reading continues for so long: segments may hold entries that waited, and clocks differ.
_SLACK: Final = timedelta(minutes=10)

_Line = tuple[tuple[int, int], Mapping[str, Any]]
"""The segment and line of an entry, and the entry as it was written."""


def read_page(
    chain: Chain, names: Names, wanted: Wanted, before: tuple[int, int] | None, limit: int
) -> Page:
    """Return the newest entries that fit, older than `before` if that is given."""
    marks = names.marks(normalize_user_id(wanted.user_id)) if wanted.user_id else None
    chosen: list[_Line] = []
    ended = _ended_after(chain, before)
    back_to: datetime | None = None
    first = _first(chain)
    last = before[0] if before else chain.last()
    stop = max(first, last - _MOST_READ + 1)
    while last >= stop:
        numbers = range(last, max(stop, last - _AT_ONCE + 1) - 1, -1)
        segments = chain.segments(numbers)
        # Missing and unreadable segments are left to the check.
        for segment in filter(None, map(segments.get, numbers)):
            if wanted.since and segment.at < wanted.since - _SLACK:
                return Page(_entries(chosen, names), None, back_to)
            for line in reversed(range(len(segment.entries))):
                place, document = (segment.number, line), segment.entries[line]
                if before and place >= before:
                    continue
                back_to = datetime.fromisoformat(document["at"])
                if _is_hidden(document, ended) or not _fits(document, back_to, wanted, marks):
                    continue
                chosen.append((place, document))
                if len(chosen) == limit:
                    return Page(_entries(chosen, names), place, back_to)
        last = numbers[-1] - 1
    place_left = (last + 1, 0) if last >= first else None
    return Page(_entries(chosen, names), place_left, back_to)


def _ended_after(chain: Chain, before: tuple[int, int] | None) -> set[str]:
    """Return the operations that ended right after the page: their beginnings are not shown."""
    ended: set[str] = set()
    if before:
        for segment in chain.segments(range(before[0], before[0] + _AT_ONCE)).values():
            for line, document in enumerate(segment.entries):
                if (segment.number, line) >= before:
                    _is_hidden(document, ended)
    return ended


def _is_hidden(document: Mapping[str, Any], ended: set[str]) -> bool:
    """Return whether this is the beginning of an operation that ended; note ends."""
    operation = str(document.get("operation") or "")
    if operation and document["outcome"] != "begun":
        ended.add(operation)
        return False
    return operation in ended


def _first(chain: Chain) -> int:
    try:
        anchor = chain.anchor()
    except UNREADABLE:
        return 1
    return anchor.number if anchor else 1


def _fits(
    document: Mapping[str, Any], at: datetime, wanted: Wanted, marks: Sequence[str] | None
) -> bool:
    if (wanted.since and at < wanted.since) or (wanted.until and at >= wanted.until):
        return False
    if wanted.action and document["action"] != wanted.action:
        return False
    if wanted.who and wanted.who.casefold() not in document["who"].casefold():
        return False
    return marks is None or document.get("user") in marks or document.get("other") in marks


def _entries(lines: Sequence[_Line], names: Names) -> tuple[ActivityEntry, ...]:
    marks = {str(row[name]) for _, row in lines for name in ("user", "other") if row.get(name)}
    ids = names.ids(marks) if marks else {}
    return tuple(_entry(place, document, ids) for place, document in lines)


def _entry(
    place: tuple[int, int], document: Mapping[str, Any], ids: Mapping[str, str]
) -> ActivityEntry:
    def text(name: str) -> str:
        return str(document.get(name) or "")

    def named(name: str) -> Named | None:
        mark = text(name)
        return Named(mark, ids.get(mark)) if mark else None

    outcome = text("outcome")
    return ActivityEntry(
        number=place[0],
        line=place[1],
        at=datetime.fromisoformat(document["at"]),
        actor=Actor(text("who"), text("role"), text("address"), text("via")),
        action=text("action"),
        user=named("user"),
        other=named("other"),
        detail=text("detail"),
        outcome=outcome if outcome in ("begun", "done", "refused") else "failed",  # type: ignore[arg-type]
        operation=text("operation"),
    )
