"""How many requests the calls of a service take, by the log of the stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from memory_core import Kind, MemoryService, Settings, UserId, open_service
from memory_core.ledger import EventDraft
from memory_core.ledger.entries import encode_event, entry_name, folder_of, last_ulid_at
from tests.support.s3_bench import Bench, open_bench

CROWD = 2_000
USERS = ("ann", "bob", "eve", "joe")
LONG = "The long letter of Ada. " + "x" * 30_000


def old_events(user: str, count: int) -> dict[str, bytes]:
    """Make the objects of memories saved one by one since 2025; all but the last ten are gone."""
    objects = {}
    for number in range(count):
        at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        draft = EventDraft(Kind.DELETE, f"m{number - 1}", user)
        if number % 2 == 0 or number >= count - 10:
            payload = {"data": f"Number {number}", "user_id": user, "created_at": at.isoformat()}
            draft = EventDraft(Kind.ADD, f"m{number}", user, payload)
        key = folder_of(UserId(user)) + entry_name(last_ulid_at(at), [draft])
        objects[key] = encode_event(UserId(user), draft, at)
    return objects


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """An index of 2,000 memories of one user, and 100 of each of a few others."""
    with open_bench() as opened:
        lines = (json.dumps({"memory": f"The crowd has {n} balloons."}) for n in range(CROWD))
        with open_service(opened.settings) as service:
            opened.standin.reset_requests()
            service.add_document("crowd", "crowd.jsonl", "\n".join(lines).encode(), isolate=False)
            imported = dict(opened.standin.request_counts())
            for user in USERS:
                texts = [f"{user} owns {n} tin soldiers." for n in range(100)]
                said = [{"role": "user", "content": text} for text in texts]
                service.add_messages(user, said, infer=False)
        opened.imported = imported
        yield opened


@pytest.fixture
def service(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryService]:
    """A service just opened, so that nothing is cached."""
    for name, value in bench.environ.items():
        monkeypatch.setenv(name, value)
    with open_service(Settings.from_env()) as opened:
        bench.standin.reset_requests()
        yield opened


def test_thousands_of_memories_are_imported_in_large_batches(bench: Bench) -> None:
    # For 10,000: 25 of each, and 75 in all.
    assert bench.imported["s3vectors:PutVectors"] <= 25 * CROWD / 10_000
    assert bench.imported["s3:PutObject"] <= 25 * CROWD / 10_000
    assert sum(bench.imported.values()) <= 75 * CROWD / 10_000


def test_opening_takes_three_requests(bench: Bench, service: MemoryService) -> None:
    bench.standin.reset_requests()
    open_service(Settings.from_env()).close()
    assert bench.standin.request_counts() == {
        "s3:ListObjectsV2": 1,
        "s3vectors:GetIndex": 1,
        "s3vectors:ListTagsForResource": 1,
    }


def test_listing_a_hundred_among_thousands_takes_three(
    bench: Bench, service: MemoryService
) -> None:
    assert len(service.list_memories("ann")) == 100
    assert bench.asked() <= 3


def test_a_save_takes_three_and_a_verified_one_four(bench: Bench, service: MemoryService) -> None:
    service.add_text_memory("dan", "Dan plays the cello")
    assert bench.asked() <= 3
    bench.standin.reset_requests()
    service.add_text_memory("dan", "Dan plays the flute", verify=True)
    assert bench.asked() <= 4


def test_a_question_takes_three_at_first_and_then_one(bench: Bench, service: MemoryService) -> None:
    assert service.query_memories("bob", "Who owns 42 tin soldiers?")
    assert bench.asked() <= 3
    bench.standin.reset_requests()
    assert service.query_memories("bob", "How many soldiers?")
    assert bench.asked() == 1


def test_a_question_to_the_index_takes_three(bench: Bench, service: MemoryService) -> None:
    service.list_memories("bob")
    bench.standin.reset_requests()
    assert len(service.query_memories("bob", "Who owns 42 tin soldiers?", mode="index")) == 10
    assert bench.asked() <= 3


def test_deleting_a_user_of_a_hundred_takes_four(bench: Bench, service: MemoryService) -> None:
    receipt = service.delete_user("eve")
    assert (receipt.removed, receipt.left) == (100, None)
    assert bench.asked() <= 4
    bench.standin.reset_requests()
    assert service.delete_user("joe", verify=True).left == 0
    assert bench.asked() <= 5
    assert service.list_memories("eve") == []


def test_counting_users_takes_one_page_of_names_once_batches_are_known(
    bench: Bench, service: MemoryService
) -> None:
    service.users()
    bench.standin.reset_requests()
    assert service.users()[0].user_id == "crowd"
    assert bench.asked() == 1


def test_a_memory_of_thirty_kilobytes_is_stored_found_and_returned_whole(
    bench: Bench, service: MemoryService
) -> None:
    service.add_text_memory("ada", LONG, verify=True)
    assert bench.asked() <= 4
    (hit,) = service.query_memories("ada", "the letter of Ada")
    assert hit.memory.memory == LONG
    assert service.query_memories("ada", "letter", mode="index")[0].memory.memory == LONG


def test_nothing_relies_on_undocumented_behaviour(bench: Bench) -> None:
    assert bench.standin.warnings() == []


def test_a_state_of_the_past_takes_a_listing_of_thousands_and_each_batch(
    bench: Bench, service: MemoryService
) -> None:
    for number in range(3):
        service.add_text_memory("zoe", f"Zoe has {number} cats")
    moment = service.history("zoe")[1].event_id
    for user, at, memories, batches in (
        ("zoe", moment, 2, 0),
        ("crowd", "now", CROWD, CROWD / 500),
    ):
        fresh = open_service(Settings.from_env())
        bench.standin.reset_requests()
        assert len(fresh.memories_at(user, at)) == memories
        assert bench.asked("ListObjectsV2") == 1
        assert bench.asked("GetObject") <= batches
        assert bench.asked() == bench.asked("ListObjectsV2", "GetObject")
        fresh.close()


def test_thousands_of_single_events_take_three_listings_once_there_is_a_snapshot(
    bench: Bench, service: MemoryService
) -> None:
    bench.fill_objects(old_events("old", 3_400))
    wanted = service.memories_at("old", "now")
    # A listing for each thousand, then a snapshot, and a look whether the user was forgotten.
    assert bench.asked("ListObjectsV2") <= 4 + 3
    assert (len(wanted), bench.asked("GetObject")) == (10, 0)
    moment = wanted.events[1_700]
    for call in (
        lambda fresh: fresh.memories_at("old", moment),
        lambda fresh: fresh.list_memories("old"),
        lambda fresh: fresh.add_text_memory("old", "Likes plums", verify=True),
    ):
        with open_service(Settings.from_env()) as fresh:
            bench.standin.reset_requests()
            assert call(fresh)
            assert bench.asked("ListObjectsV2") <= 3
    with open_service(Settings.from_env()) as fresh:
        assert fresh.memories_at("old", moment).ids == ("m1700",)
        assert len(fresh.memories_at("old", "now")) == 11
        assert fresh.forget_user("old").left == 0
        assert list(fresh.parts.backend.objects.list("snapshots/v1/old/")) == []
