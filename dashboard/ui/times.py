"""Times in words, and exactly."""

from __future__ import annotations

import datetime as dt

from memory_core.words import counted

_STEPS = ((60, "minute", 60), (3600, "hour", 24), (86_400, "day", 30), (2_592_000, "month", 12))


def ago(at: dt.datetime, now: dt.datetime | None = None) -> str:
    """Return how long ago `at` was: just now, 2 minutes ago, 3 years ago."""
    seconds = ((now or dt.datetime.now(dt.UTC)) - at).total_seconds()
    if seconds < 45:
        return "just now"
    for size, unit, count in _STEPS:
        if (amount := round(seconds / size)) < count:
            return f"{counted(max(1, amount), unit)} ago"
    return f"{counted(max(1, round(seconds / 31_536_000)), 'year')} ago"


def parsed(text: str) -> dt.datetime | None:
    """Return the time that an ISO 8601 text names, None where it names none."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def utc(at: dt.datetime) -> str:
    """Return the exact time: 12 Nov 2025, 14:32:05 UTC."""
    return f"{day(at)}, {at.astimezone(dt.UTC):%H:%M:%S} UTC"


def day(at: dt.datetime | dt.date) -> str:
    """Return the UTC day: 12 Nov 2025."""
    date = at.astimezone(dt.UTC).date() if isinstance(at, dt.datetime) else at
    return f"{date.day} {date:%b %Y}"


def both(at: dt.datetime) -> str:
    """Return the time in words and exactly, for one line of small print."""
    return f"{ago(at)} · {utc(at)}"
