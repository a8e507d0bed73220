"""Memories: the person, then what is saved, asked and listed of them."""

from __future__ import annotations

import re
from datetime import date

import pytest
from streamlit.testing.v1 import AppTest

from memory_core import MemoryService
from tests.support.app_test import run_until, text_of

ON_BOTH = pytest.mark.usefixtures("backend")
"""For what a page does with memories; the rest does not reach the store, or only to prepare."""

ALICE = "alice@example.com"


def _open(memories: AppTest, user: str, tab: str = "Save") -> AppTest:
    """Follow a link to a user and a tab."""
    memories.query_params["user"] = user
    memories.query_params["tab"] = tab
    return _run(memories)


def _run(memories: AppTest) -> AppTest:
    memories.run()
    assert not memories.exception
    return memories


def _save(memories: AppTest, text: str) -> AppTest:
    memories.text_area(key="save.text").input(text)
    _button(memories, "Save").click()
    return _run(memories)


def _button(app: AppTest, label: str):
    return next(button for button in app.button if button.label == label)


def test_without_any_memory_the_page_says_what_to_do(memories: AppTest) -> None:
    assert "**No memories yet.** Type a user's e-mail address" in text_of(memories.run())


def test_the_canonical_id_is_shown_with_what_was_changed(memories: AppTest) -> None:
    words = text_of(_open(memories, " Alice@Example.com "))
    assert ALICE in words
    assert "2 spaces removed; lower-cased" in words
    assert "Nothing was ever saved under alice@example.com." in words


def test_an_id_without_visible_characters_is_refused_with_a_sentence(memories: AppTest) -> None:
    words = text_of(_open(memories, "\u200b \u200b"))
    assert "This user id cannot be used" in words
    assert "has no visible character; pass the user's e-mail address or id" in words
    assert not memories.tabs


@ON_BOTH
def test_a_saved_text_is_stored_and_verified(memories: AppTest, shared: MemoryService) -> None:
    _save(_open(memories, ALICE), "Is allergic to cashews.")
    words = text_of(memories)
    assert "**Stored 1 memory**, verified, in " in words
    assert "Is allergic to cashews." in words
    assert "1 memory, last write just now" in words
    assert [record.memory for record in shared.list_memories(ALICE)] == ["Is allergic to cashews."]
    assert memories.text_area(key="save.text").value == ""


def test_the_same_text_again_is_said_to_be_stored_already(
    memories: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory(ALICE, "likes tea")
    _save(_open(memories, ALICE), "likes tea")
    assert "**It was already stored**; nothing was added." in text_of(memories)
    assert len(shared.list_memories(ALICE)) == 1


def test_what_was_typed_is_kept_for_its_user(memories: AppTest) -> None:
    _open(memories, ALICE)
    memories.text_area(key="save.text").input("Half a sentence")
    for view in ("Timeline", "Memories"):
        memories.query_params["view"] = view
        _run(memories)
    assert memories.text_area(key="save.text").value == "Half a sentence"
    memories.switch_page("../pages/overview.py").run()
    memories.switch_page("../pages/memories.py").run()
    assert memories.query_params["user"] == ALICE
    assert memories.text_area(key="save.text").value == "Half a sentence"
    _open(memories, "bob@example.com")
    assert memories.text_area(key="save.text").value == ""
    _open(memories, ALICE)
    assert memories.text_area(key="save.text").value == "Half a sentence"


def test_an_id_that_names_nobody_makes_nobody(memories: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory(ALICE, "likes tea")
    memories.run()
    memories.text_input(key="person").set_value("ALICE+work@Example.com").run()
    words = text_of(memories)
    assert "Nothing under alice+work@example.com. Similar: alice@example.com (1)." in words
    assert "likes tea" in words
    assert not memories.text_area
    _button(memories, "Save under this new id").click().run()
    assert memories.query_params["user"] == "ALICE+work@Example.com"
    assert memories.expander[0].proto.expanded
    memories.text_input(key="person").set_value("ALICE@example.com ").run()
    assert memories.query_params["user"] == ALICE
    assert not memories.expander[0].proto.expanded


def test_an_empty_text_is_refused_and_nothing_is_stored(
    memories: AppTest, shared: MemoryService
) -> None:
    _save(_open(memories, ALICE), "  ")
    assert "This text cannot be stored" in text_of(memories)
    assert shared.list_memories(ALICE) == []


def test_a_text_that_is_too_large_says_the_limit_and_stays(memories: AppTest) -> None:
    large = "x" * (32 * 1024 + 1)
    _save(_open(memories, ALICE), large)
    assert "the limit is 32,768" in text_of(memories)
    assert memories.text_area(key="save.text").value == large


def test_chat_messages_are_stored_each_with_its_role(
    memories: AppTest, shared: MemoryService
) -> None:
    _open(memories, ALICE)
    memories.radio(key="save.kind").set_value("Chat messages")
    _run(memories)
    memories.text_area(key="save.chat").input(
        "system: Be kind.\nuser: I moved to Lisbon.\nassistant: Noted."
    )
    _button(memories, "Save").click()
    _run(memories)
    assert "**Stored 2 memories**" in text_of(memories)
    assert "Left out: 1 system message" in text_of(memories)
    roles = {record.memory: record.role for record in shared.list_memories(ALICE)}
    assert roles == {"I moved to Lisbon.": "user", "Noted.": "assistant"}


def test_extraction_is_off_and_explained_without_a_language_model(memories: AppTest) -> None:
    _open(memories, ALICE)
    assert memories.toggle(key="save.infer").disabled
    assert "no language model is set" in text_of(memories)


def test_extraction_can_be_switched_on_with_a_language_model(
    monkeypatch: pytest.MonkeyPatch, app: AppTest
) -> None:
    monkeypatch.setenv("MEMORY_LLM", "openai:gpt-4o-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    _open(app.switch_page("../pages/memories.py"), ALICE)
    assert not app.toggle(key="save.infer").disabled


@ON_BOTH
def test_a_question_finds_the_memory_and_says_how_it_looked(
    memories: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory(ALICE, "Cashews and pistachios give her hives.")
    shared.add_text_memory(ALICE, "Her dog is called Biscuit.")
    _open(memories, ALICE, "Search")
    memories.text_input(key="q").set_value("Which nuts must she avoid?").run()
    words = text_of(memories)
    assert "searched all 2 memories in " in words
    assert "Cashews and pistachios give her hives." in words
    assert "cosine" not in words
    assert "score 0." not in words
    assert "**Weak match**" in words
    memories.toggle(key="search.parts").set_value(True).run()
    words = text_of(memories)
    assert re.search(r"score 0\.\d\d: cosine 0\.\d\d, BM25 0\.\d\d, context 0\.\d\d", words)
    assert "Context is added by the memories before and after" in words


def test_words_of_the_question_are_named_and_a_line_ends_what_is_telling(
    memories: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory(ALICE, "Cashews and pistachios give her hives.")
    shared.add_text_memory(ALICE, "Der Hund bellt.", run_id="another")
    _open(memories, ALICE, "Search")
    memories.text_input(key="q").set_value("cashews").run()
    words = text_of(memories)
    assert ":primary-background[Cashews] and pistachios give her hives\\." in words
    assert words.count("From here on, no better than chance.") == 1
    assert "**Weak match**" in words


def test_a_question_without_memories_says_so(memories: AppTest) -> None:
    _open(memories, ALICE, "Search")
    memories.text_input(key="q").set_value("anything")
    _run(memories)
    assert "**Nothing found.**" in text_of(memories)
    assert "Searched 0 memories" in text_of(memories)


def test_details_of_a_found_memory_open_in_browse(memories: AppTest, shared: MemoryService) -> None:
    for number in range(30):
        shared.add_text_memory(ALICE, f"note number {number}")
    wanted = shared.add_text_memory(ALICE, "Cashews give her hives.")[0]
    shared.add_text_memory(ALICE, "newest")
    _open(memories, ALICE, "Search")
    memories.text_input(key="q").set_value("cashews").run()
    memories.get_by_key(f"search.open.{wanted.id}").click().run()
    assert not memories.exception
    assert "Cashews give her hives." in [text.value for text in memories.text]
    assert {"Edit", "Delete", "Close"} <= {button.label for button in memories.button}


@ON_BOTH
def test_browse_lists_all_memories_and_says_that_they_are_all(
    memories: AppTest, shared: MemoryService
) -> None:
    for number in range(23):
        shared.add_text_memory(ALICE, f"note number {number}")
    _open(memories, ALICE, "Browse")
    assert "1 to 20 of 23 memories, complete" in text_of(memories)
    assert memories.dataframe[0].value["Memory"].tolist()[0] == "note number 22"
    memories.text_input(key="text").set_value("number 2").run()
    assert "4 of 23 memories that match the filter" in text_of(memories)
    memories.selectbox(key="browse.order").set_value("Oldest first").run()
    assert memories.dataframe[0].value["Memory"].tolist()[0] == "note number 2"


def _select(memories: AppTest, memory_id: str) -> AppTest:
    memories.query_params["memory"] = memory_id
    return _open(memories, ALICE, "Browse")


@ON_BOTH
def test_a_memory_can_be_changed(memories: AppTest, shared: MemoryService) -> None:
    record = shared.add_text_memory(ALICE, "likes tea")[0]
    _button(_select(memories, record.id), "Edit").click().run()
    memories.text_area(key="detail.text").input("likes coffee")
    _button(memories, "Save change").click().run()
    assert not memories.exception
    assert memories.success[0].value == "Changed, verified."
    assert shared.get_memory(ALICE, record.id).memory == "likes coffee"


@ON_BOTH
def test_a_memory_is_deleted_only_after_a_confirmation(
    memories: AppTest, shared: MemoryService
) -> None:
    record = shared.add_text_memory(ALICE, "likes tea")[0]
    shared.add_text_memory(ALICE, "likes cake")
    _button(_select(memories, record.id), "Delete").click().run()
    assert "Preview: **1 memory deleted**" in text_of(memories)
    assert len(shared.list_memories(ALICE)) == 2
    _button(memories, ":red[Delete 1 memory]").click().run()
    run_until(memories, "1 memory deleted**; 1 read back from the index")
    assert [record.memory for record in shared.list_memories(ALICE)] == ["likes cake"]


def test_a_memory_that_someone_else_deleted_ends_in_a_sentence(
    memories: AppTest, shared: MemoryService
) -> None:
    record = shared.add_text_memory(ALICE, "likes tea")[0]
    _button(_select(memories, record.id), "Delete").click().run()
    shared.delete_memory(ALICE, record.id)
    _button(memories, ":red[Delete 1 memory]").click().run()
    assert "No memories yet" in run_until(memories, "Nothing to change")


def test_the_history_shows_what_happened(memories: AppTest, shared: MemoryService) -> None:
    record = shared.add_text_memory(" Alice@example.com", "likes tea")[0]
    shared.update_memory(ALICE, record.id, "likes coffee")
    memories.session_state["detail.history"] = True
    _select(memories, record.id)
    events = memories.dataframe[-1].value
    assert events["What"].tolist() == ["Saved", "Changed"]
    assert events["User id as sent"].tolist() == ["Alice@example.com", ALICE]


def test_the_expiry_is_shown_set_and_cleared(memories: AppTest, shared: MemoryService) -> None:
    record = shared.add_text_memory(ALICE, "likes tea")[0]
    _button(_select(memories, record.id), "Edit").click().run()
    memories.date_input(key="detail.expires").set_value(date(2020, 1, 31))
    _button(memories, "Save change").click()
    _run(memories)
    assert "Changed, verified. Past its expiry date" in memories.success[0].value
    assert shared.list_memories(ALICE)[0].expires == date(2020, 1, 31)
    assert memories.dataframe[0].value["Expires"].tolist() == ["31 Jan 2020, past"]
    assert "31 Jan 2020, past" in text_of(memories)
    assert "questions do not find it" in memories.warning[-1].value
    _button(memories, "Edit").click().run()
    assert memories.date_input(key="detail.expires").value == date(2020, 1, 31)
    memories.date_input(key="detail.expires").set_value(None)
    _button(memories, "Save change").click()
    _run(memories)
    assert memories.success[0].value == "Changed, verified."
    assert shared.list_memories(ALICE)[0].expires is None


def test_a_text_that_is_stored_already_and_expired_is_said_to_stay_hidden(
    memories: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory(ALICE, "likes tea", expires="2020-01-31")
    _save(_open(memories, ALICE), "likes tea")
    assert "**It was already stored**" in text_of(memories)
    assert "past its expiry date, so questions do not find it" in text_of(memories)


def test_without_a_storage_the_page_says_so_and_shows_no_form(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    app.switch_page("../pages/memories.py").run()
    assert not app.exception
    assert "Memories cannot be shown or saved at the moment" in text_of(app)
    assert [button.label for button in app.button] == ["Try again"]


def test_a_page_that_is_not_reached_by_the_router_shows_nothing() -> None:
    page = AppTest.from_file("../../../pages/memories.py", default_timeout=60).run()
    assert [element.value for element in page.error] == ["This page opens from the dashboard only."]
    assert not page.title
