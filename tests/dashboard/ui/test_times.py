"""Times in words and exactly."""

from __future__ import annotations

import datetime as dt

import pytest

from dashboard.ui import text

NOW = dt.datetime(2025, 11, 12, 14, 32, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "just now"),
        (44, "just now"),
        (46, "1 minute ago"),
        (120, "2 minutes ago"),
        (59 * 60, "59 minutes ago"),
        (3600, "1 hour ago"),
        (23 * 3600, "23 hours ago"),
        (23.9 * 3600, "1 day ago"),
        (3 * 86_400, "3 days ago"),
        (45 * 86_400, "2 months ago"),
        (400 * 86_400, "1 year ago"),
        (800 * 86_400, "2 years ago"),
    ],
)
def test_how_long_ago(seconds: float, shown: str) -> None:
    assert text.ago(NOW - dt.timedelta(seconds=seconds), NOW) == shown


def test_the_exact_time_is_utc_whatever_the_zone() -> None:
    there = NOW.astimezone(dt.timezone(dt.timedelta(hours=-9)))
    assert text.utc(there) == "12 Nov 2025, 14:32:05 UTC"
    assert text.day(dt.date(2025, 1, 2)) == "2 Jan 2025"


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 memories"), (1, "1 memory"), (1204, "1,204 memories")]
)
def test_counts_say_what_they_count(count: int, shown: str) -> None:
    assert text.counted(count, "memory") == shown


def test_an_unknown_backend_is_not_shown_by_its_raw_name() -> None:
    assert text.backend_name("![x](//evil.example)") == "Another store"
