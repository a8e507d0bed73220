"""When a line was written, as the usual programs put it in front."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_DATE = (
    r"(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ](?P<hour>\d\d):(?P<minute>\d\d)"
    r":(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?"
)
_ZONE = r"(?:\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?"
_ISO = re.compile(rf"\[?{_DATE}{_ZONE}\]?")
_NAMED = re.compile(
    r"(?P<name>[A-Z][a-z]{2})\s+(?P<day>\d{1,2}),?\s+(?:(?P<year>\d{4}),?\s+)?(?P<hour>\d{1,2})"
    r":(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?(?:\s?(?P<half>[AaPp][Mm]))?"
    + _ZONE
)
_ACCESS = re.compile(
    r"(?P<day>\d\d)/(?P<name>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<hour>\d\d):(?P<minute>\d\d)"
    r":(?P<second>\d\d)(?:\s(?P<zone>[+-]\d{4}))?"
)
_CLOCK = re.compile(r"\[?\d\d:\d\d:\d\d(?:[.,]\d{1,6})?\]?(?=\s)")
_EPOCH = re.compile(r"(?P<epoch>1\d{9}(?:\.\d{1,9}|\d{3})?)(?=\s)")
_SECONDS = 10


class Stamp(NamedTuple):
    """A time that was found: `end` is where the text goes on, `found` how it stands there."""

    end: int
    found: re.Match[str]


def find(text: str) -> Stamp | None:
    """Return the time at the start of a line, None where there is none; cheap."""
    if not text:
        return None
    first = text[0]
    if first.isdigit() or first == "[":
        found = _ISO.match(text) or _ACCESS.match(text) or _EPOCH.match(text) or _CLOCK.match(text)
    elif first.isalpha() and first.isupper():
        found = _NAMED.match(text)
        if found and found["name"] not in _MONTHS:
            return None
    else:
        return None
    return Stamp(found.end(), found) if found else None


def read(stamp: Stamp, now: datetime) -> tuple[datetime, bool, bool] | None:
    """Return the time, whether its zone was named, and its year; None for one that cannot be.

    A time without a zone is taken for UTC; one without a year is the last that is not after `now`.
    """
    given = stamp.found.groupdict()
    if epoch := given.get("epoch"):
        return of_number(float(epoch)), True, True
    if "day" not in given:
        return None
    hour = int(given["hour"])
    if half := given.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    name = given.get("name")
    month = _MONTHS.index(name) + 1 if name in _MONTHS else int(given.get("month") or 0)
    part = int((given.get("part") or "0").ljust(6, "0")[:6])
    rest = (month, int(given["day"]), hour, int(given["minute"]), int(given["second"]), part)
    zone = _zone(given.get("zone"))
    year = given.get("year")
    # Of the 29th of February there is not one every year.
    years = [int(year)] if year else [now.year + 1 - back for back in range(6)]
    for one in years:
        try:
            at = datetime(one, *rest, tzinfo=zone or UTC)
        except ValueError:
            continue
        if year or at <= now + timedelta(days=1):
            return at.astimezone(UTC), zone is not None, year is not None
    return None


def of_text(text: str, now: datetime) -> tuple[datetime, bool, bool] | None:
    """Read a time that stands by itself, as in a field of JSON."""
    stamp = find(text.strip())
    return read(stamp, now) if stamp else None


def of_number(number: float) -> datetime:
    """Return the time of so many seconds, milliseconds or more, since 1970."""
    while abs(number) >= 10**_SECONDS * 10:
        number /= 1000
    return datetime.fromtimestamp(number, UTC)


def _zone(name: str | None) -> timezone | None:
    if not name:
        return None
    if name in ("Z", "UTC", "GMT"):
        return UTC
    hours, minutes = int(name[1:3]), int(name[-2:])
    ahead = timedelta(hours=hours, minutes=minutes)
    try:
        return timezone(-ahead if name[0] == "-" else ahead)
    except ValueError:
        return None
