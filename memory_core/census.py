"""History and counts: from the ledger, so exact, and never by asking a similarity search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from .backend import Backend
from .embedders import Embedder
from .identity import UserId, is_probe
from .ledger import ALL, Entry, Ledger, UserView
from .records import Event, Kind, Status, UserSummary
from .stores import VectorStore


def read_history(
    ledger: Ledger, user_id: UserId, memory_id: str | None, last: int | None
) -> list[Event]:
    """Return what happened to a user's memories, or to one of them, oldest first."""
    entries = [
        entry
        for entry in ledger.view(user_id).entries
        if memory_id in (None, entry.memory_id) or entry.memory_id == ALL
    ]
    if last is not None:
        entries = entries[-last:] if last > 0 else []
    return [_to_event(details, entry) for entry, details in ledger.details(entries).items()]


def count_events(ledger: Ledger, user_id: UserId) -> dict[date, Counter[Kind]]:
    """Return how many events of which kind a user had on which day (UTC), in order."""
    days: dict[date, Counter[Kind]] = {}
    for entry in ledger.view(user_id).entries:
        days.setdefault(entry.at.date(), Counter())[entry.kind] += 1
    return dict(sorted(days.items()))


def count_users(ledger: Ledger) -> list[UserSummary]:
    """Return every user that has memories, most memories first."""
    found = [
        UserSummary(view.user_id, len(view.live), view.entries[0].at, view.entries[-1].at)
        for view in _real_users(ledger)
        if view.live
    ]
    return sorted(found, key=lambda user: (-user.memories, user.user_id))


def count_days(ledger: Ledger) -> dict[date, int]:
    """Return how many of today's memories were saved on which day (UTC), in order."""
    days = Counter(
        live.added.at.date() for view in _real_users(ledger) for live in view.live.values()
    )
    return dict(sorted(days.items()))


def count_stored(ledger: Ledger, store: VectorStore, backend: Backend) -> dict[str, int]:
    """Return how many memories the vector store holds, and how many only the ledger."""
    live = {one for view in _real_users(ledger) for one in view.live}
    stored = len(live.intersection(store.keys()))
    return {backend.name: stored, "ledger": len(live) - stored}


def make_status(ledger: Ledger, backend: Backend, embedder: Embedder) -> Status:
    """Return the decision on the backend, and what is in it."""
    users = count_users(ledger)
    return Status(
        backend=backend.name,
        persistent=backend.persistent,
        reason=backend.reason,
        steps=backend.steps,
        embedder=embedder.name,
        dimensions=embedder.dimensions,
        location=backend.location,
        memories=sum(user.memories for user in users),
        users=len(users),
        since=min((user.first_write for user in users), default=None),
        last_write=max((user.last_write for user in users), default=None),
        as_of=datetime.now(UTC),
        stand_in=backend.stand_in,
    )


def _real_users(ledger: Ledger) -> Iterator[UserView]:
    """Yield every user but those of redeploy tests."""
    return (view for view in ledger.users() if not is_probe(view.user_id))


def _to_event(details: Mapping[str, Any], entry: Entry) -> Event:
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
