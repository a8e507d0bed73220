"""Times as programs and people write them: ISO 8601, RFC 2822, syslog, seconds since 1970."""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from ..errors import InvalidSelection
from .payload import parse_time

_LATEST_SECONDS = 1e11
"""Greater numbers are milliseconds, microseconds and so on."""

_FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%B %d, %Y", "%d %B %Y")
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_AGO = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS_AGO = {"now": None, "today": 0, "yesterday": 1}
EVENT_ID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
"""The id of a ledger event: a ULID."""
_COMMIT = re.compile("[0-9a-f]{7,64}")
_CLOCK, _FRACTION = r"\d{1,2}:\d\d:\d\d", r"(?:[.,]\d{1,9})?"
LOG_TIME = re.compile(
    rf"\[?(?:(?:(?P<iso>\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}{_FRACTION})"
    rf"|(?P<named>{_MONTH}\s{{1,2}}\d{{1,2}}\s{_CLOCK}){_FRACTION}(?:\s?(?P<half>[AaPp][Mm])\b)?)"
    r"(?:\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?"
    r"|(?P<epoch>1\d{9}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?)(?=\s|$)"
    rf"|{_CLOCK}{_FRACTION}(?=[\s\]]))\]?[ \t]{{0,2}}"
)
"""A time at the start of a line of a log."""


def read_moment(
    text: str, now: datetime, starts: Iterable[tuple[str, datetime]] = ()
) -> datetime | str:
    """Return the moment (aware) that a person wrote, or the id of an event.

    That is an ISO 8601 day or time, in UTC unless it names a zone (a day is its first moment);
    `30m`, `2h`, `7d` or `4w` ago; now, today or yesterday, at 0:00 UTC; or at least seven
    characters of a commit: its last start among `starts`, pairs of commit and time.

    Raises:
        InvalidSelection: it is none of these, or no start of that commit is known.
    """
    given = text.strip()
    if EVENT_ID.fullmatch(given.upper()):
        return given.upper()
    word = given.lower()
    if _COMMIT.fullmatch(word) and (at := [at for commit, at in starts if commit.startswith(word)]):
        return max(at)
    if word in _DAYS_AGO:
        days = _DAYS_AGO[word]
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return now if days is None else day - timedelta(days=days)
    with suppress(ValueError, OverflowError):
        if ago := re.fullmatch(r"(\d{1,5})([mhdw])", word):
            return now - timedelta(**{_AGO[ago[2]]: int(ago[1])})
        return parse_time(given)
    raise InvalidSelection(
        f"{text[:40]!r} is not a time; write 2025-11-22, 2025-11-22T14:30, 2h, 7d or yesterday, "
        "the id of an event, or the commit of a deployment on record"
    )


def from_epoch(number: float) -> datetime:
    """Return the time (UTC) of a number of seconds since 1970, milliseconds or smaller units.

    Raises:
        ValueError, OverflowError, OSError: there is no such time.
    """
    while _LATEST_SECONDS <= abs(number) < 1e30:
        number /= 1000
    return datetime.fromtimestamp(number, UTC)


def read_time(value: Any) -> datetime:
    """Return a time (aware): ISO 8601, RFC 2822, or seconds since 1970 and finer.

    Raises:
        ValueError: it cannot be read, or is ambiguous.
    """
    text = f"{value:f}" if isinstance(value, float) else str(value).strip()
    text = re.sub(r"(?<!\s)\s*(?:UTC|GMT)$", "", text)
    try:
        # Fewer digits are not a time.
        if re.fullmatch(r"\d{9,20}(\.\d*)?", text):
            return from_epoch(float(text))
        with suppress(ValueError):
            return parse_time(re.sub(r"(?<!\s)\s+(?=[+-]\d)", "", text).replace("/", "-"))
        for form in _FORMATS:
            with suppress(ValueError):
                return datetime.strptime(text, form).replace(tzinfo=UTC)
        # Not at the top: it takes longer to load than a small document to read.
        from email.utils import parsedate_to_datetime

        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, IndexError, OverflowError, OSError) as exc:
        raise ValueError(f"{text[:40]!r} is not a time") from exc


@lru_cache(maxsize=1024)
def read_log_time(given: str | int | float, now: datetime) -> tuple[datetime, bool] | None:
    """Return the time of a log line in UTC and whether it names its zone, None if it is no time.

    A time without a year is the latest one that is not in the future.
    """
    match = LOG_TIME.match(given.strip()) if isinstance(given, str) else None
    with suppress(TypeError, ValueError, OverflowError, OSError):
        if not match or match["epoch"]:
            return from_epoch(float(match["epoch"] if match else given)), True
        zone = match["zone"] or ""
        offset = zone if zone.startswith(("+", "-")) else "+0000"
        if match["iso"]:
            at = datetime.fromisoformat(match["iso"].replace("/", "-") + offset)
            return at.astimezone(UTC), bool(zone)
        clock = "%I:%M:%S%p" if match["half"] else "%H:%M:%S"
        stamp = f"{match['named']}{match['half'] or ''}{offset}"
        for year in range(now.year + 1, now.year - 5, -1):
            # Not every year has a 29 February.
            with suppress(ValueError):
                at = datetime.strptime(f"{year} {stamp}", f"%Y %b %d {clock}%z").astimezone(UTC)
                if at <= now + timedelta(days=1):
                    return at, bool(zone)
    return None
