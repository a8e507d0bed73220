"""The expiry date of a memory: set, shown, cleared; and what a second save of a text brings."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from memory_core import MemoryService
from memory_core.errors import InvalidMemory
from memory_core.model.records import Kind
from memory_core.render import memory_records
from tests.support.contract import OATS, RYE, TEA, Bench, check, save

TODAY = datetime.now(UTC).date()
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=2)

one_kind = pytest.mark.parametrize("bench", ["in_memory"], indirect=True)
three_kinds = pytest.mark.parametrize("bench", ["chroma", "s3_vectors", "async"], indirect=True)


def answers(service: MemoryService) -> set[str]:
    return {hit.memory.memory for hit in service.query_memories("ann", TEA)}


@three_kinds
def test_an_expiry_is_set_hides_and_is_cleared(bench: Bench) -> None:
    service = bench.service
    tea = save(service, TEA)
    save(service, RYE)
    hidden = service.update_memory("ann", tea.id, expires=YESTERDAY)
    assert (hidden.memory, hidden.expires, hidden.expired) == (TEA, YESTERDAY, True)
    assert answers(service) == {RYE}
    assert service.get_memory("ann", tea.id) == hidden
    assert [record.expires for record in service.list_memories("ann")] == [None, YESTERDAY]
    changed = service.update_memory("ann", tea.id, OATS)
    assert (changed.memory, changed.expires) == (OATS, YESTERDAY)
    last_day = service.update_memory("ann", tea.id, TEA, expires=TODAY.isoformat())
    found = answers(service)
    assert last_day.expires == TODAY
    # Unless midnight came meanwhile.
    assert (last_day.expired, found) == (False, {TEA, RYE}) or datetime.now(UTC).date() > TODAY
    kept = service.update_memory("ann", tea.id, expires="never")
    assert (kept.expires, kept.expired) == (None, False)
    events = service.history("ann", tea.id)
    assert [event.kind for event in events] == [Kind.ADD, *[Kind.UPDATE] * 4]
    assert [event.expires for event in events] == [None, YESTERDAY, YESTERDAY, TODAY, None]
    check(bench, {"ann": [RYE, TEA]})


@one_kind
def test_a_memory_is_saved_with_an_expiry(bench: Bench) -> None:
    service = bench.service
    (tea,) = service.add_text_memory("ann", TEA, expires=TOMORROW)
    (rye,) = service.add_messages(
        "ann", [{"role": "user", "content": RYE}], infer=False, expires=YESTERDAY
    )
    assert (tea.expires, rye.expires) == (TOMORROW, YESTERDAY)
    assert answers(service) == {TEA}
    (again,) = service.add_text_memory("ann", RYE)
    assert (again.id, again.already_stored, again.expired) == (rye.id, True, True)
    (longer,) = service.add_text_memory("ann", RYE, expires=TOMORROW)
    assert (longer.id, longer.already_stored, longer.expires) == (rye.id, True, TOMORROW)
    assert answers(service) == {TEA, RYE}


@one_kind
@pytest.mark.parametrize(
    ("given", "day"),
    [
        (datetime(2031, 5, 6, 23, 30, tzinfo=timezone(-timedelta(hours=5))), date(2031, 5, 7)),
        (datetime(2031, 5, 6, 23, 30), date(2031, 5, 6)),
        ("2031-05-06", date(2031, 5, 6)),
        ("9999-12-31", date(9999, 12, 31)),
    ],
)
def test_the_day_is_that_of_utc(bench: Bench, given: Any, day: date) -> None:
    tea = save(bench.service, TEA)
    assert bench.service.update_memory("ann", tea.id, expires=given).expires == day


@one_kind
@pytest.mark.parametrize("bad", ["", "tomorrow", "2026-02-30", "31.01.2027", 20270131, True, []])
def test_what_is_no_date_is_refused_and_nothing_is_stored(bench: Bench, bad: Any) -> None:
    service = bench.service
    tea = save(service, TEA)
    for call in (
        lambda: service.update_memory("ann", tea.id, "another text", expires=bad),
        lambda: service.add_text_memory("ann", RYE, expires=bad),
    ):
        with pytest.raises(
            InvalidMemory, match="is not a date; write it like 2027-01-31, or never"
        ):
            call()
    assert service.list_memories("ann") == [tea]


@one_kind
def test_an_update_of_nothing_says_what_can_be_changed(bench: Bench) -> None:
    tea = save(bench.service, TEA)
    with pytest.raises(InvalidMemory, match="pass a text, metadata or an expiry date"):
        bench.service.update_memory("ann", tea.id)
    changed = bench.service.update_memory("ann", tea.id, metadata={"topic": "drinks"})
    assert (changed.memory, changed.metadata) == (TEA, {"topic": "drinks"})


@one_kind
def test_the_expiry_stands_wherever_a_memory_is_printed(bench: Bench) -> None:
    service = bench.service
    service.add_text_memory("ann", TEA, expires=TOMORROW)
    (rye,) = service.add_text_memory("ann", RYE, expires=YESTERDAY)
    past, coming = f"expired after {YESTERDAY}, so questions", f"found until {TOMORROW}"
    listed = service.list_memories("ann")
    user, backend = listed[0].user_id, service.backend
    text = memory_records.list_text(user, listed)
    assert past in text
    assert coming in text
    assert coming in memory_records.search_text(user, service.search("ann", TEA))
    recalled = memory_records.recall_text(service.explain("ann", TEA))
    assert past in recalled
    assert coming in recalled
    assert past in memory_records.record_text(service.update_memory("ann", rye.id, OATS))
    saved = service.add_text_memory("ann", OATS)
    assert past in memory_records.saved_text(user, backend, saved)
    assert f"found until {YESTERDAY}" in memory_records.history_text(user, service.history("ann"))
    document = memory_records.saved_document(user, backend, saved)["memories"][0]
    assert (document["expires"], document["expired"]) == (YESTERDAY.isoformat(), True)


@three_kinds
def test_new_metadata_of_a_text_that_is_there_is_merged(bench: Bench) -> None:
    service = bench.service
    (first,) = service.add_text_memory("ann", TEA, metadata={"topic": "drinks", "stars": 3})
    (again,) = service.add_text_memory("ann", TEA, metadata={"stars": 5, "by": "chat"}, verify=True)
    assert (again.id, again.already_stored, again.verified) == (first.id, True, True)
    assert again.metadata == {"topic": "drinks", "stars": 5, "by": "chat"}
    assert service.get_memory("ann", first.id).metadata == again.metadata
    assert again.created_at == first.created_at
    # Once more is not one more event, and neither is a save without metadata.
    service.add_text_memory("ann", TEA, metadata={"stars": 5})
    service.add_text_memory("ann", TEA)
    assert [event.kind for event in service.history("ann")] == [Kind.ADD, Kind.UPDATE]
    check(bench, {"ann": [TEA]})


@one_kind
def test_metadata_that_is_too_much_together_is_refused_and_named(bench: Bench) -> None:
    service = bench.service
    (first,) = service.add_text_memory("ann", TEA, metadata={"left": "x" * 600})
    with pytest.raises(InvalidMemory, match="stored already, and with the metadata it has"):
        service.add_text_memory("ann", TEA, metadata={"right": "x" * 600})
    assert service.list_memories("ann") == [first]


@one_kind
def test_two_documents_with_one_passage_do_not_take_it_from_each_other(bench: Bench) -> None:
    service = bench.service
    (first,) = service.add_document(
        "ann", "a.txt", TEA.encode(), metadata={"topic": "drinks"}, isolate=False
    )
    (again,) = service.add_document(
        "ann", "b.txt", TEA.encode(), metadata={"source": "mail"}, isolate=False
    )
    assert (again.id, again.already_stored) == (first.id, True)
    assert again.metadata == {**first.metadata, "source": "mail"}
    assert again.metadata["document"] == "a.txt"
    service.add_document("ann", "a.txt", TEA.encode(), metadata={"topic": "drinks"}, isolate=False)
    assert len(service.history("ann")) == 2
