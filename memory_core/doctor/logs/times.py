"""When a line was written, as the usual programs say it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?"
_ZONE = r"(?:\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?"
_NAMED = re.compile(
    rf"(?P<name>{'|'.join(_MONTHS)})\s{{1,2}}(?P<day>\d{{1,2}}),?\s(?:(?P<year>\d{{4}}),?\s)?"
    rf"{_CLOCK}(?:\s?(?P<half>[AaPp][Mm]))?{_ZONE}"
)
_FORMS = (
    re.compile(rf"\[?(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_CLOCK}{_ZONE}\]?"),
    re.compile(
        rf"\[?(?P<day>\d\d)/(?P<name>{'|'.join(_MONTHS)})/(?P<year>\d{{4}}):{_CLOCK}{_ZONE}\]?"
    ),
    re.compile(r"(?P<epoch>1\d{9}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?)(?=\s|$)"),
    re.compile(r"\[?\d\d:\d\d:\d\d(?:[.,]\d{1,6})?\]?(?=\s)"),
)
_LARGEST_SECONDS = 1e11


def find_time(text: str) -> re.Match[str] | None:
    """Return the time at the start of a text; cheap where there is none."""
    first = text[:1]
    if first.isdigit() or first == "[":
        return next(filter(None, (form.match(text) for form in _FORMS)), None)
    return _NAMED.match(text) if first.isupper() else None


def read_time(given: Any, now: datetime) -> tuple[datetime, bool, bool] | None:
    """Return the time, whether its zone was named, and its year; None for what is no time.

    A time without a zone is taken for UTC; one without a year is the last that is not after `now`.
    Numbers are seconds since 1970, or thousandths, millionths and so on.
    """
    if isinstance(given, str):
        found = find_time(given.strip())
        parts = found.groupdict() if found else {}
        if "epoch" not in parts:
            return _read_parts(parts, now) if "day" in parts else None
        given = float(parts["epoch"])
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not abs(given) < 1e30:
        return None
    try:
        while abs(given) >= _LARGEST_SECONDS:
            given /= 1000
        return datetime.fromtimestamp(given, UTC), True, True
    except (ValueError, OverflowError, OSError):
        return None


def _read_parts(parts: dict[str, str], now: datetime) -> tuple[datetime, bool, bool] | None:
    name, year, zone = parts.get("name"), parts.get("year"), parts.get("zone")
    hour, half = int(parts["hour"]), parts.get("half")
    if half:
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    month = _MONTHS.index(name) + 1 if name else int(parts["month"])
    second = f"{hour:02}:{parts['minute']}:{parts['second']}"
    fraction = (parts.get("part") or "0").ljust(6, "0")[:6]
    # Of the 29th of February there is not one every year.
    for number in [int(year)] if year else range(now.year + 1, now.year - 5, -1):
        day = f"{number:04}-{month:02}-{int(parts['day']):02}"
        offset = zone if zone and zone[0] in "+-" else "+00:00"
        try:
            at = datetime.fromisoformat(f"{day}T{second}.{fraction}{offset}").astimezone(UTC)
        except (ValueError, OverflowError):
            continue
        if year or at <= now + timedelta(days=1):
            return at, bool(zone), bool(year)
    return None
