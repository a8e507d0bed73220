"""What saving, changing and deleting promise, over every store and awaited."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from memory_core.errors import MemoryNotFound
from memory_core.model.limits import MAX_MEMORY_BYTES, MAX_METADATA_KEYS
from memory_core.model.records import Kind
from tests.support.contract import OATS, RYE, TEA, Bench, check, save, texts
from tests.support.places import EVERYWHERE, FEW, OF_THE_LEDGER

ON_EVERY_SERVER = pytest.mark.parametrize("bench", EVERYWHERE, indirect=True)
BY_THE_LEDGER = pytest.mark.parametrize("bench", OF_THE_LEDGER, indirect=True)

MANY = 12


@ON_EVERY_SERVER
def test_a_saved_memory_is_listed_found_and_read(bench: Bench) -> None:
    before = datetime.now(UTC)
    record = save(bench.service, TEA)
    assert record.memory == TEA
    assert record.user_id == "ann"
    assert before <= record.created_at <= datetime.now(UTC)
    assert record.updated_at == record.created_at
    assert (record.indexed, record.already_stored, record.verified) == (True, False, False)
    save(bench.service, RYE, user="bob")
    check(bench, {"ann": [TEA], "bob": [RYE]})


@BY_THE_LEDGER
def test_the_same_text_twice_is_one_memory(bench: Bench) -> None:
    first = save(bench.service, TEA)
    again = save(bench.service, TEA)
    assert again.already_stored
    assert (again.id, again.created_at) == (first.id, first.created_at)
    assert save(bench.reopen(), TEA).already_stored
    assert len(bench.service.history("ann")) == 1
    check(bench, {"ann": [TEA]})


@BY_THE_LEDGER
def test_every_spelling_of_a_user_id_is_the_same_user(bench: Bench) -> None:
    save(bench.service, TEA, user=" Ann@Example.COM\u200b")
    assert save(bench.service, TEA, user="ann@example.com").already_stored
    assert texts(bench.service, "ANN@example.com\n") == [TEA]
    (event,) = bench.service.history("ann @example.com")
    assert event.user_id == "ann@example.com"
    assert event.raw_user_id == " Ann@Example.COM\u200b"


@BY_THE_LEDGER
def test_the_same_text_in_another_scope_is_another_memory(bench: Bench) -> None:
    scopes = [{}, {"agent_id": "chef"}, {"run_id": "chef"}, {"agent_id": "chef", "run_id": "1"}]
    saved = [save(bench.service, TEA, **scope) for scope in scopes]
    assert len({one.id for one in saved}) == 4
    assert not any(one.already_stored for one in saved)
    assert all(save(bench.service, TEA, **scope).already_stored for scope in scopes)
    listed = bench.service.list_memories("ann")
    assert [(one.agent_id, one.run_id) for one in reversed(listed)] == [
        (None, None),
        ("chef", None),
        (None, "chef"),
        ("chef", "1"),
    ]


@BY_THE_LEDGER
def test_an_update_keeps_id_place_scope_and_creation_and_merges_metadata(bench: Bench) -> None:
    service = bench.service
    (first,) = service.add_text_memory(
        "ann", TEA, agent_id="chef", run_id="7", metadata={"topic": "drinks", "stars": 3}
    )
    save(service, RYE)
    updated = service.update_memory("ann", first.id, OATS, metadata={"stars": 5})
    assert (updated.id, updated.memory) == (first.id, OATS)
    assert (updated.agent_id, updated.run_id, updated.role) == ("chef", "7", first.role)
    assert updated.created_at == first.created_at
    assert updated.updated_at > first.updated_at
    assert updated.metadata == {"topic": "drinks", "stars": 5}
    assert service.get_memory("ann", first.id) == updated
    check(bench, {"ann": [RYE, OATS]})


@BY_THE_LEDGER
def test_the_old_text_saved_after_an_update_is_a_new_memory(bench: Bench) -> None:
    first = save(bench.service, TEA)
    bench.service.update_memory("ann", first.id, OATS)
    again = save(bench.service, TEA)
    assert again.id != first.id
    assert not again.already_stored
    assert save(bench.service, TEA).id == again.id
    assert save(bench.service, OATS).id == first.id
    check(bench, {"ann": [TEA, OATS]})


@BY_THE_LEDGER
def test_an_update_to_anothers_text_leaves_two_memories_that_can_each_be_deleted(
    bench: Bench,
) -> None:
    tea, rye = save(bench.service, TEA), save(bench.service, RYE)
    bench.service.update_memory("ann", rye.id, TEA)
    assert texts(bench.service) == [TEA, TEA]
    assert save(bench.service, TEA).id in {tea.id, rye.id}
    bench.service.delete_memory("ann", tea.id)
    assert [one.id for one in bench.service.list_memories("ann")] == [rye.id]
    assert save(bench.service, TEA).id == rye.id
    check(bench, {"ann": [TEA]})


@BY_THE_LEDGER
def test_an_update_back_and_forth_ends_where_it_began(bench: Bench) -> None:
    first = save(bench.service, TEA)
    for text in (OATS, TEA, TEA, OATS, TEA):
        assert bench.service.update_memory("ann", first.id, text).memory == text
    assert save(bench.service, TEA).id == first.id
    check(bench, {"ann": [TEA]})


@BY_THE_LEDGER
def test_a_deleted_memory_saved_again_is_there_again(bench: Bench) -> None:
    first = save(bench.service, TEA)
    save(bench.service, RYE)
    receipt = bench.service.delete_memory("ann", first.id, verify=True)
    assert (receipt.user_id, receipt.kind) == ("ann", Kind.DELETE)
    assert (receipt.removed, receipt.left) == (1, 0)
    assert texts(bench.service) == [RYE]
    again = save(bench.service, TEA)
    assert not again.already_stored
    assert again.created_at > first.created_at
    kinds = [event.kind for event in bench.service.history("ann", again.id)]
    assert kinds[-1] is Kind.ADD
    check(bench, {"ann": [TEA, RYE]})


@BY_THE_LEDGER
def test_list_is_newest_first_and_complete(bench: Bench) -> None:
    many = [f"Remembers the number {number}" for number in range(40)]
    messages = [{"role": "user", "content": text} for text in many[:30]]
    bench.service.add_messages("ann", messages, infer=False)
    for text in many[30:]:
        save(bench.service, text)
    listed = bench.service.list_memories("ann")
    assert [one.memory for one in listed] == many[::-1]
    assert sorted((one.created_at for one in listed), reverse=True) == [
        one.created_at for one in listed
    ]
    assert texts(bench.reopen()) == many[::-1]


@ON_EVERY_SERVER
def test_nothing_is_missed_whatever_the_index_finds(bench: Bench) -> None:
    numbers = [f"Remembers the number {number}" for number in range(MANY)]
    messages = [{"role": "user", "content": text} for text in numbers]
    bench.service.add_messages("ann", messages, infer=False)
    save(bench.service, TEA, user="bob")
    service = bench.reopen()
    near = service.search("ann", "number", limit=100, mode="index").hits
    # What an index misses may stand beside what it finds, and be found with it.
    assert len(near) == MANY if bench.place.finds_all else 0 < len(near) <= MANY
    exact = service.search("ann", "number", limit=100)
    assert sorted(hit.memory.memory for hit in exact.hits) == sorted(numbers)
    assert texts(service) == numbers[::-1]
    assert (service.status().memories, sum(service.storage().values())) == (MANY + 1,) * 2
    assert service.audit().clean
    assert (service.delete_user("ann").removed, service.delete_user("ann").removed) == (MANY, 0)
    assert service.audit().clean
    assert texts(service, "bob") == [TEA]


@BY_THE_LEDGER
def test_a_memory_of_somebody_else_is_not_found_and_stays_as_it_was(bench: Bench) -> None:
    service = bench.service
    theirs = save(service, TEA, user="bob")
    save(service, RYE)
    for call in (
        lambda: service.get_memory("ann", theirs.id),
        lambda: service.update_memory("ann", theirs.id, OATS),
        lambda: service.delete_memory("ann", theirs.id),
        lambda: service.delete_memory("nobody", theirs.id),
    ):
        with pytest.raises(MemoryNotFound, match=theirs.id) as caught:
            call()
        assert TEA not in str(caught.value)
    assert service.history("ann", theirs.id) == []
    assert service.get_memory("bob", theirs.id).memory == TEA
    assert len(service.history("bob")) == 1
    check(bench, {"ann": [RYE], "bob": [TEA]})


@BY_THE_LEDGER
def test_what_was_deleted_is_not_found_but_its_history_is(bench: Bench) -> None:
    service = bench.service
    first = save(service, TEA)
    service.update_memory(" ANN ", first.id, OATS)
    service.delete_memory("ann", first.id)
    for call in (service.get_memory, service.delete_memory):
        with pytest.raises(MemoryNotFound, match=first.id):
            call("ann", first.id)
    events = bench.reopen().history("ann", first.id)
    assert [(event.kind, event.memory) for event in events] == [
        (Kind.ADD, TEA),
        (Kind.UPDATE, OATS),
        (Kind.DELETE, None),
    ]
    assert [event.raw_user_id for event in events] == ["ann", " ANN ", "ann"]
    assert [event.at for event in events] == sorted(event.at for event in events)


@BY_THE_LEDGER
def test_delete_user_removes_everything_of_one_user_and_keeps_the_history(bench: Bench) -> None:
    service = bench.service
    for text in (TEA, RYE):
        save(service, text)
    save(service, TEA, user="bob")
    receipt = service.delete_user("Ann", verify=True)
    assert (receipt.kind, receipt.removed, receipt.left) == (Kind.DELETE, 2, 0)
    assert (service.delete_user("ann").removed, service.delete_user("ann").left) == (0, None)
    assert service.delete_user("nobody").removed == 0
    assert [event.memory for event in service.history("ann")][:2] == [TEA, RYE]
    assert service.history("ann")[2].id == "*"
    check(bench, {"ann": [], "bob": [TEA]})
    save(bench.service, RYE)
    check(bench, {"ann": [RYE], "bob": [TEA]})


def test_verify_reads_back_what_was_saved_and_updated(bench: Bench) -> None:
    metadata = {"score": 0.8474337369372327, "where": [48.20849, 16.37208], "ok": True, "n": 0}
    (record,) = bench.service.add_text_memory("ann", TEA, metadata=metadata, verify=True)
    assert record.verified
    assert bench.service.update_memory("ann", record.id, OATS, verify=True).verified
    (again,) = bench.service.add_text_memory("ann", OATS, metadata=metadata, verify=True)
    assert (again.verified, again.already_stored) == (True, True)
    for one in bench.service.list_memories("ann"):
        assert {key: pytest.approx(value) for key, value in metadata.items()} == one.metadata


@BY_THE_LEDGER
def test_messages_without_extraction_are_a_memory_each_whoever_spoke(bench: Bench) -> None:
    messages = [
        {"role": "system", "content": "The user is called Ann"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "user", "content": [{"type": "text", "text": TEA}]},
        {"role": "assistant", "content": "Noted.", "name": "Holly"},
        {"role": "user", "content": TEA},
    ]
    saved = bench.service.add_messages("ann", messages, infer=False, verify=True)
    assert [record.memory for record in saved] == [TEA, "Noted."]
    assert [record.role for record in saved] == ["user", "assistant"]
    assert saved.left_out == ("1 system message",)
    again = bench.service.add_messages("ann", messages, infer=False)
    assert all(one.already_stored for one in again)
    check(bench, {"ann": ["Noted.", TEA]})


@pytest.mark.parametrize("bench", [*FEW, "s3_vectors_noobaa"], indirect=True)
def test_what_is_just_within_every_limit_is_stored(bench: Bench) -> None:
    text = "é" * (MAX_MEMORY_BYTES // 2)
    metadata: dict[str, Any] = {f"k{n}": n for n in range(MAX_METADATA_KEYS - 1)} | {"k" * 63: "v"}
    (record,) = bench.service.add_text_memory(
        "a" * 254, text, metadata=metadata, agent_id="b" * 254, run_id="c" * 254, verify=True
    )
    assert record.verified
    (listed,) = bench.reopen().list_memories("a" * 254)
    assert (listed.memory, listed.metadata) == (text, metadata)
    assert bench.service.query_memories("a" * 254, text)[0].memory.id == record.id
