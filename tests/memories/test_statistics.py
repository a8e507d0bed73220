"""Users are counted exactly, again only where something changed, and as far as one wants."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from ulid import ULID

from memory_core import Kind, UserId
from memory_core.ledger import ALL, EventDraft, Ledger, user_index
from memory_core.ledger.entries import encode_event, entry_name, folder_of
from memory_core.memories.statistics import WEEKS, Counter, count_events, keep_figures, read_figures
from memory_core.model.census import Census
from memory_core.model.user_id import PROBE_DOMAIN
from memory_core.storage.objects import LocalObjects, ObjectStore
from tests.support.s3_bench import Bench, open_bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


@pytest.fixture(params=["local", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalObjects(tmp_path)
    return request.getfixturevalue("bench").objects(f"{tmp_path.name}/")


def put(
    objects: ObjectStore,
    user: str,
    *ids: str,
    at: datetime | None = None,
    kind: Kind = Kind.ADD,
) -> None:
    """Record events that happened at some time, or now."""
    at = at or datetime.now(UTC)
    drafts = [
        EventDraft(kind, one, user, {"data": one} if kind is Kind.ADD else None) for one in ids
    ]
    key = folder_of(UserId(user)) + entry_name(str(ULID.from_datetime(at)), drafts)
    lines = [encode_event(UserId(user), draft, at) for draft in drafts]
    objects.put_if_absent(key, b"\n".join(lines))


def counts(census: Census) -> dict[str, int]:
    return {one.user_id: one.memories for one in census.users}


def test_a_census_says_who_has_how_many_since_when_and_how_active(objects: ObjectStore) -> None:
    now = datetime.now(UTC)
    put(objects, "ann", "1", "2", "3", at=now - timedelta(weeks=3))
    put(objects, "ann", "1", at=now, kind=Kind.DELETE)
    put(objects, "bob", "4", at=now - timedelta(weeks=30))
    put(objects, "gone", "5")
    put(objects, "gone", ALL, at=now + timedelta(seconds=1), kind=Kind.DELETE)
    put(objects, f"probe@{PROBE_DOMAIN}", "6")
    before = datetime.now(UTC)
    census = Counter(Ledger(objects)).count()
    assert counts(census) == {"ann": 2, "bob": 1}
    assert [one.user_id for one in census.without] == ["gone"]
    assert (census.memories, census.complete) == (3, True)
    assert before <= census.as_of <= datetime.now(UTC)
    ann, bob = census.users
    assert (ann.last_write - ann.first_write).days in (20, 21)
    assert (ann.activity[-4], ann.activity[-1], sum(ann.activity)) == (3, 1, 4)
    assert bob.activity == (0,) * WEEKS
    days: dict[date, int] = dict(census.days)
    assert days == {
        (now - timedelta(weeks=30)).date(): 1,
        (now - timedelta(weeks=3)).date(): 2,
    }


def test_an_imported_memory_counts_on_the_day_it_was_created_and_tells_its_origin(
    objects: ObjectStore,
) -> None:
    ledger = Ledger(objects)
    old = datetime(2025, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    origins: dict[str, dict[str, str]] = {
        "import": {"from": "mem0.json"},
        "migration": {"from": "chroma:/old"},
        "merge": {"from": "ann", "revision": "0"},
    }
    drafts = [
        EventDraft(Kind.ADD, name, "ann", {"data": name, "created_at": old.isoformat()}, moved)
        for name, moved in origins.items()
    ]
    passage = {"data": "x", "document": "a.pdf"}
    drafts += [EventDraft(Kind.ADD, f"passage-{n}", "ann", passage) for n in range(2)]
    written = ledger.append(ledger.view(UserId("ann")), drafts)[0].at
    put(objects, "bob", "1", at=written)
    census = Counter(ledger).count()
    assert {day: dict(origins) for day, origins in census.growth.items()} == {
        date(2025, 3, 2): {"import": 1, "migration": 1, "merge": 1},
        written.date(): {"document": 2, "saved": 1},
    }
    assert census.recent == {"ann": 2, "bob": 1}
    # The import itself, of this week, is no sign of three memories of this week.
    assert sum(census.users[0].activity) == 2
    assert count_events(ledger, UserId("ann")) == {
        date(2025, 3, 2): {Kind.ADD: 3},
        written.date(): {Kind.ADD: 2},
    }


def test_only_users_whose_entries_changed_are_folded_again(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(objects)
    counter = Counter(ledger)
    for number in range(30):
        put(objects, f"user{number:02}", f"{number}-a", f"{number}-b")
    first = counter.count()
    folded: list[str] = []
    look = Ledger.look

    def noting(tolerant: Ledger, folder: str, keys: tuple[str, ...]):
        folded.append(folder)
        return look(tolerant, folder, keys)

    monkeypatch.setattr(Ledger, "look", noting)
    assert counter.count().users == first.users
    assert folded == []
    put(objects, "user07", "7-c")
    put(objects, "zoe", "z")
    keys = list(objects.list(folder_of(UserId("user11"))))
    objects.delete(keys)
    again = counter.count()
    assert set(folded) == {"ledger/v1/user07/", "ledger/v1/zoe/"}
    wanted = counts(first) | {"user07": 3, "zoe": 1}
    del wanted["user11"]
    assert counts(again) == wanted == counts(Counter(Ledger(objects)).count())
    same = {one.user_id: one for one in first.users}
    assert all(
        one is same[one.user_id] for one in again.users if one.user_id not in ("user07", "zoe")
    )


def test_ranges_that_are_listed_at_once_miss_nothing_and_count_nothing_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_index, "_KEYS_WORTH_A_RANGE", 3)
    objects = bench.objects("ranges/")
    users = ["a", "a-b", "a.b", "ab", "%", "ü", "x" * 250, *(f"user{n}" for n in range(20))]
    for user in users:
        for number in range(2):
            put(objects, user, f"{user[:9]}-{number}")
    counter = Counter(Ledger(objects))
    assert counts(counter.count()) == dict.fromkeys(users, 2)
    for user in ("!first", "a-a", "user5x", "~last"):
        put(objects, user, f"{user}-new")
        users.append(user)
    bench.standin.reset_requests()
    assert counts(counter.count()) == dict.fromkeys(users[:-4], 2) | dict.fromkeys(users[-4:], 1)
    assert bench.asked("ListObjectsV2") == 8


@pytest.mark.skipif(os.name == "nt", reason="folders have no such times there")
def test_a_folder_on_a_disk_that_did_not_change_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = LocalObjects(tmp_path)
    for user in ("ann", "bob"):
        put(objects, user, "1")
        folder = tmp_path / folder_of(UserId(user))
        os.utime(folder, (1_000_000, 1_000_000))
    counter = Counter(Ledger(objects))
    counter.count()
    listed: list[str] = []
    whole = objects.list

    def noting(prefix: str, start_after: str = "") -> Iterator[str]:
        listed.append(prefix)
        return whole(prefix, start_after)

    monkeypatch.setattr(objects, "list", noting)
    put(objects, "bob", "2")
    assert counts(counter.count()) == {"ann": 1, "bob": 2}
    assert listed == [folder_of(UserId("bob"))]


def test_a_count_tells_how_far_it_is_and_goes_on_where_it_was_cancelled(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_index, "_REPORT_EVERY", 1)
    for number in range(10):
        put(objects, f"user{number}", f"{number}")
    counter = Counter(Ledger(objects))

    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise Enough

    with pytest.raises(Enough):
        counter.count(stop)
    told: list[tuple[int, int]] = []
    census = counter.count(lambda done, total: told.append((done, total)))
    assert len(census.users) == 10
    assert told[-1] == (10, 10)
    assert all(done <= total for done, total in told)


def test_figures_are_kept_for_the_next_process_without_a_name(objects: ObjectStore) -> None:
    assert read_figures(objects) is None
    put(objects, "ann", "m1", "m2")
    census = Counter(Ledger(objects)).count()
    for counted in (replace(census, memories=7), census):
        keep_figures(objects, counted)
        assert read_figures(objects) == {
            "memories": counted.memories,
            "users": 1,
            "since": census.since,
            "last_write": census.last_write,
            "as_of": census.as_of,
        }
    whole = objects.get("census/v1/figures.json") or b""
    assert b"ann" not in whole
    for damaged in (whole[:-9], b"", b"[]", b"{}", whole.replace(b": 2", b": -2")):
        objects.replace("census/v1/figures.json", damaged)
        assert read_figures(objects) is None
