"""Moments as programs write them: ISO 8601, as in mails and in syslog, or seconds since 1970."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from .payload import parse_time

_LATEST_SECONDS = 1e11
"""Greater numbers are thousandths, millionths and so on."""

_FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%B %d, %Y", "%d %B %Y")
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK, _FRACTION = r"\d{1,2}:\d\d:\d\d", r"(?:[.,]\d{1,9})?"
LOG_TIME = re.compile(
    rf"\[?(?:(?:(?P<iso>\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}{_FRACTION})"
    rf"|(?P<named>{_MONTH}\s{{1,2}}\d{{1,2}}\s{_CLOCK}){_FRACTION}(?:\s?(?P<half>[AaPp][Mm])\b)?)"
    r"(?:\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?"
    r"|(?P<epoch>1\d{9}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?)(?=\s|$)"
    rf"|{_CLOCK}{_FRACTION}(?=[\s\]]))\]?[ \t]{{0,2}}"
)
"""A time at the start of a line of a log."""


def from_epoch(number: float) -> datetime:
    """Return the moment (UTC) of seconds since 1970, or of thousandths and smaller units.

    Raises:
        ValueError, OverflowError, OSError: there is no such moment.
    """
    while _LATEST_SECONDS <= abs(number) < 1e30:
        number /= 1000
    return datetime.fromtimestamp(number, UTC)


def read_time(value: Any) -> datetime:
    """Return a time (aware): ISO 8601, RFC 2822, or seconds since 1970 and finer.

    Raises:
        ValueError: it cannot be read, or not with certainty.
    """
    text = f"{value:f}" if isinstance(value, float) else str(value).strip()
    text = re.sub(r"(?<!\s)\s*(?:UTC|GMT)$", "", text)
    try:
        # Fewer digits are no time.
        if re.fullmatch(r"\d{9,20}(\.\d*)?", text):
            return from_epoch(float(text))
        with suppress(ValueError):
            return parse_time(re.sub(r"(?<!\s)\s+(?=[+-]\d)", "", text).replace("/", "-"))
        for form in _FORMATS:
            with suppress(ValueError):
                return datetime.strptime(text, form).replace(tzinfo=UTC)
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, IndexError, OverflowError, OSError) as exc:
        raise ValueError(f"{text[:40]!r} is no time") from exc


@lru_cache(maxsize=1024)
def read_log_time(given: str | int | float, now: datetime) -> tuple[datetime, bool] | None:
    """Return a time of a log in UTC, and whether its zone was named; None for what is no time.

    Of a time without a year, it is the latest that is not in the future.
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
            # Of the 29th of February there is not one every year.
            with suppress(ValueError):
                at = datetime.strptime(f"{year} {stamp}", f"%Y %b %d {clock}%z").astimezone(UTC)
                if at <= now + timedelta(days=1):
                    return at, bool(zone)
    return None
