"""The record of what should be stored: names, order, folding, other writers, damage."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ulid import ULID

from memory_core import Kind, LedgerCorrupt, LedgerError, UserId
from memory_core.errors import EntryExists
from memory_core.ledger import ALL, EventDraft, Ledger, LedgerEntry
from memory_core.storage.objects import LocalObjects

ALICE = UserId("alice@example.com")
FOLDER = "ledger/v1/alice%40example.com/"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def ledger(root: Path) -> Ledger:
    return Ledger(LocalObjects(root))


def draft(kind: Kind, memory_id: str, text: str | None = None) -> EventDraft:
    payload = None if text is None else {"data": text, "user_id": ALICE}
    return EventDraft(kind, memory_id, "Alice@Example.com ", payload)


def add(ledger: Ledger, *ids: str, user: str = ALICE) -> tuple[LedgerEntry, ...]:
    drafts = [draft(Kind.ADD, one, f"text of {one}") for one in ids]
    return ledger.append(ledger.view(UserId(user)), drafts)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def event(**changes: object) -> bytes:
    plain = {"v": 1, "kind": "ADD", "id": "m-1", "user_id": ALICE, "raw_user_id": ALICE}
    moment = {"at": "2026-01-01T00:00:00.000+00:00", "payload": {"data": "x"}}
    return json.dumps({**plain, **moment, **changes}).encode()


def test_a_name_tells_who_when_what_and_which(ledger: Ledger, root: Path) -> None:
    before = datetime.now(UTC)
    add(ledger, "m-1")
    ledger.append(ledger.view(ALICE), [draft(Kind.UPDATE, "m-1", "new")])
    ledger.append(ledger.view(ALICE), [draft(Kind.DELETE, "m-1")])
    ledger.append(ledger.view(ALICE), [draft(Kind.FORGET, ALL)])
    add(ledger, "m-2", "m-3", "m-4")
    ulid = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
    rests = ["ADD.m-1.json", "UPDATE.m-1.json", "DELETE.m-1.json", "FORGET.*.json", "BATCH.3.jsonl"]
    for name, rest in zip(files(root), rests, strict=True):
        assert re.fullmatch(f"{re.escape(FOLDER)}{ulid}\\.{re.escape(rest)}", name), name
    for entry in ledger.view(ALICE).entries:
        assert abs((entry.at - before).total_seconds()) < 60


@pytest.mark.parametrize(
    ("user", "folder"),
    [("alice@example.com", "alice%40example.com"), ("a+b_c-d.e~f", "a%2Bb_c-d.e~f"),
     ("jürgen", "j%C3%BCrgen"), ("a/b", "a%2Fb"), ("50%", "50%25"), ("李", "%E6%9D%8E")],
)  # fmt: skip
def test_a_user_id_is_percent_encoded_in_the_name(
    ledger: Ledger, root: Path, user: str, folder: str
) -> None:
    add(ledger, "m-1", user=user)
    (name,) = files(root)
    assert name.startswith(f"ledger/v1/{folder}/")
    assert [view.user_id for view in ledger.users()] == [user]


def test_the_content_is_json_with_the_event_whole(ledger: Ledger, root: Path) -> None:
    (entry,) = add(ledger, "m-1")
    found = json.loads((root / entry.key).read_bytes())
    assert abs((datetime.fromisoformat(found["at"]) - entry.at).total_seconds()) < 5
    said = draft(Kind.ADD, "m-1", "text of m-1")
    wanted = event(raw_user_id=said.raw_user_id, at=found["at"], payload=said.payload)
    assert found == json.loads(wanted)


@pytest.mark.parametrize("text", ["a\nb\r\nc", "\u2028\u2029\x85\x0b\x1c", "😀\x00\ufeff", "{}"])
def test_any_text_survives_alone_and_in_a_batch(root: Path, ledger: Ledger, text: str) -> None:
    one, *more = (draft(Kind.ADD, f"m-{number}", text) for number in range(3))
    ledger.append(ledger.view(ALICE), [one])
    ledger.append(ledger.view(ALICE), more)
    entries = Ledger(LocalObjects(root)).view(ALICE).entries
    assert [one["data"] for one in ledger.payloads(entries).values()] == [text] * 3


EVENTS = st.tuples(
    st.sampled_from([Kind.ADD, Kind.UPDATE, Kind.DELETE]), st.sampled_from(["m1", "m2", "m3"])
) | st.sampled_from([(Kind.DELETE, ALL), (Kind.FORGET, ALL)])


@given(st.lists(st.lists(EVENTS, min_size=1, max_size=3), max_size=7))
@settings(max_examples=50, deadline=None)
@example([[(kind, "m1")] for kind in (Kind.ADD, Kind.UPDATE, Kind.ADD, Kind.ADD, Kind.DELETE)])
def test_folding_agrees_with_a_plain_dictionary(
    tmp_path_factory: pytest.TempPathFactory, calls: list[list[tuple[Kind, str]]]
) -> None:
    root = tmp_path_factory.mktemp("fold")
    ledger = Ledger(LocalObjects(root))
    plain: dict[object, str] = {}
    updated: set[str] = set()
    for number, call in enumerate(calls):
        drafts = [draft(kind, one, f"{number}.{one}") for kind, one in call]
        ledger.append(ledger.view(ALICE), drafts)
        for kind, one in call:
            if kind is Kind.ADD and one in updated:
                plain[one, number] = f"{number}.{one}"  # Not seen as updated: both are kept.
            elif kind is Kind.ADD:
                plain.setdefault(one, f"{number}.{one}")
            elif kind is Kind.UPDATE and one in plain:
                plain[one] = f"{number}.{one}"
                updated.add(one)
            elif kind is not Kind.UPDATE:
                gone = list(plain) if one == ALL else [one]
                plain = {key: text for key, text in plain.items() if key not in gone}
                updated.difference_update(str(key) for key in gone)
    for reader in (ledger, Ledger(LocalObjects(root))):
        live = reader.view(ALICE).live
        recorded = reader.payloads(found.latest for found in live.values())
        assert [one["data"] for one in recorded.values()] == list(plain.values())
        assert [key for key in plain if isinstance(key, str)] == [
            one for one in live if one in plain
        ]


def test_a_star_deletes_what_was_before_it_and_nothing_after(ledger: Ledger) -> None:
    add(ledger, "m-1", "m-2")
    ledger.append(ledger.view(ALICE), [draft(Kind.DELETE, ALL)])
    add(ledger, "m-2")
    assert list(ledger.view(ALICE).live) == ["m-2"]


def test_nobody_sees_anothers_events(ledger: Ledger) -> None:
    neighbours = [ALICE, "alice@example.co", "alice", "alice%40example.com", "a/lice", "*"]
    for number, user in enumerate(neighbours):
        add(ledger, f"m-{number}", user=user)
    for number, user in enumerate(neighbours):
        assert list(ledger.view(UserId(user)).live) == [f"m-{number}"]
    ledger.append(ledger.view(UserId("*")), [draft(Kind.DELETE, ALL)])
    assert sum(len(view.live) for view in ledger.users()) == len(neighbours) - 1


@pytest.mark.parametrize("user", [".", "..", "...", "%2e", ".staging", "ledger", "v1", "~", "%~"])
def test_an_id_of_dots_is_a_user_like_any_other(ledger: Ledger, user: str) -> None:
    add(ledger, "m-1")
    assert not ledger.view(UserId(user)).entries
    add(ledger, "m-2", user=user)
    assert list(ledger.view(UserId(user)).live) == ["m-2"]
    assert list(ledger.view(ALICE).live) == ["m-1"]
    assert {view.user_id for view in ledger.users()} == {ALICE, user}
    ledger.erase(UserId(user), ledger.view(UserId(user)).entries)
    assert [view.user_id for view in ledger.users()] == [ALICE]


@pytest.mark.parametrize("char", ["ü", "李", "😀"])
def test_the_longest_ids_of_any_script_work_and_stay_apart(ledger: Ledger, char: str) -> None:
    one, other = char * 254, char * 253 + "x"
    add(ledger, "m-1", user=one)
    add(ledger, "m-2", "m-3", user=other)
    assert {view.user_id: len(view.live) for view in ledger.users()} == {one: 1, other: 2}


def test_an_event_follows_all_that_its_writer_saw_even_from_a_clock_ahead(root: Path) -> None:
    """The other writer's clock is an hour ahead; both go on writing."""
    ahead = ULID.from_timestamp(datetime.now(UTC).timestamp() + 3600)
    LocalObjects(root).put_if_absent(f"{FOLDER}{ahead}.ADD.m-1.json", event())
    ledger = Ledger(LocalObjects(root))
    for kind in (Kind.UPDATE, Kind.DELETE, Kind.ADD, Kind.DELETE):
        ledger.append(ledger.view(ALICE), [draft(kind, "m-1", "y")])
    entries = ledger.view(ALICE).entries
    assert [entry.kind for entry in entries] == ["ADD", "UPDATE", "DELETE", "ADD", "DELETE"]
    assert not ledger.view(ALICE).live


def test_two_ledgers_see_each_others_writes_at_once(root: Path) -> None:
    """Many within one millisecond and one tick of the folder's clock, the last ones seldom."""
    ledgers = [Ledger(LocalObjects(root)), Ledger(LocalObjects(root))]
    for number in range(304):
        writer, reader = ledgers[number % 2], ledgers[1 - number % 2]
        (entry,) = add(writer, f"m-{number}")
        time.sleep(0.06 if number > 300 else 0)
        view = reader.view(ALICE)
        assert view.entries[-1] == entry
        assert len(view.live) == number + 1


class LostAnswers(LocalObjects):  # As a retried request meets its own first try.
    def put_if_absent(self, key: str, data: bytes) -> None:
        super().put_if_absent(key, data)
        raise EntryExists(key)


class OthersFirst(LocalObjects):  # Another writer takes the first names that are tried.
    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.times = times

    def put_if_absent(self, key: str, data: bytes) -> None:
        if self.times:
            self.times -= 1
            super().put_if_absent(key, data.replace(b"Alice@Example.com ", b"alice"))
        super().put_if_absent(key, data)


def test_a_lost_acknowledgement_makes_one_event(root: Path) -> None:
    ledger = Ledger(LostAnswers(root))
    (entry,) = add(ledger, "m-1")
    add(ledger, "m-2", "m-3")
    assert len(files(root)) == 2
    assert [one.memory_id for one in ledger.view(ALICE).entries] == ["m-1", "m-2", "m-3"]
    assert ledger.view(ALICE).entries[0] == entry


def test_a_lost_race_for_a_name_loses_no_event_and_is_not_run_for_ever(root: Path) -> None:
    ledger = Ledger(OthersFirst(root, 3))
    (entry,) = add(ledger, "m-1")
    assert len(files(root)) == 4
    assert ledger.view(ALICE).entries[-1] == entry
    assert json.loads((root / entry.key).read_bytes())["raw_user_id"] == "Alice@Example.com "
    with pytest.raises(LedgerError, match=re.escape(ALICE)):
        add(Ledger(OthersFirst(root, 1000)), "m-1")


def test_erasing_leaves_nothing_readable_on_the_disk(ledger: Ledger, root: Path) -> None:
    secret = draft(Kind.ADD, "m-1", "the secret")
    ledger.append(ledger.view(ALICE), [secret])
    ledger.append(ledger.view(ALICE), [secret, draft(Kind.ADD, "m-2", "the secret")])
    add(ledger, "m-3", user="bob")
    seen = ledger.view(ALICE)
    ledger.append(seen, [draft(Kind.FORGET, ALL)])
    ledger.erase(ALICE, seen.entries)
    content = b"".join((root / name).read_bytes() for name in files(root))
    assert b"the secret" not in content
    assert b"text of m-3" in content
    assert [entry.kind for entry in ledger.view(ALICE).entries] == [Kind.FORGET]
    assert ledger.payloads(seen.entries) == {}


def test_counting_users_reads_no_single_entry(root: Path, ledger: Ledger) -> None:
    for number in range(5):
        (entry,) = add(ledger, f"m-{number}", user=f"user-{number}")
        (root / entry.key).write_bytes(b"unreadable")
    assert sum(len(view.live) for view in Ledger(LocalObjects(root)).users()) == 5


BROKEN = {
    "emptied": b"", "cut": event()[:-9], "zeros": bytes(300), "bytes": b"\xff", "list": b"[]",
    "null": b"null", "nothing": b"{}", "no id": event(id=None), "no user": event(user_id=None),
    "no raw": event(raw_user_id=None), "no time": event(at="soon"), "kind": event(kind="NEW"),
    "payload": event(payload="x"), "no text": event(payload=None),
}  # fmt: skip


def test_a_second_look_replays_only_users_with_new_entries(ledger: Ledger) -> None:
    add(ledger, "m-1", "m-2")
    add(ledger, "m-3", "m-4", user="bob@example.com")
    before = tuple(ledger.users())
    add(ledger, "m-5", "m-6", user="bob@example.com")
    alice, bob = ledger.tolerant(before).users()
    assert alice is before[0]
    assert list(bob.live) == ["m-3", "m-4", "m-5", "m-6"]


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("batch", [False, True])
def test_a_damaged_entry_is_reported_with_its_key(root: Path, name: str, batch: bool) -> None:
    entry = add(Ledger(LocalObjects(root)), *["m-1", "m-2"][: 1 + batch])[-1]
    whole = (root / entry.key).read_bytes().splitlines()
    (root / entry.key).write_bytes(b"\n".join([*whole[:-1], BROKEN[name]]))
    reader = Ledger(LocalObjects(root))
    with pytest.raises(LedgerCorrupt, match=re.escape(entry.key)) as caught:
        reader.payloads(reader.view(ALICE).entries)
    assert caught.value.key == entry.key


def test_a_batch_that_lost_a_line_is_not_taken_for_a_shorter_one(root: Path) -> None:
    key = add(Ledger(LocalObjects(root)), "m-1", "m-2", "m-3")[0].key
    lines = (root / key).read_bytes().splitlines()
    (root / key).write_bytes(b"\n".join(lines[:2]))
    with pytest.raises(LedgerCorrupt, match=re.escape(key)):
        list(Ledger(LocalObjects(root)).users())


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "{0}.ADD.m-1.json.bak", "{0}.ADD.m-1.json~", "{0}.ADD.m-1 (1).json.part", "{0}",
     "{0}.add.m-1.json", "{0}.BATCH.m-1.json", "zzzzzzzzzzzzzzzzzzzzzzzzzz.ADD.m-1.json"],
)  # fmt: skip
def test_a_foreign_file_in_the_folder_is_reported_with_its_key(root: Path, name: str) -> None:
    (entry,) = add(Ledger(LocalObjects(root)), "m-1")
    key = FOLDER + name.format(entry.ulid)
    (root / key).write_bytes((root / entry.key).read_bytes())
    with pytest.raises(LedgerCorrupt, match="move the file") as caught:
        Ledger(LocalObjects(root)).view(ALICE)
    assert caught.value.key == key


def test_a_user_whose_id_ends_in_a_dot_is_kept_under_a_name_that_does_not(
    ledger: Ledger, root: Path
) -> None:
    add(ledger, "m-1", user="ann.")
    add(ledger, "m-2", user="ann")
    assert sorted(path.name for path in (root / "ledger/v1").iterdir()) == ["ann", "ann%2E"]
    assert {view.user_id: [*view.live] for view in ledger.users()} == {
        "ann": ["m-2"], "ann.": ["m-1"]
    }  # fmt: skip


def test_what_an_earlier_release_kept_under_a_dot_is_found_and_goes_on(root: Path) -> None:
    objects = LocalObjects(root)
    record = event(user_id="ann.", id="m-1")
    objects.put_if_absent(f"ledger/v1/ann./{ULID()}.ADD.m-1.json", record)
    ledger = Ledger(objects)
    assert [*ledger.view(UserId("ann.")).live] == ["m-1"]
    (entry,) = add(ledger, "m-2", user="ann.")
    assert entry.key.startswith("ledger/v1/ann./")
    assert [[*view.live] for view in ledger.users()] == [["m-1", "m-2"]]
    view = ledger.view(UserId("ann."))
    assert ledger.payloads(view.entries)[view.entries[0]] == {"data": "x"}
    ledger.erase(view.user_id, view.entries)
    assert files(root) == []
