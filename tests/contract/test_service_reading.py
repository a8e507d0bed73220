"""What counting, history, search and documents promise, over every store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from memory_core import MemoryService
from memory_core.documents import SUPPORTED_SUFFIXES
from memory_core.errors import InvalidMemory
from memory_core.model.records import Kind, SearchMode
from tests.support.contract import Bench
from tests.support.places import OF_THE_LEDGER

BY_THE_LEDGER = pytest.mark.parametrize("bench", OF_THE_LEDGER, indirect=True)

TEXT = b"""# Ann's notes

Ann drinks green tea every morning and never coffee.

The spare key is with the neighbour on the second floor.
"""


def add(service: MemoryService, user: str, *texts: str) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    service.add_messages(user, messages, infer=False)


def test_nothing_saved_is_nothing_anywhere(bench: Bench) -> None:
    service = bench.service
    assert service.list_memories("ann") == []
    assert service.query_memories("ann", "tea") == []
    assert service.history("ann") == []
    assert service.users() == []
    assert service.memories_per_day() == {}
    assert set(service.storage().values()) == {0}
    status = service.status()
    assert (status.memories, status.users) == (0, 0)
    assert (status.since, status.last_write) == (None, None)
    result = service.search("ann", "tea")
    assert (result.hits, result.searched, result.complete) == ((), 0, True)


def test_looking_writes_nothing(bench: Bench) -> None:
    service = bench.service
    add(service, "ann", "likes tea")
    (one,) = service.list_memories("ann")
    before = bench.place.contents()
    for user in ("ann", "nobody"):
        service.list_memories(user)
        service.query_memories(user, "tea")
        service.search(user, "tea", mode="index")
        service.history(user)
    service.get_memory("ann", one.id)
    service.users(), service.memories_per_day(), service.storage(), service.status()
    assert bench.place.contents() == before


@BY_THE_LEDGER
def test_users_are_counted_exactly_most_memories_first(bench: Bench) -> None:
    service = bench.service
    start = datetime.now(UTC) - timedelta(milliseconds=1)
    add(service, "bob", "b1")
    add(service, "ann", "a1", "a2", "a3")
    add(service, "cleo", "c1", "c2")
    add(service, "gone", "g1")
    service.delete_user("gone")
    service.delete_memory("cleo", service.list_memories("cleo")[0].id)
    for found in (service.users(), bench.reopen().users()):
        assert [(one.user_id, one.memories) for one in found] == [
            ("ann", 3),
            ("bob", 1),
            ("cleo", 1),
        ]
        assert all(start <= one.first_write <= one.last_write for one in found)
    cleo = found[2]
    assert cleo.first_write < cleo.last_write
    status = bench.service.status()
    assert (status.memories, status.users) == (5, 3)
    assert status.last_write is not None
    assert status.since is not None
    assert status.since <= status.last_write <= status.as_of


@BY_THE_LEDGER
def test_memories_are_counted_by_the_day_they_were_saved(bench: Bench) -> None:
    service = bench.service
    add(service, "ann", "a1", "a2")
    add(service, "bob", "b1")
    service.update_memory("bob", service.list_memories("bob")[0].id, "b2")
    service.delete_memory("ann", service.list_memories("ann")[0].id)
    days = service.memories_per_day()
    assert sum(days.values()) == 2
    assert set(days) <= {datetime.now(UTC).date(), (datetime.now(UTC) - timedelta(days=1)).date()}


def test_storage_says_how_many_are_in_the_store_and_how_many_only_on_record(bench: Bench) -> None:
    add(bench.service, "ann", "a1", "a2", "a3")
    in_store, on_record = bench.service.storage().values()
    assert (in_store, on_record) == (3, 0)
    assert list(bench.service.storage())[1] == "ledger"


@BY_THE_LEDGER
def test_history_is_in_order_and_of_one_memory_when_asked(bench: Bench) -> None:
    service = bench.service
    add(service, "ann", "a1", "a2")
    second, first = service.list_memories("ann")
    service.update_memory("ann", first.id, "a1 changed")
    service.delete_memory("ann", second.id)
    service.delete_user("ann")
    kinds = [(event.kind, event.id) for event in bench.reopen().history("ann")]
    assert kinds == [
        (Kind.ADD, first.id),
        (Kind.ADD, second.id),
        (Kind.UPDATE, first.id),
        (Kind.DELETE, second.id),
        (Kind.DELETE, "*"),
    ]
    of_first = bench.service.history("ann", first.id)
    assert [event.kind for event in of_first] == [Kind.ADD, Kind.UPDATE, Kind.DELETE]
    assert [event.memory for event in of_first] == ["a1", "a1 changed", None]
    assert bench.service.history("bob", first.id) == []


def test_search_ranks_and_limits_and_says_what_it_did(bench: Bench) -> None:
    texts = [f"The number {n} belongs to drawer {chr(65 + n)}" for n in range(20)]
    add(bench.service, "ann", *texts)
    modes: list[tuple[SearchMode, bool]] = [("exact", True), ("index", False), ("auto", True)]
    for mode, complete in modes:
        result = bench.service.search("ann", texts[7], limit=5, mode=mode)
        assert (result.complete, result.searched) == (complete, 20)
        assert result.mode == ("index" if mode == "index" else "exact")
        assert [hit.rank for hit in result.hits] == [1, 2, 3, 4, 5]
        assert result.hits[0].memory.memory == texts[7] or not (complete or bench.place.finds_all)
        scores = [hit.score for hit in result.hits]
        assert scores == sorted(scores, reverse=True)
        for hit in result.hits:
            assert all(0 <= part <= 1 for part in (hit.score, hit.cosine, hit.bm25))
    assert len(bench.service.query_memories("ann", texts[7], limit=1000)) == 20
    assert bench.service.query_memories("ann", texts[7], limit=1)[0].memory.memory == texts[7]


def test_search_follows_every_change_at_once(bench: Bench) -> None:
    service = bench.service
    add(service, "ann", "likes tea", "likes rye")

    def found(question: str) -> set[str]:
        return {hit.memory.memory for hit in service.query_memories("ann", question)}

    assert found("tea") == {"likes tea", "likes rye"}
    (tea,) = (one for one in service.list_memories("ann") if one.memory == "likes tea")
    service.update_memory("ann", tea.id, "likes cocoa")
    assert found("tea") == {"likes cocoa", "likes rye"}
    add(service, "ann", "likes tea")
    assert service.query_memories("ann", "likes tea")[0].memory.id != tea.id
    service.delete_memory("ann", tea.id)
    assert found("cocoa") == {"likes tea", "likes rye"}
    service.delete_user("ann")
    assert found("tea") == set()


@BY_THE_LEDGER
def test_a_document_becomes_memories_that_know_where_they_stood(bench: Bench) -> None:
    told: list[tuple[int, int]] = []
    saved = bench.service.add_document(
        "ann",
        "notes.md",
        TEXT,
        metadata={"topic": "home"},
        agent_id="chef",
        verify=True,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert all(one.verified for one in saved)
    assert told[-1] == (len(saved), len(saved))
    for one in bench.reopen().list_memories("ann"):
        assert one.metadata["document"] == "notes.md"
        assert one.metadata["place"]
        assert (one.metadata["topic"], one.agent_id) == ("home", "chef")
    (hit, *_) = bench.service.query_memories("ann", "Where is the spare key?")
    assert "second floor" in hit.memory.memory
    again = bench.service.add_document("ann", "notes.md", TEXT, agent_id="chef", isolate=False)
    assert [one.id for one in again] == [one.id for one in saved]
    assert all(one.already_stored for one in again)
    assert len(bench.service.history("ann")) == len(saved)


@BY_THE_LEDGER
def test_a_document_longer_than_any_batch_is_stored_whole_once_and_in_order(bench: Bench) -> None:
    # 500 are written in one go.
    texts = [f"Entry number {n}" for n in range(510)]
    content = "\n".join(json.dumps({"memory": text}) for text in [*texts, texts[3]]).encode()
    told: list[tuple[int, int]] = []
    saved = bench.service.add_document(
        "ann",
        "all.jsonl",
        content,
        isolate=False,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert {one.memory for one in saved} == set(texts)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1], "the last progress must say that all is done"
    listed = bench.reopen().list_memories("ann")
    assert [one.memory for one in listed] == texts[::-1]
    assert all(one.indexed for one in listed)


@BY_THE_LEDGER
def test_exported_memories_keep_their_scope_and_metadata(bench: Bench) -> None:
    lines = [
        {"memory": "likes tea", "agent_id": "chef", "metadata": {"topic": "drinks"}},
        {"memory": "likes rye", "run_id": "7"},
        {"memory": "likes oats"},
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    bench.service.add_document("ann", "export.jsonl", content, isolate=False)
    found = {one.memory: one for one in bench.service.list_memories("ann")}
    assert found["likes tea"].agent_id == "chef"
    assert found["likes tea"].metadata["topic"] == "drinks"
    assert found["likes rye"].run_id == "7"
    assert (found["likes oats"].agent_id, found["likes oats"].run_id) == (None, None)


@BY_THE_LEDGER
def test_an_unknown_document_type_names_those_that_are_known(bench: Bench) -> None:
    with pytest.raises(InvalidMemory) as caught:
        bench.service.add_document("ann", "notes.exe", TEXT)
    assert all(suffix in str(caught.value) for suffix in SUPPORTED_SUFFIXES)
