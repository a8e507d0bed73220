"""Users: counted the first time and again, found among many, and drawn.

On the stand-in, in a process of its own, lie 100,000 memories of 10,000 users, ten in each ledger
object. A bare listing of all keys is what every count has to do at the least.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from streamlit.testing.v1 import AppTest
from ulid import ULID

from memory_core import Kind, Settings, UserId
from memory_core.aws import Aws
from memory_core.census import Counter
from memory_core.finding import Finder
from memory_core.ledger import ROOT, Draft, Ledger
from memory_core.ledger.entries import encode_event, entry_name, folder_of
from memory_core.objects import LocalObjects, S3Objects
from memory_core.people import Census
from memory_core.records import UserSummary

from .s3_meter import open_meter
from .table import Row

_BUCKET = "users-bench"
_USERS, _EACH, _IDS = 10_000, 10, 100_000
_FIND_AIM_MS, _DRAW_AIM_MS = 200.0, 500.0
_NAMES = "alice bob carol dave erin frank grace heidi ivan judy mallory olivia peggy".split()
_NOW = datetime.now(UTC)


def measure(folder: Path) -> list[Row]:
    """Measure all of it; only a few calls each, since they are long."""
    return [*_measure_counts(folder), *_measure_find(), _measure_page()]


def _measure_counts(folder: Path) -> list[Row]:
    with open_meter() as meter:
        boto3.client("s3").create_bucket(Bucket=_BUCKET)
        aws = Aws(Settings.from_env({**meter.environ, "AWS_S3_BUCKET": _BUCKET}))
        objects = S3Objects(aws, _BUCKET, "memory/")
        _fill(objects)
        counter = Counter(Ledger(objects))
        first = meter.cost(counter.count)
        again = meter.cost(counter.count)
        bare = meter.cost(lambda: sum(1 for _ in objects.list(ROOT)))
        aws.close()
    local = LocalObjects(folder / "local")
    _fill(local)
    on_disk = Counter(Ledger(local))
    disk_first, disk_again = _ms(on_disk.count), _ms(on_disk.count)
    name = "10,000 users, 100,000 memories"
    return [
        Row(f"count {name}, again / first", again.all_ms, first.all_ms, "ms", 0.5),
        Row(f"count {name}, again / bare list", again.all_ms, bare.all_ms, "ms", 1.5),
        Row(f"count {name}, again / bare list", again.requests, bare.requests, "calls"),
        Row(f"count {name} on disk, again / first", disk_again, disk_first, "ms", 0.5),
    ]


def _fill(objects: Any) -> None:
    def put(number: int) -> None:
        user_id = UserId(f"user{number}@example.com")
        drafts = [Draft(Kind.ADD, f"{number}-{at}", user_id, {"data": "x"}) for at in range(_EACH)]
        lines = [encode_event(user_id, draft, _NOW) for draft in drafts]
        key = folder_of(user_id) + entry_name(str(ULID()), drafts)
        objects.put_if_absent(key, b"\n".join(lines))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(_USERS)))


def _measure_find() -> list[Row]:
    """Find among 100,000 ids, all counted already."""
    ids = [
        UserId(f"{_NAMES[at % 13]}.{_NAMES[at // 13 % 13]}{at}@{at % 7}.example.com")
        for at in range(_IDS)
    ]
    users = tuple(UserSummary(one, 1, _NOW, _NOW) for one in ids)
    census = Census(users, (), _IDS, {}, _NOW)
    finder = Finder(Ledger(LocalObjects(Path("/nonexistent"))))
    finder.find("warm@example.com", census)
    asked = ("Alice.Bob13@0.example.com", "alice.bob13", "judy ivan", "42")
    return [
        Row(f"find {what!r} among 100,000 ids / 200 ms", _find_ms(finder, what, census),
            _FIND_AIM_MS, "ms", 1.0)
        for what in asked
    ]  # fmt: skip


def _find_ms(finder: Finder, what: str, census: Census) -> float:
    return min(_ms(lambda: finder.find(what, census)) for _ in range(3))


def _measure_page() -> Row:
    """Draw the table and chart of 10,000 users again, in the script's process."""
    users = tuple(
        UserSummary(UserId(f"user{at}@example.com"), at % 90 + 1, _NOW, _NOW, tuple(range(12)))
        for at in range(_USERS)
    )
    page = AppTest.from_function(_draw, kwargs={"users": users}, default_timeout=60)
    page.run()
    drawn = min(_ms(page.run) for _ in range(3))
    return Row("redraw of 10,000 users / 500 ms", drawn, _DRAW_AIM_MS, "ms", 1.0)


def _draw(users: tuple) -> None:
    import streamlit as st

    from dashboard.ui import charts, tables

    tables.pick_user(users, "users.all", at_most=15)
    chart = charts.distribution(users)
    st.plotly_chart(chart.figure, config=charts.CONFIG, alt=chart.alt)


def _ms(call: Any) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000
