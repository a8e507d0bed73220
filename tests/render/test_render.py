"""What the command line prints: fixed JSON keys, and text that cannot steer a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_core import (
    Event,
    Hit,
    Kind,
    MemoryRecord,
    Receipt,
    SearchResult,
    Status,
    Step,
    UserId,
    UserSummary,
)
from memory_core.model.census import Census
from memory_core.model.records import SavedMemories
from memory_core.render import memory_records, storage_status, user_tables
from memory_core.render.text import to_json, visible

ALICE = UserId("alice@example.com")
NOW = datetime(2026, 11, 22, 14, 5, 9, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def record(text: str = "Likes tea.", **changes: Any) -> MemoryRecord:
    return MemoryRecord("id-1", ALICE, text, NOW, LATER, **changes)


def result(*texts: str, complete: bool = True) -> SearchResult:
    hits = tuple(
        Hit(record(text), 0.123456, rank, 0.2, 0.00001) for rank, text in enumerate(texts, 1)
    )
    return SearchResult(hits, "exact" if complete else "index", len(texts), complete)


def status(**changes: Any) -> Status:
    steps = (Step("AWS_REGION", False, "not set"), Step("ChromaDB", True, "used", deciding=True))
    plain: dict[str, Any] = {
        "backend": "chroma", "persistent": False, "reason": "no AWS", "steps": steps,
        "embedder": "WordLlama", "dimensions": 256, "location": {"folder": "/data"},
        "memories": 2, "users": 1, "since": NOW, "last_write": LATER, "as_of": LATER,
    }  # fmt: skip
    return Status(**{**plain, **changes})


EVENT = Event(Kind.ADD, NOW, "id-1", ALICE, " Alice@Example.com", "Likes tea.")
USER = UserSummary(ALICE, 3, NOW, LATER)
CENSUS = Census((USER,), (), 3, {NOW.date(): {"saved": 3}}, {}, NOW)
RECEIPT = Receipt(ALICE, Kind.FORGET, 3, 0, NOW)

# The keys that design.md, section 7, fixes; more may be added.
DOCUMENTS: dict[str, tuple[Mapping[str, Any], str]] = {
    "status": (
        storage_status.status_document(status()),
        "backend persistent reason steps[].name steps[].ok steps[].detail embedder.name "
        "embedder.dimensions location.folder memories",
    ),
    "save": (
        memory_records.saved_document(ALICE, "chroma", SavedMemories([record(verified=True)])),
        "id user_id backend verified",
    ),
    "query": (
        memory_records.search_document(ALICE, result("a", "b")),
        "user_id mode hits[].id hits[].memory hits[].score hits[].rank hits[].created_at",
    ),
    "list": (
        memory_records.list_document(ALICE, [record()]),
        "user_id complete memories[].id memories[].memory memories[].created_at",
    ),
    "users": (
        user_tables.users_document(CENSUS),
        "complete as_of users[].user_id users[].memories users[].last_write",
    ),
    "get": (
        memory_records.record_document(record(metadata={"k": 1})),
        "id user_id memory metadata.k created_at",
    ),
    "history": (
        memory_records.history_document(ALICE, [EVENT]),
        "user_id events[].kind events[].at events[].id events[].memory",
    ),
    "delete": (memory_records.receipt_document(RECEIPT), "user_id kind removed left at"),
}


def paths(value: Any, path: str = "") -> set[str]:
    """Every key of a JSON document with the keys above it."""
    if isinstance(value, dict):
        return {one for key in value for one in paths(value[key], f"{path}.{key}")}
    if isinstance(value, list):
        return {one for item in value for one in paths(item, f"{path}[]")}
    return {path.removeprefix(".")}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_the_fixed_keys(name: str) -> None:
    document, keys = DOCUMENTS[name]
    assert set(keys.split()) <= paths(json.loads(to_json(document)))


@pytest.mark.parametrize(
    ("score", "strength"),
    [
        (1.0, "strong"),
        (0.35, "strong"),
        (0.349, "some"),
        (0.15, "some"),
        (0.149, "weak"),
        (0, "weak"),
    ],
)
def test_a_score_is_a_word_for_people(score: float, strength: str) -> None:
    assert Hit(record(), score, 1, score, score).strength == strength


def test_hits_no_better_than_chance_stand_behind_a_line() -> None:
    hits = tuple(Hit(record(f"Tea {n}."), s, n, s, s) for n, s in enumerate((0.5, 0.08, 0.07), 1))
    found = SearchResult(hits, "exact", 3, True)
    document = memory_records.search_document(ALICE, found, "green tea?")
    assert document["telling"] == 2
    assert [hit["strength"] for hit in document["hits"]] == ["strong", "weak", "weak"]
    assert [hit["matched"] for hit in document["hits"]] == [["Tea"]] * 3
    lines = memory_records.search_text(ALICE, found, "green tea?").splitlines()
    assert lines[0] == "  1  strong  0.50  Tea 1.  [id-1]  (words: Tea)"
    assert lines[2] == memory_records.CHANCE
    assert len(lines) == 5
    assert memory_records.CHANCE not in memory_records.search_text(ALICE, result())


def test_times_in_json_are_iso_8601_in_utc() -> None:
    berlin = timezone(timedelta(hours=2))
    for moment in (NOW, NOW.astimezone(berlin)):
        back = json.loads(to_json({"at": moment}))
        assert datetime.fromisoformat(back["at"]) == NOW
        assert back["at"].endswith(("+00:00", "Z"))


def test_times_in_text_are_utc_whatever_zone_they_came_with() -> None:
    far = record()
    for zone in (UTC, timezone(timedelta(hours=-8)), timezone(timedelta(hours=5, minutes=30))):
        moved = MemoryRecord(far.id, ALICE, far.memory, NOW.astimezone(zone), LATER)
        assert "2026-11-22 14:05:09 UTC" in memory_records.list_text(ALICE, [moved])


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        to_json({"a": object()})


def test_any_script_is_readable_in_json() -> None:
    assert "火曜日 😀" in to_json({"memory": "火曜日 😀"})


def test_a_save_of_one_memory_has_its_keys_at_the_top() -> None:
    one = memory_records.saved_document(ALICE, "chroma", SavedMemories([record(verified=True)]))
    assert (one["id"], one["verified"], one["already_stored"]) == ("id-1", True, False)
    several = memory_records.saved_document(
        ALICE, "chroma", SavedMemories([record(verified=True), record()])
    )
    assert several["verified"] is False
    assert len(several["memories"]) == 2
    nothing = memory_records.saved_document(ALICE, "chroma", SavedMemories())
    assert (nothing["id"], nothing["verified"]) == (None, False)


def test_scores_are_rounded_for_reading() -> None:
    (hit,) = memory_records.search_document(ALICE, result("a"))["hits"]
    assert (hit["score"], hit["cosine"], hit["bm25"]) == (0.1235, 0.2, 0.0)


def everywhere(text: str) -> dict[str, str]:
    """Every text that shows a memory, with `text` in each place that a caller can fill."""
    full = record(text, metadata={text: text}, agent_id=text, run_id=text, role=text)
    return {
        "saved": memory_records.saved_text(ALICE, "chroma", SavedMemories([full])),
        "search": memory_records.search_text(ALICE, result(text)),
        "list": memory_records.list_text(ALICE, [full]),
        "history": memory_records.history_text(
            ALICE, [Event(Kind.ADD, NOW, "id-1", ALICE, text, memory=text)]
        ),
        "record": memory_records.record_text(full),
    }


STEERING = "\x1b[2J\x9b31m\u202e\u2066\u200f\x07\x00\x7f\x85\r\n\b"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(STEERING))
def test_no_memory_can_steer_the_terminal(text: str) -> None:
    for name, shown in everywhere(text).items():
        steering = {
            char
            for char in shown
            if char not in "\n\t\u200c\u200d" and unicodedata.category(char) in {"Cc", "Cf"}
        }
        assert not steering, f"{name}: {steering}"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map("{}\n\n\x85\u2028x".format)
)
def test_a_memory_of_many_lines_takes_one_line_of_a_list(text: str) -> None:
    shown = everywhere(text)
    plain = everywhere("one line")
    for name in ("saved", "search", "list", "history"):
        assert len(shown[name].splitlines()) == len(plain[name].splitlines())


def test_one_memory_alone_keeps_its_lines_and_its_length() -> None:
    assert memory_records.record_text(record("a\nb\tc")).endswith("\na\nb\tc")
    assert memory_records.record_text(record("x" * 5_000)).endswith("x" * 5_000)


def test_a_long_memory_is_cut_in_a_list() -> None:
    line = memory_records.list_text(ALICE, [record("x" * 5_000)]).splitlines()[0]
    assert "…" in line
    assert len(line) < 160


@pytest.mark.parametrize("text", ["می‌خواهم", "👩‍👩‍👧 mother", "क्‍ष"])
def test_joiners_that_scripts_and_emoji_need_are_kept(text: str) -> None:
    assert text in memory_records.list_text(ALICE, [record(text)])


def test_no_setting_can_steer_the_terminal() -> None:
    evil = "\x1b]0;x\x07\u202e"
    shown = storage_status.status_text(
        status(reason=evil, location={"folder": evil}, steps=(Step("s", True, evil),))
    )
    assert not set(evil[:1] + evil[-2:]) & set(shown)


COUNTS: list[tuple[Callable[[int], str], str, str]] = [
    (lambda n: memory_records.list_text(ALICE, [record()] * n), "memory", "memories"),
    (lambda n: memory_records.search_text(ALICE, result(*["a"] * n)), "memory", "memories"),
    (lambda n: memory_records.history_text(ALICE, [EVENT] * n), "event", "events"),
    (
        lambda n: user_tables.users_text(Census((USER,) * n, (), 3 * n, {}, {}, NOW)),
        "user",
        "users",
    ),
    (lambda n: storage_status.status_text(status(memories=n, users=n)), "memory", "memories"),
    (
        lambda n: memory_records.saved_text(ALICE, "chroma", SavedMemories([record()] * n)),
        "memory",
        "memories",
    ),
    (
        lambda n: memory_records.receipt_text(Receipt(ALICE, Kind.DELETE, n, 0, NOW)),
        "memory",
        "memories",
    ),
]


@pytest.mark.parametrize(("show", "one", "many"), COUNTS)
def test_one_is_singular_and_others_are_plural(
    show: Callable[[int], str], one: str, many: str
) -> None:
    assert f"1 {one}" in show(1)
    assert f"1 {many}" not in show(1)
    assert f"2 {many}" in show(2)
    assert f"1,234 {many}" in show(1234)


def test_nothing_found_and_nothing_there_are_told_apart() -> None:
    assert "has no memories" in memory_records.search_text(ALICE, result())
    assert "Nothing worth remembering" in memory_records.saved_text(
        ALICE, "chroma", SavedMemories()
    )
    assert "0 memories" in memory_records.list_text(ALICE, [])
    assert "approximate" in memory_records.search_text(ALICE, result("a", complete=False))


def test_what_was_stored_before_is_not_called_stored_again() -> None:
    shown = memory_records.saved_text(ALICE, "chroma", SavedMemories([record(already_stored=True)]))
    assert "already" in shown
    assert "Stored" not in shown


def test_a_memory_that_is_not_searchable_yet_says_so() -> None:
    assert "not searchable yet" in memory_records.list_text(ALICE, [record(indexed=False)])
    assert "not searchable yet" not in memory_records.list_text(ALICE, [record()])


def test_the_status_begins_with_the_word_that_matters() -> None:
    assert storage_status.status_text(status()).startswith("Temporary: no AWS")
    assert storage_status.status_text(status(persistent=True)).startswith("Persistent: no AWS")
    empty = storage_status.status_text(status(memories=0, users=0, since=None, last_write=None))
    assert "0 memories of 0 users" in empty


def test_a_receipt_says_what_was_done_and_what_a_recount_finds() -> None:
    assert memory_records.receipt_text(RECEIPT) == (
        "Forgot 3 memories of alice@example.com; a recount finds 0."
    )
    deleted = Receipt(ALICE, Kind.DELETE, 1, 1, NOW)
    assert memory_records.receipt_text(deleted).startswith("Deleted 1 memory of")
    assert memory_records.receipt_text(deleted).endswith("finds 1.")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("jürgen.müller@example.com", "jürgen.müller@example.com"),
        ("иван1.ελένη@x", "иван1.ελένη@x"),
        ("田中さんタナー@x", "田中さんタナー@x"),
        ("аlice@x", "а<U+0430>lice@x"),
        ("ａlice１@x", "ａ<U+FF41>lice１<U+FF11>@x"),
        ("a\u200b b\u00a0", "a<U+200B> b<U+00A0>"),
    ],
)
def test_only_what_cannot_be_told_by_eye_is_marked(text: str, shown: str) -> None:
    assert visible(text) == shown
