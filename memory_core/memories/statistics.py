"""History and counts: from the ledger, so exact, and never by asking a similarity search."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ..embedders import Embedder
from ..ledger import ALL, Ledger, LedgerEntry, UserIndex, UserView
from ..model.census import Census
from ..model.payload import time_of
from ..model.records import Event, Kind, Progress, Status, UserSummary
from ..model.user_id import UserId, is_probe
from ..storage.backend import Backend
from ..storage.vectors import VectorStore

WEEKS = 12
_DAY_MS = 24 * 3600 * 1000
_EPOCH = date(1970, 1, 1).toordinal()


def read_history(
    ledger: Ledger, user_id: UserId, memory_id: str | None, last: int | None
) -> list[Event]:
    """Return what happened to a user's memories, or to one of them, oldest first.

    What came from elsewhere brings along what happened to it there, with its own times.
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
    """Return how many events of which kind a user had on which day (UTC), in order."""
    days: dict[date, Counted[Kind]] = {}
    for entry in ledger.view(user_id).entries:
        days.setdefault(entry.at.date(), Counted())[entry.kind] += 1
    return dict(sorted(days.items()))


class Counter:
    """Counts memories per user, day and week; what it counted is kept while nothing changes."""

    def __init__(self, ledger: Ledger) -> None:
        self._survey = UserIndex(ledger, _tally)
        self._summaries: dict[UserId, tuple[_UserTally, int, UserSummary]] = {}

    def count(self, on_progress: Progress | None = None) -> Census:
        """Return every user; `on_progress` is told of users, and cancels where it raises."""
        as_of = datetime.now(UTC)
        tallies = self._survey.take(on_progress)
        week = _week(as_of.date().toordinal() - _EPOCH)
        known = self._summaries
        self._summaries = {
            one.user_id: (one, week, _summary(one, week))
            if (old := known.get(one.user_id)) is None or old[0] is not one or old[1] != week
            else old
            for one in tallies
        }
        users = [summary for _, _, summary in self._summaries.values()]
        users.sort(key=lambda user: (-user.memories, user.user_id))
        days: Counted[int] = Counted()
        for one in tallies:
            days.update(dict(one.days))
        return Census(
            users=tuple(one for one in users if one.memories),
            without=tuple(one for one in users if not one.memories),
            memories=sum(user.memories for user in users),
            days={date.fromordinal(day + _EPOCH): days[day] for day in sorted(days)},
            as_of=as_of,
        )


def count_stored(ledger: Ledger, store: VectorStore, backend: Backend) -> dict[str, int]:
    """Return how many memories the vector store holds, and how many only the ledger."""
    live = {one for view in _real_users(ledger) for one in view.live}
    stored = len(live.intersection(store.keys()))
    return {backend.name: stored, "ledger": len(live) - stored}


def make_status(census: Census, backend: Backend, embedder: Embedder) -> Status:
    """Return the decision on the backend, and what is in it."""
    users = census.users
    return Status(
        backend=backend.name,
        persistent=backend.persistent,
        reason=backend.reason,
        steps=backend.steps,
        embedder=embedder.name,
        dimensions=embedder.dimensions,
        location=backend.location,
        memories=census.memories,
        users=len(users),
        since=min((user.first_write for user in users), default=None),
        last_write=max((user.last_write for user in users), default=None),
        as_of=census.as_of,
        stand_in=backend.stand_in,
    )


def _real_users(ledger: Ledger) -> Iterator[UserView]:
    """Yield every user but those of redeploy tests."""
    return (view for view in ledger.users() if not is_probe(view.user_id))


@dataclass(frozen=True, slots=True)
class _UserTally:
    """What is kept of a user: `days` and `weeks` since 1970 with their numbers."""

    user_id: UserId
    memories: int
    first: datetime
    last: datetime
    days: tuple[tuple[int, int], ...]
    weeks: tuple[tuple[int, int], ...]


def _tally(view: UserView) -> _UserTally | None:
    """Return None for the users of redeploy tests."""
    if is_probe(view.user_id):
        return None
    entries = view.entries
    days = Counted(live.added.ms // _DAY_MS for live in view.live.values())
    weeks = Counted(_week(entry.ms // _DAY_MS) for entry in entries)
    latest = max(weeks)
    return _UserTally(
        user_id=view.user_id,
        memories=len(view.live),
        first=entries[0].at,
        last=entries[-1].at,
        days=tuple(days.items()),
        weeks=tuple((week, count) for week, count in weeks.items() if week > latest - WEEKS),
    )


def _summary(one: _UserTally, week: int) -> UserSummary:
    weeks = dict(one.weeks)
    activity = tuple(weeks.get(at, 0) for at in range(week - WEEKS + 1, week + 1))
    return UserSummary(one.user_id, one.memories, one.first, one.last, activity)


def _week(day: int) -> int:
    """Return the number of the week of a day since 1970, which began on a Thursday."""
    return (day + 3) // 7


def _earlier(details: Mapping[str, Any], entry: LedgerEntry) -> Iterator[Event]:
    """Yield what happened to a memory before it came here."""
    for one in details.get("earlier") or ():
        moment = time_of(one, "at")
        yield Event(
            kind=Kind(one["kind"]),
            at=moment or datetime.fromisoformat(details["at"]),
            id=entry.memory_id,
            user_id=details["user_id"],
            raw_user_id=details["raw_user_id"],
            memory=one.get("memory"),
            came_from=one.get("from") or (details.get("moved") or {}).get("from"),
        )


def _to_event(details: Mapping[str, Any], entry: LedgerEntry) -> Event:
    moved = details.get("moved") or {}
    return Event(
        kind=entry.kind,
        at=datetime.fromisoformat(details["at"]),
        id=entry.memory_id,
        user_id=details["user_id"],
        raw_user_id=details["raw_user_id"],
        memory=(details.get("payload") or {}).get("data"),
        came_from=moved.get("from"),
        went_to=moved.get("to"),
    )
