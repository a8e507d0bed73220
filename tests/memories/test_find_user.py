"""Where did Alice's memories go: under this id, under one that is close to it, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_core import MemoryService, normalize_user_id
from memory_core.embedders import Embedder
from memory_core.errors import InvalidUserId
from memory_core.memories.find_user import IdIndex, OtherForm, is_placeholder, other_forms
from memory_core.model.user_id import PROBE_DOMAIN, UserId
from memory_core.render.user_tables import (
    search_sentence,
    user_search_document,
    user_search_text,
)
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore

ALICE = "alice.whitcombe@example.com"


@pytest.fixture
def service(data_dir: Path, embedder: Embedder) -> MemoryService:
    """Over a store in memory: who is meant is found in the ledger."""
    return build_service(data_dir, embedder, InMemoryStore(embedder.dimensions))


def close_to(service: MemoryService, text: str) -> dict[str, tuple[str, ...]]:
    return {one.user_id: one.reasons for one in service.find(text).close}


@pytest.mark.parametrize(
    ("stored", "asked", "reason"),
    [
        ("ａlice@example.com", "alice@example.com", "full-width"),
        ("alice@example.com", "ALICE＠example.com", "full-width"),
        ("zoë@example.com", "zoe@example.com", "accents"),
        ("alice+news@example.com", "alice@example.com", "+tag"),
        ("a.l.ice@gmail.com", "alice@gmail.com", "dots at Gmail"),
        ("alice@googlemail.com", "alice@gmail.com", "googlemail"),
        ("alice_whitcombe@example.com", ALICE, "dots, dashes or underscores"),
        ("alice.whitcombe@example.org", ALICE, "another domain"),
        ("alice.whitcmobe@example.com", ALICE, "a typing error"),
        ("alice.witcomb@example.com", ALICE, "two typing errors"),
        (ALICE, "Alice", "the name in the id"),
        (ALICE, "whitcombe alice", "the name in the id"),
        (ALICE, "Alicé", "the name in the id"),
        ("alice.old@example.com", "ALICE+work@Example.com", "a part of the name"),
        ("whitcombe.alice@example.com", ALICE, "a part of the name"),
        ("alice@example.com", "alic@exmple.com", "two typing errors"),
        ("alice@example.com", "Whitcombe, Alice", "1 of 2 words"),
        (ALICE, "@Example.com", "the domain"),
    ],
)
def test_who_is_close_is_found_and_it_is_said_in_what(
    service: MemoryService, stored: str, asked: str, reason: str
) -> None:
    service.add_text_memory(stored, "likes tea")
    service.add_text_memory("bob@example.net", "likes rye")
    assert [*close_to(service, asked)] == [normalize_user_id(stored)]
    assert reason in close_to(service, asked)[normalize_user_id(stored)][0]


PASTED = [
    "Alice Whitcombe <alice.whitcombe@example.com>",
    '"Whitcombe, Alice" <Alice.Whitcombe@Example.com>',
    "Alice Whitcombe alice.whitcombe@example.com",
    "mailto:alice.whitcombe@example.com?subject=Hello",
    "<mailto:alice.whitcombe@example.com>",
    "'alice.whitcombe@example.com'",
    "“alice.whitcombe@example.com”",
    "`alice.whitcombe@example.com`",
    "[alice.whitcombe@example.com](mailto:alice.whitcombe@example.com)",
    "(alice.whitcombe@example.com),",
    "alice.whitcombe@example.com.",
    "e-mail: alice.whitcombe@example.com;",
    '{"user_id": "alice.whitcombe@example.com"}',
    "user_id='alice.whitcombe@example.com'",
    "alice.whitcombe%40example.com",
    "https://holdfast.example.org/user?user=alice.whitcombe%40example.com&view=Timeline",
    "&lt;alice.whitcombe@example.com&gt;",
    "samlp|acme|alice.whitcombe@example.com",
    "＜alice.whitcombe@example.com＞",
    "Alice Whitcombe <alice.whitcombe@example.com> " + "of the long signature " * 30,
]


@pytest.mark.parametrize("pasted", PASTED)
def test_an_id_is_found_as_people_paste_it(service: MemoryService, pasted: str) -> None:
    service.add_text_memory(ALICE, "likes tea")
    service.add_text_memory("bob@example.net", "likes rye")
    assert [*close_to(service, pasted)] == [ALICE]
    assert "around it" in close_to(service, pasted)[ALICE][0]
    # For finding only.
    assert service.find(pasted).user is None


@pytest.mark.parametrize(
    "pasted", ['"user_42"', "<user_42>", "user id: user_42", "[USER_42]", "@user_42,"]
)
def test_an_id_that_is_no_address_is_found_in_the_same_way(
    service: MemoryService, pasted: str
) -> None:
    service.add_text_memory("user_42", "likes tea")
    assert [*close_to(service, pasted)] == ["user_42"]


@pytest.mark.parametrize(
    "stored",
    [
        "Alice Whitcombe <alice.whitcombe@example.com>",
        "mailto:alice.whitcombe@example.com",
        "'alice.whitcombe@example.com'",
        "<Alice.Whitcombe+news@example.com>",
    ],
)
def test_an_id_that_was_stored_as_it_was_pasted_is_found_by_the_plain_one(
    service: MemoryService, stored: str
) -> None:
    service.add_text_memory(stored, "likes tea")
    assert [*close_to(service, ALICE)] == [normalize_user_id(stored)]
    assert [*close_to(service, f'"{ALICE}"')] == [normalize_user_id(stored)]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("Alice", "2 users match."),
        ("Alice <ALICE@example.com>", "One user matches."),
        ("alice.old@example.com ", "alice.old@example.com has 1 memory."),
        (
            "alice+work@example.com",
            "Nothing under alice+work@example.com. Similar: alice@example.com (2), "
            "alice.old@example.com (1).",
        ),
        ("biscuit calls", "1 memory of 1 user contains it."),
        ("CASE-4711", "2 memories of 2 users contain it."),
        ("case-47 biscuits", "Nothing was ever saved under case-47biscuits."),
        ("\u200b", "Not a valid id."),
    ],
)
def test_the_answer_is_one_sentence(service: MemoryService, asked: str, answer: str) -> None:
    service.add_text_memory("alice@example.com", "Calls her dog Biscuit.")
    service.add_text_memory("alice@example.com", "Wrote in case-4711.")
    service.add_text_memory("alice.old@example.com", "Wrote in Case-47111.")
    service.add_text_memory(f"x.a@{PROBE_DOMAIN}", "a probe says biscuit calls case-4711")
    search = service.find(asked, texts=True)
    assert search_sentence(search) == answer
    assert user_search_text(search).startswith(answer)
    assert user_search_document(search)["answer"] == answer


def test_words_are_ranked(service: MemoryService) -> None:
    for user in ("alice.old@example.com", ALICE, "whitcombe@example.org", "bob@example.net"):
        service.add_text_memory(user, "likes tea")
    service.add_text_memory("alice.old@example.com", "likes rye")
    assert [*close_to(service, "alice whitcombe")] == [
        ALICE, "alice.old@example.com", "whitcombe@example.org",
    ]  # fmt: skip


def test_a_part_that_very_many_share_is_no_likeness() -> None:
    index = IdIndex().holding({UserId(f"user.n{n:05}@example.com") for n in range(600)})
    assert index.close_to(UserId("user@example.com"), []) == {}


def test_every_address_of_a_list_is_found(service: MemoryService) -> None:
    for user in (ALICE, "bob@example.net", "carol@example.org"):
        service.add_text_memory(user, "likes tea")
    pasted = f"To: Alice <{ALICE}>, bob@example.net"
    assert close_to(service, pasted).keys() == {ALICE, "bob@example.net"}


def test_ids_of_two_issuers_are_not_one_person(service: MemoryService) -> None:
    service.add_text_memory("google:108", "likes tea")
    service.add_text_memory("o'brien@example.com", "likes rye")
    assert close_to(service, "facebook:108") == {}
    assert close_to(service, "obrien+x@example.org") == {}


def test_the_user_asked_for_is_told_apart_with_what_was_changed(service: MemoryService) -> None:
    service.add_text_memory(ALICE, "likes tea")
    found = service.find(" Alice.Whitcombe@Example.com\u200b")
    assert found.user is not None
    assert (found.user_id, found.user.memories, found.close) == (ALICE, 1, ())
    assert any("lower-cased" in change for change in found.changes)
    assert service.find("carol@example.com").user is None


def test_a_user_whose_memories_were_all_deleted_was_there(service: MemoryService) -> None:
    service.add_text_memory(ALICE, "likes tea")
    service.delete_user(ALICE)
    found = service.find(ALICE).user
    assert found is not None
    assert found.memories == 0


def test_a_memory_is_found_by_its_id_also_when_it_was_deleted(service: MemoryService) -> None:
    (one,) = service.add_text_memory(ALICE, "likes tea")
    for pasted in (f" {one.id.upper()} ", f"likes tea  [{one.id}]", f'"id": "{one.id}",'):
        (memory,) = service.find(pasted).memories
        assert (memory.user_id, memory.live) == (ALICE, True)
    service.delete_memory(ALICE, one.id)
    assert not service.find(one.id).memories[0].live
    assert service.find("6f0b5d0e-9a3c-4d3a-8f3f-000000000000").memories == ()


def test_users_that_are_nobody_are_listed_and_probes_are_not(service: MemoryService) -> None:
    for user in ("default", "test@example.com", "nobody-special", f"x.a@{PROBE_DOMAIN}"):
        service.add_text_memory(user, "likes tea")
    found = service.find("alice")
    assert [one.user_id for one in found.placeholders] == ["default", "test@example.com"]
    assert found.users == 3
    assert not is_placeholder("testa@example.com")


@pytest.mark.parametrize("nothing", ["", " ", "\u200b", "x" * 300])
def test_what_can_be_no_id_says_why(service: MemoryService, nothing: str) -> None:
    found = service.find(nothing)
    assert found.user_id is None
    assert found.problem
    assert found.problem in user_search_text(found).replace("\n", " ") or len(found.problem) > 80


def test_strangers_are_not_close(service: MemoryService) -> None:
    for user in ("bob@example.com", "al@example.com", "carol.jones@example.org", "42"):
        service.add_text_memory(user, "likes tea")
    assert close_to(service, ALICE) == {}
    assert close_to(service, "43@example.com") == {}


def test_characters_that_cannot_be_seen_are_shown_by_their_code_points(
    service: MemoryService,
) -> None:
    service.add_text_memory("аlice@example.com", "the first letter is Cyrillic")
    told = user_search_text(service.find("alice@example.com\u200b"))
    assert "alice@example.com<U+200B>" in told
    assert "а<U+0430>lice@example.com  1 memory" in told
    assert "a typing error" in told
    told = user_search_text(service.find("alice\x1b[31m"))
    assert "alice<U+001B>[31m" in told
    assert "\x1b" not in told


@given(st.text(max_size=40))
def test_anything_may_be_typed(text: str) -> None:
    from memory_core.memories.find_user import _reasons

    try:
        canonical = normalize_user_id(text)
    except InvalidUserId:
        return
    assert isinstance([*_reasons(canonical, ALICE, text.split())], list)
    assert [*_reasons(ALICE, canonical, [])] == [] or canonical != ALICE


def test_the_document_has_what_the_text_says(service: MemoryService) -> None:
    service.add_text_memory("alice+news@example.com", "likes tea")
    document = user_search_document(service.find("Alice@example.com"))
    assert (document["user_id"], document["user"], document["users"]) == (
        "alice@example.com", None, 1,
    )  # fmt: skip
    assert document["close"][0]["user_id"] == "alice+news@example.com"
    assert document["close"][0]["memories"] == 1


def test_ids_asked_for_in_vain_are_told_with_those_saved_under_as_they_were_written() -> None:
    probe = f"a@{PROBE_DOMAIN}"
    saved = ["Ann@x.com", "ann.lee@x.com", "demo1@x.com", probe, "not\ud800valid"]
    asked = ["ann@x.com", "AnnLee@x.com", "demo2@x.com", "annlee@x.com", probe.upper()]
    assert list(other_forms(asked, saved, known=[])) == [
        OtherForm("ann@x.com", "Ann@x.com", ("the same id in another form: lower-cased",), True),
        *(OtherForm(form, "ann.lee@x.com", ("dots, dashes or underscores",), True)
          for form in ("AnnLee@x.com", "annlee@x.com")),
    ]  # fmt: skip
    assert [pair.asked for pair in other_forms(asked, saved, known=["annlee@x.com"])] == [
        "ann@x.com"
    ]
