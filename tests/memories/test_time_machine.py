"""The past of a user: each state as it was, what changed, and bringing it back, over the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory_core import MemoryFilter, MemoryService, open_service
from memory_core.embedders import Embedder
from memory_core.errors import InvalidMemory, InvalidMove, InvalidSelection, MemoryNotFound
from memory_core.ledger import ALL, EventDraft, Ledger
from memory_core.model.moments import read_moment
from memory_core.model.past import ChangeReceipt
from memory_core.model.records import Kind
from memory_core.model.user_id import UserId
from memory_core.storage.objects import LocalObjects
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore

State = list[tuple[str, str, object]]
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def service(data_dir: Path, embedder: Embedder) -> MemoryService:
    return build_service(data_dir, embedder, InMemoryStore(embedder.dimensions))


def state_of(service: MemoryService, user: str = "ann") -> State:
    return [(memory.id, memory.memory, memory.expires) for memory in service.list_memories(user)]


def past_of(service: MemoryService, moment: datetime | str, user: str = "ann") -> State:
    past = service.memories_at(user, moment)
    assert len(past) == len(past.ids)
    return [(memory.id, memory.memory, memory.expires) for memory in past]


def live_through(service: MemoryService) -> list[tuple[datetime, str, State]]:
    """Let Ann's memories change in every way; return each time, event and state."""
    ids: dict[str, str] = {}

    def save(*texts: str) -> None:
        messages = [{"role": "user", "content": text} for text in texts]
        saved = service.add_messages("ann", messages, infer=False)
        ids.update({record.memory: record.id for record in saved})

    steps: list[Callable[[], object]] = [
        lambda: save("tea"),
        lambda: save("rye", "oats"),
        lambda: service.update_memory("ann", ids["tea"], "cocoa"),
        lambda: service.delete_memory("ann", ids["rye"]),
        lambda: save("tea"),
        lambda: service.update_memory("ann", ids["oats"], expires="2027-01-31"),
        lambda: service.delete_user("ann"),
        lambda: save("rye", "figs"),
    ]
    lived: list[tuple[datetime, str, State]] = []
    for step in steps:
        step()
        event_id = service.history("ann")[-1].event_id
        lived.append((datetime.now(UTC), event_id, state_of(service)))
    return lived


def sound(service: MemoryService) -> None:
    """Assert that ledger and store agree, and that each memory is found by its text."""
    assert service.audit().clean
    for memory in service.list_memories("ann"):
        hits = service.search("ann", memory.memory, where=lambda _: True).hits
        assert hits[0].memory.id == memory.id


def test_each_state_is_shown_and_brought_back_and_that_is_undone(service: MemoryService) -> None:
    lived = live_through(service)
    assert past_of(service, lived[0][0] - timedelta(days=1)) == []
    for moment, event_id, state in lived:
        assert past_of(service, moment) == past_of(service, event_id) == state
    for moment, event_id, state in [*lived, lived[2]]:
        before = state_of(service)
        preview = service.restore_user("ann", event_id, preview=True)
        assert (state_of(service), preview.verified) == (before, None)
        receipt = service.restore_user("ann", moment)
        assert [change.id for change in preview.changes] == [*receipt.ids]
        assert (receipt.verified, receipt.failed) == (len(receipt.changes), ())
        assert state_of(service) == state
        sound(service)
        assert service.restore_user("ann", moment).changes == ()
        service.add_text_memory("ann", "saved since")
        undone = service.restore_user("ann", receipt.before, where=receipt.undo)
        assert undone.failed == ()
        assert [memory for memory in state_of(service) if memory[1] != "saved since"] == before
        service.restore_user("ann", receipt.before)
    assert past_of(service, lived[5][1]) == lived[5][2]


def test_the_time_of_an_event_in_the_history_is_right_after_it(service: MemoryService) -> None:
    lived = live_through(service)
    events = {event.event_id: event.at for event in service.history("ann")}
    for _, event_id, state in lived:
        assert past_of(service, events[event_id]) == state
        assert past_of(service, events[event_id] - timedelta(microseconds=1)) != state


def test_changes_name_both_texts_and_who_and_lead_from_one_state_to_the_next(
    service: MemoryService,
) -> None:
    lived = live_through(service)
    state: dict[str, str] = {}
    since = None
    for _, event_id, after in lived:
        for change in service.changes("ann", since, event_id):
            assert (change.before.memory if change.before else None) == state.get(change.id)
            assert change.event_id == event_id
            state.pop(change.id, None)
            if change.after:
                state[change.id] = change.after.memory
        assert state == {memory_id: text for memory_id, text, _ in after}
        since = event_id
    kinds = [change.kind for change in service.changes("ann")]
    assert kinds == ["added"] * 3 + ["changed", "deleted", "added", "changed"] + [
        *["deleted"] * 3,
        *["added"] * 2,
    ]
    assert service.changes("ann", "now") == []
    for since, until in (("2h", "3h"), ("", None), (None, "")):
        with pytest.raises(InvalidSelection, match=r"is after|'' is not a time"):
            service.changes("ann", since, until)


def test_the_event_says_who_did_it_by_what_way_and_by_which_call(
    reopen: Callable[[], MemoryService],
) -> None:
    service = reopen()
    (record,) = service.add_text_memory("ann", "tea")
    service.delete_memory("ann", record.id)
    service.restore_memory("ann", record.id)
    assert [(event.who, event.via, event.call) for event in service.history("ann")] == [
        ("library", "library", call) for call in ("save", "delete", "restore")
    ]
    (change,) = service.changes("ann", service.history("ann")[1].event_id)
    assert (change.kind, change.who, change.call) == ("restored", "library", "restore")


def test_one_memory_comes_back_as_it_was_then_or_before_it_was_deleted(
    service: MemoryService,
) -> None:
    (record,) = service.add_text_memory("ann", "tea", metadata={"topic": "drinks"})
    service.update_memory("ann", record.id, "cocoa")
    service.delete_memory("ann", record.id)
    service.add_text_memory("ann", "rye")
    receipt = service.restore_memory("ann", record.id)
    assert [change.kind for change in receipt.changes] == ["added"]
    assert service.get_memory("ann", record.id).memory == "cocoa"
    assert service.restore_memory("ann", record.id).changes == ()
    service.restore_memory("ann", record.id, at=service.history("ann")[0].event_id)
    restored = service.get_memory("ann", record.id)
    assert (restored.memory, restored.metadata) == ("tea", {"topic": "drinks"})
    assert restored.created_at == record.created_at
    assert [memory.memory for memory in service.list_memories("ann")] == ["rye", "tea"]
    assert service.add_text_memory("ann", "tea")[0].already_stored
    for memory_id, at in (("none", None), (record.id, "yesterday")):
        with pytest.raises(MemoryNotFound, match=memory_id):
            service.restore_memory("ann", memory_id, at=at)
    sound(service)


def test_what_was_saved_since_can_be_kept(service: MemoryService) -> None:
    lived = live_through(service)
    now = {memory_id for memory_id, _, _ in state_of(service)}
    service.restore_user("ann", lived[1][1], keep_newer=True)
    assert {memory_id for memory_id, _, _ in state_of(service)} == now | {
        memory_id for memory_id, _, _ in lived[1][2]
    }


def test_what_was_forgotten_does_not_come_back_and_says_so(service: MemoryService) -> None:
    (_, event_id, state), *_ = live_through(service)
    moment = service.history("ann")[0].at
    service.forget_user("ann")
    service.add_text_memory("ann", "likes tea")
    for at in (moment, event_id):
        past = service.memories_at("ann", at)
        assert (list(past), past.forgotten is not None) == ([], True)
        with pytest.raises(MemoryNotFound, match="forgotten for privacy"):
            service.restore_user("ann", at)
        with pytest.raises(MemoryNotFound, match="forgotten for privacy"):
            service.restore_memory("ann", state[0][0], at=at)
    assert [memory[1] for memory in state_of(service)] == ["likes tea"]
    assert [change.kind for change in service.changes("ann")] == ["forgotten", "added"]


def test_a_restore_that_others_forget_the_user_under_brings_nothing_back(data_dir: Path) -> None:
    ann = UserId("ann")
    ledger = Ledger(LocalObjects(data_dir))
    payload = {"data": "secret", "user_id": ann}
    (added,) = ledger.append(ledger.view(ann), [EventDraft(Kind.ADD, "m-1", ann, payload)])
    ledger.append(ledger.view(ann), [EventDraft(Kind.FORGET, ALL, ann)])
    late = EventDraft(Kind.ADD, "m-1", ann, payload, restored=added.ulid)
    ledger.append(ledger.view(ann), [late])
    assert Ledger(LocalObjects(data_dir)).view(ann).live == {}


def test_what_moved_comes_back_only_with_its_owner(service: MemoryService) -> None:
    (hers,) = service.add_text_memory("ann", "tea")
    service.add_text_memory("bob", "rye")
    before = datetime.now(UTC)
    service.reunite("ann", "bob")
    receipt = service.restore_user("ann", before)
    assert (receipt.changes, [memory_id for memory_id, _ in receipt.failed]) == ((), [hers.id])
    assert "it moved to user 'bob'; it can come back only there" in receipt.failed[0][1]
    with pytest.raises(InvalidMove, match="only there"):
        service.restore_memory("ann", hers.id)
    # Nor does his past take from him what she would then have nowhere.
    assert "undo the merge" in service.restore_user("bob", before).failed[0][1]
    service.delete_memory("bob", hers.id)
    service.restore_memory("bob", hers.id)
    assert {memory[1] for memory in state_of(service, "bob")} == {"tea", "rye"}
    # A merge that lies before the moment is no reason to refuse it.
    receipt = service.restore_user("bob", service.history("bob")[-2].event_id)
    assert (receipt.ids, receipt.failed) == ((hers.id,), ())
    service.restore_user("bob", receipt.before)
    assert service.owner_of(hers.id) == "bob"
    (merge,) = service.reunions("bob")
    service.undo_reunion(merge)
    assert (past_of(service, before), state_of(service)) == (state_of(service),) * 2
    moved = [change for change in service.changes("ann") if change.kind == "moved"]
    assert [change.other for change in moved] == ["bob", "bob"]


def test_a_release_that_knows_no_restore_reads_the_same_memories(
    service: MemoryService, data_dir: Path
) -> None:
    lived = live_through(service)
    service.restore_user("ann", lived[2][1])
    service.restore_user("ann", lived[5][1])
    for file in data_dir.rglob("*.jsonl"):
        if "ledger" in file.parts:
            events = [json.loads(line) for line in file.read_bytes().splitlines()]
            assert {event["kind"] for event in events} <= {"ADD", "UPDATE", "DELETE"}
            lines = (json.dumps({**event, "restored": None, "by": None}) for event in events)
            file.write_text("\n".join(line.replace(', "restored": null', "") for line in lines))
    ledger = Ledger(LocalObjects(data_dir))
    live = ledger.view(UserId("ann")).live
    payloads = ledger.payloads(memory.latest for memory in live.values())
    texts = {key: payloads[memory.latest]["data"] for key, memory in live.items()}
    assert texts == {memory_id: text for memory_id, text, _ in state_of(service)}


def test_the_past_is_read_while_the_index_is_broken(
    reopen: Callable[[], MemoryService], data_dir: Path
) -> None:
    service = reopen()
    (record,) = service.add_text_memory("ann", "tea")
    service.delete_memory("ann", record.id)
    reopen().close()
    for file in (data_dir / "chroma").rglob("*.bin"):
        file.write_bytes(b"broken")
    service = reopen()
    first = service.history("ann")[0].event_id
    assert [memory.memory for memory in service.memories_at("ann", first)] == ["tea"]
    assert [change.kind for change in service.changes("ann")] == ["added", "deleted"]
    assert len(service.restore_user("ann", first, preview=True).changes) == 1
    service.close()
    (data_dir / "chroma" / "chroma.sqlite3").write_bytes(b"broken")
    with open_service(service.settings, index=False) as service:
        for changed in (1, 0):
            receipt = service.restore_user("ann", first)
            assert (len(receipt.changes), receipt.verified) == (changed, 0)
            ((memory_id, reason),) = receipt.failed
            assert memory_id == record.id
            assert reason.startswith("not in the index yet: ChromaDB in ")


def test_many_memories_are_deleted_or_expire_and_that_is_undone(service: MemoryService) -> None:
    texts = [f"{drink} number {number}" for drink in ("tea", "rye") for number in range(5)]
    for text in texts:
        service.add_text_memory("ann", text)
    before = state_of(service)
    where = MemoryFilter(text="TEA")
    preview = service.change_memories("ann", where, delete=True, preview=True)
    assert (state_of(service), len(preview.changes)) == (before, 5)
    receipts: list[ChangeReceipt] = [
        service.change_memories("ann", where, delete=True),
        service.change_memories("ann", MemoryFilter(text="number 3"), expires="2020-01-31"),
    ]
    assert [receipt.verified for receipt in receipts] == [5, 1]
    assert [
        memory.memory for memory in service.list_memories("ann", MemoryFilter(expired=True))
    ] == ["rye number 3"]
    assert service.change_memories("ann", where, delete=True).changes == ()
    with pytest.raises(InvalidMemory, match="'soon' is not a date"):
        service.change_memories("ann", where, expires="soon", preview=True)
    sound(service)
    for receipt in receipts:
        service.restore_user("ann", receipt.before, where=receipt.undo)
    assert state_of(service) == before
    sound(service)


@pytest.mark.parametrize(
    ("written", "fitting"),
    [
        ("text=HEART", {"heart"}),
        ("agent=chef", {"chef's"}),
        ("run=r-1 text=chef", {"chef's"}),
        ("document=NOTE", {"heart", "other part"}),
        ("document=note text=other", {"other part"}),
        ("source=document", {"heart", "other part"}),
        ("source=text expired=no", {"chef's"}),
        ("expired=yes", {"plain"}),
        ("created-since=1h", {"plain", "chef's", "heart", "other part"}),
        ("created-until=yesterday", set()),
        ("changed-since=2999-01-01", set()),
        ("id=none", set()),
    ],
)
def test_a_filter_is_written_as_keys_and_values(
    service: MemoryService, written: str, fitting: set[str]
) -> None:
    service.add_text_memory("ann", "plain", expires="2020-01-31")
    service.add_text_memory("ann", "chef's", agent_id="chef", run_id="r-1")
    lines = b'{"memory": "heart"}\n{"memory": "other part"}'
    service.add_document("ann", "note.jsonl", lines, isolate=False)
    pairs = [(key, value) for key, _, value in (word.partition("=") for word in written.split())]
    where = MemoryFilter.read(pairs)
    assert {memory.memory for memory in service.list_memories("ann", where)} == fitting


@pytest.mark.parametrize("written", ["colour=red", "text=a text=b", "expired=maybe", "source=book",
                                     "text=", "id="])  # fmt: skip
def test_a_filter_that_cannot_be_read_names_what_can(written: str) -> None:
    pairs = [(key, value) for key, _, value in (word.partition("=") for word in written.split())]
    with pytest.raises(InvalidSelection, match=written.partition("=")[0].split("-")[0]):
        MemoryFilter.read(pairs)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2025-11-22", datetime(2025, 11, 22, tzinfo=UTC)),
        ("2025-11-22T14:30+02:00", datetime(2025, 11, 22, 12, 30, tzinfo=UTC)),
        ("90m", NOON - timedelta(minutes=90)),
        (" 2H ", NOON - timedelta(hours=2)),
        ("7d", NOON - timedelta(days=7)),
        ("now", NOON),
        ("today", NOON.replace(hour=0)),
        ("Yesterday", NOON.replace(hour=0) - timedelta(days=1)),
        ("5f41320", NOON - timedelta(hours=1)),
        ("01m8f7jdzqp52m8rc5gk3gp966", "01M8F7JDZQP52M8RC5GK3GP966"),
        ("5f4132", None),
        ("0000000", None),
        ("999999w", None),
        ("soon", None),
    ],
)
def test_a_moment_is_read_as_people_write_it(written: str, moment: datetime | str | None) -> None:
    starts = [("5f41320abc", NOON - timedelta(hours=hours)) for hours in (3, 1, 2)]
    if moment is None:
        with pytest.raises(InvalidSelection, match=written.strip()):
            read_moment(written, NOON, starts)
    else:
        assert read_moment(written, NOON, starts) == moment


def test_an_event_of_another_user_is_no_moment_of_this_one(service: MemoryService) -> None:
    for user in ("ann", "bob"):
        service.add_text_memory(user, "tea")
    with pytest.raises(InvalidSelection, match="'ann' has no event"):
        service.memories_at("ann", service.history("bob")[0].event_id)
