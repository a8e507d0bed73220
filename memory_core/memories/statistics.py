"""History and counts: exact, since they come from the ledger and never from a search."""

from __future__ import annotations

import json
import logging
from collections import Counter as Counted
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

from ..errors import BackendError
from ..ledger import ALL, Ledger, LedgerEntry, UserIndex, UserView
from ..model.census import Census, Origin
from ..model.counting import Progress
from ..model.encoder import pick
from ..model.payload import expiry_of, time_of
from ..model.records import Event, Kind, UserSummary
from ..model.user_id import UserId, is_probe
from ..storage.objects import ObjectStore

_FIGURES: Final = "census/v1/figures.json"
_TIMES: Final = ("since", "last_write", "as_of")
WEEKS = 12
RECENT_DAYS = 7
_DAY_MS = 24 * 3600 * 1000
_EPOCH = date(1970, 1, 1).toordinal()
_logger = logging.getLogger("memory_core")

_Value = TypeVar("_Value")


def read_history(
    ledger: Ledger, user_id: UserId, memory_id: str | None, last: int | None
) -> list[Event]:
    """Return the events of a user's memories, or of one of them, oldest first.

    Those of a memory that was imported include its earlier events, with their own times.
    """
    entries = [
        entry
        for entry in ledger.view(user_id).entries
        if memory_id in (None, entry.memory_id) or entry.memory_id == ALL
    ]
    if last is not None:
        entries = entries[-last:] if last > 0 else []
    return [
        event
        for entry, details in ledger.details(entries).items()
        for event in (*_earlier(details, entry), _to_event(details, entry))
    ]


def count_events(ledger: Ledger, user_id: UserId) -> dict[date, Counted[Kind]]:
    """Count a user's events by day (UTC) and kind, in order; what was imported by its creation."""
    entries = ledger.view(user_id).entries
    # What a batch holds was read for the view: an import with its own times, or a document.
    events = ledger.details(entry for entry in entries if entry.line is not None)
    days: dict[int, Counted[Kind]] = {}
    for entry in entries:
        day, _ = _created(entry, events.get(entry, {}))
        days.setdefault(day, Counted())[entry.event_kind] += 1
    return {date.fromordinal(day + _EPOCH): days[day] for day in sorted(days)}


class Counter:
    """Counts memories per user, day and week; counts are kept while nothing changes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._survey = UserIndex(ledger, partial(_tally, ledger))
        self._summaries: dict[UserId, tuple[_UserTally, int, UserSummary]] = {}

    def count(self, on_progress: Progress | None = None) -> Census:
        """Return every user; `on_progress` counts users, and cancels if it raises."""
        as_of = datetime.now(UTC)
        tallies = self._survey.take(on_progress)
        today = as_of.date().toordinal() - _EPOCH
        week = _week(today)
        known = self._summaries
        self._summaries = {
            tally.user_id: (tally, week, _summary(tally, week))
            if (old := known.get(tally.user_id)) is None or old[0] is not tally or old[1] != week
            else old
            for tally in tallies
        }
        users = [summary for _, _, summary in self._summaries.values()]
        users.sort(key=lambda user: (-user.memories, user.user_id))
        days: dict[int, Counted[Origin]] = {}
        recent: Counted[UserId] = Counted()
        for tally in tallies:
            for day, origin, count in tally.days:
                days.setdefault(day, Counted())[origin] += count
                if today - RECENT_DAYS < day <= today:
                    recent[tally.user_id] += count
        return Census(
            users=tuple(user for user in users if user.memories),
            without=tuple(user for user in users if not user.memories),
            memories=sum(user.memories for user in users),
            growth={date.fromordinal(day + _EPOCH): days[day] for day in sorted(days)},
            recent=recent,
            as_of=as_of,
            left_out=self._ledger.left_out(),
            damaged=self._survey.damaged(),
        )


def keep_figures(objects: ObjectStore, census: Census) -> None:
    """Write the totals of a count for the next process; a storage that rejects them is left."""
    figures = {**pick(census, "memories", *_TIMES), "users": len(census.users)}
    try:
        objects.replace(_FIGURES, json.dumps(figures).encode())
    except BackendError as exc:
        _logger.info("the figures of this count are not kept: %s", exc)


def read_figures(objects: ObjectStore) -> dict[str, Any] | None:
    """Return the fields of a `Status` that a count gives, as last kept.

    None if nothing was kept, it is damaged, or nobody had memories.
    """
    try:
        kept = json.loads(objects.get(_FIGURES) or b"")
        times = {name: datetime.fromisoformat(kept[name]).astimezone(UTC) for name in _TIMES}
        sums = {name: int(kept[name]) for name in ("memories", "users")}
    except (ValueError, KeyError, TypeError):
        return None
    return {**sums, **times} if min(sums.values()) > 0 else None


@dataclass(frozen=True, slots=True)
class _UserTally:
    """One user's counts: of memories by day and origin, of events by week, both since 1970."""

    user_id: UserId
    memories: int
    first: datetime
    last: datetime
    days: tuple[tuple[int, Origin, int], ...]
    weeks: tuple[tuple[int, int], ...]


def _tally(ledger: Ledger, view: UserView) -> _UserTally | None:
    """Count one user; None for one of redeploy tests, or without a readable entry."""
    if is_probe(view.user_id) or not view.entries:
        return None
    entries = view.entries
    added = [live.added for live in view.live.values()]
    events = ledger.details(entry for entry in added if entry.line is not None)
    days = Counted(_created(entry, events.get(entry, {})) for entry in added)
    weeks = Counted(_week(entry.ms // _DAY_MS) for entry in entries)
    # The present memories count when they were created, which is earlier for an import.
    weeks.subtract(_week(entry.ms // _DAY_MS) for entry in added)
    for (day, _), count in days.items():
        weeks[_week(day)] += count
    latest = _week(entries[-1].ms // _DAY_MS)
    return _UserTally(
        user_id=view.user_id,
        memories=len(view.live),
        first=entries[0].at,
        last=entries[-1].at,
        days=tuple(_shared((*made, count)) for made, count in days.items()),
        weeks=_shared(tuple(pair for pair in weeks.items() if pair[0] > latest - WEEKS)),
    )


def _created(entry: LedgerEntry, event: Mapping[str, Any]) -> tuple[int, Origin]:
    """Return the day since 1970 on which a memory was created, and how it came here."""
    payload, moved = event.get("payload") or {}, event.get("moved")
    if not moved or entry.event_kind is Kind.DELETE:
        return entry.ms // _DAY_MS, "document" if "document" in payload else "saved"
    # It was written here later than it was created.
    at = time_of(payload, "created_at")
    day = at.astimezone(UTC).date().toordinal() - _EPOCH if at else entry.ms // _DAY_MS
    return day, origin_of(event)


def origin_of(event: Mapping[str, Any]) -> Origin:
    """Return how the memory of a moving event came here, or left."""
    moved = event.get("moved") or {}
    if "revision" in moved or "to" in moved:
        return "merge"
    origin = str(moved.get("from"))
    return "migration" if origin == "local" or ":" in origin else "import"


def _summary(tally: _UserTally, week: int) -> UserSummary:
    weeks = dict(tally.weeks)
    activity = tuple(weeks.get(at, 0) for at in range(week - WEEKS + 1, week + 1))
    return UserSummary(tally.user_id, tally.memories, tally.first, tally.last, _shared(activity))


@lru_cache(maxsize=10_000)
def _shared(value: _Value) -> _Value:
    """Return one object for all equal values: of many users' counts, few differ."""
    return value


def _week(day: int) -> int:
    """Return the week of a day, both counted from 1970, which began on a Thursday."""
    return (day + 3) // 7


def _earlier(details: Mapping[str, Any], entry: LedgerEntry) -> Iterator[Event]:
    """Yield the events of a memory from before it came here."""
    here = _to_event(details, entry)
    for event in details.get("earlier") or ():
        yield replace(
            here,
            kind=Kind(event["kind"]),
            at=time_of(event, "at") or here.at,
            memory=event.get("memory"),
            came_from=event.get("from") or here.came_from,
            went_to=None,
            expires=None,
            event_id="",
        )


def _to_event(details: Mapping[str, Any], entry: LedgerEntry) -> Event:
    moved, payload = details.get("moved") or {}, details.get("payload") or {}
    return Event(
        kind=entry.event_kind,
        at=entry.at,
        id=entry.memory_id,
        user_id=details["user_id"],
        raw_user_id=details["raw_user_id"],
        memory=payload.get("data"),
        came_from=moved.get("from"),
        went_to=moved.get("to"),
        expires=expiry_of(payload),
        event_id=entry.ulid,
        **author_of(details),
    )


def author_of(details: Mapping[str, Any]) -> dict[str, str]:
    """Return `who`, `via` and `call` of a recorded event, as far as they are on record."""
    author = details.get("by")
    known = author if isinstance(author, dict) else {}
    return {key: str(known.get(key, "")) for key in ("who", "via", "call")}
