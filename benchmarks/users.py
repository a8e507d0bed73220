"""Users: counted the first time and again, found among many, and drawn.

On the stand-in, in a process of its own, lie ten memories of each user in one ledger object. A
bare listing of all keys is what every count has to do at the least.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import boto3
from streamlit.testing.v1 import AppTest
from ulid import ULID

from memory_core import Kind, Settings, UserId, open_service
from memory_core.ledger import ROOT, EventDraft, Ledger
from memory_core.ledger.entries import encode_event, entry_name, folder_of
from memory_core.memories.find_user import UserFinder
from memory_core.memories.statistics import Counter
from memory_core.model.census import Census
from memory_core.model.records import UserSummary
from memory_core.storage.aws import Aws
from memory_core.storage.objects import LocalObjects, ObjectStore, S3Objects

from .rows import LIMIT, Row, Size, elapsed_ms
from .s3_meter import open_meter

_BUCKET = "users-bench"
_EACH = 10
_FIND_LIMIT_MS, _DRAW_LIMIT_MS, _PAST_LIMIT_MS = 200.0, 500.0, 2_000.0
_NAMES = "alice bob carol dave erin frank grace heidi ivan judy mallory olivia peggy".split()
_NOW = datetime.now(UTC)


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Measure all of it; only a few calls each, since they are long."""
    yield from _measure_counts(size, folder)
    yield from _measure_find(size, folder)
    yield _measure_past(size, folder)
    yield _measure_page(size)


def _measure_counts(size: Size, folder: Path) -> Iterator[Row]:
    name = f"count of {size.memories:,} users, {size.memories * _EACH:,} memories"
    with open_meter() as meter:
        boto3.client("s3").create_bucket(Bucket=_BUCKET)
        aws = Aws(Settings.from_env({**meter.environ, "AWS_S3_BUCKET": _BUCKET}))
        with closing(aws):
            objects = S3Objects(aws, _BUCKET, "memory/")
            _fill(objects, size.memories)
            counter = Counter(Ledger(objects))
            first = meter.cost(counter.count)
            again = meter.cost(counter.count)
            bare = meter.cost(lambda: sum(1 for _ in objects.list(ROOT)))
    yield Row(f"{name}, again", again.all_ms, "ms", "first", first.all_ms, 0.5)
    yield Row(f"{name}, again", again.all_ms, "ms", "bare list", bare.all_ms, 1.5)
    yield Row(f"{name}, again", again.requests, "calls", "bare list", bare.requests)
    local = LocalObjects(folder / "local")
    _fill(local, size.memories)
    on_disk = Counter(Ledger(local))
    disk_first, disk_again = elapsed_ms(on_disk.count), elapsed_ms(on_disk.count)
    yield Row(f"{name}, on disk, again", disk_again, "ms", "first", disk_first, 0.5)


def _fill(objects: ObjectStore, users: int) -> None:
    def put(number: int) -> None:
        user_id = UserId(f"user{number}@example.com")
        drafts = [
            EventDraft(Kind.ADD, f"{number}-{at}", user_id, {"data": "x"}) for at in range(_EACH)
        ]
        lines = [encode_event(user_id, draft, _NOW) for draft in drafts]
        key = folder_of(user_id) + entry_name(str(ULID()), drafts)
        objects.put_if_absent(key, b"\n".join(lines))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(users)))


def _measure_find(size: Size, folder: Path) -> Iterator[Row]:
    """Find among ten ids for each memory, all counted already."""
    count = size.memories * _EACH
    ids = [
        UserId(f"{_NAMES[at % 13]}.{_NAMES[at // 13 % 13]}{at}@{at % 7}.example.com")
        for at in range(count)
    ]
    users = tuple(UserSummary(user_id, 1, _NOW, _NOW) for user_id in ids)
    census = Census(users, (), count, {}, {}, _NOW)
    finder = UserFinder(Ledger(LocalObjects(folder / "empty")))
    finder.find("warm@example.com", census)
    for text in ("Alice.Bob13@0.example.com", "alice.bob13", "judy ivan", "42"):
        fastest = min(elapsed_ms(lambda: finder.find(text, census)) for _ in range(3))  # noqa: B023
        yield Row(f"find {text!r} among {count:,} ids", fastest, "ms", LIMIT, _FIND_LIMIT_MS, 1.0)


def _measure_past(size: Size, folder: Path) -> Row:
    """Show the state at a moment of one user with five events for each memory, on the disk."""
    user_id, events = UserId("past@example.com"), size.memories * 5
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(folder / "past")})
    with open_service(settings) as service:
        (folder / "past" / folder_of(user_id)).mkdir(parents=True)
        for number in range(events):
            draft = EventDraft(Kind.ADD, f"m-{number}", user_id, {"data": "x"})
            name = folder_of(user_id) + entry_name(str(ULID()), [draft])
            (folder / "past" / name).write_bytes(encode_event(user_id, draft, _NOW))
        shown = elapsed_ms(lambda: service.memories_at(user_id, "now"))
    name = f"state at a moment, {events:,} events on disk"
    return Row(name, shown, "ms", LIMIT, _PAST_LIMIT_MS, 1.0)


def _measure_page(size: Size) -> Row:
    """Draw the table and chart of all users again, in the script's process."""
    users = tuple(
        UserSummary(UserId(f"user{at}@example.com"), at % 90 + 1, _NOW, _NOW, tuple(range(12)))
        for at in range(size.memories)
    )
    page = AppTest.from_function(_draw, kwargs={"users": users}, default_timeout=60)
    page.run()
    if page.exception:
        raise RuntimeError(page.exception[0].message)
    fastest = min(elapsed_ms(page.run) for _ in range(3))
    return Row(f"redraw of {size.memories:,} users", fastest, "ms", LIMIT, _DRAW_LIMIT_MS, 1.0)


def _draw(users: tuple) -> None:
    from dashboard.ui import charts, tables
    from dashboard.views import widgets

    tables.pick_user(users, "users.all", at_most=15)
    widgets.draw_chart(charts.distribution(users))
