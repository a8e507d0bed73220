"""Users: everybody in a table, and where the memories of somebody may be."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.services import memory_calls
from memory_core import MemoryService
from memory_core.activity import Wanted
from tests.support.app_test import draw_until, run_until, text_of
from tests.support.damage import put_stray


@pytest.fixture
def page(app: AppTest) -> AppTest:
    """The page, not yet drawn."""
    return app.switch_page("../pages/users.py")


def asked(page: AppTest, text: str) -> str:
    page.query_params["who"] = text
    page.run()
    assert not page.exception
    return text_of(page)


def test_without_users_it_says_what_to_do(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "No users yet" in text_of(page)


def test_an_id_is_found_as_it_was_pasted(page: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory("ann@x.com", "tea")
    shared.add_text_memory("ann+work@x.com", "rye")
    words = asked(page, '"Ann Lee" <mailto:Ann@x.com>')
    assert "One user matches." in words
    assert "ann@x.com  ·  1 memory" in words
    assert [header.value for header in page.header] == ["Similar ids"]
    assert "quotation marks, brackets or mailto:" in words
    assert "“tea”" in words


def test_words_of_memories_find_who_has_them(page: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory("ann@x.com", "Called about case-4711.")
    assert "1 memory of 1 user contains it." in asked(page, "case-4711")
    page.button(key="who.mention.ann@x.com").click().run()
    assert page.query_params["view"] == "Ask"
    assert "Called about" in text_of(page)
    (entry,) = shared.activity.page(Wanted(action="find")).entries
    assert entry.detail == "1 user"


@pytest.fixture
def many(shared: MemoryService, monkeypatch: pytest.MonkeyPatch) -> None:
    """More memories than are searched without asking."""
    monkeypatch.setattr(memory_calls, "COUNTED_UP_TO", 1)
    for text in ("Called about case-4711.", "Called about case-4712."):
        shared.add_text_memory("ann@x.com", text)


@pytest.mark.usefixtures("many")
def test_many_texts_are_searched_when_somebody_asks_and_what_is_found_opens(page: AppTest) -> None:
    assert "ann@x.com" not in asked(page, "case-4711")
    page.button(key="who.texts").click().run()
    assert "1 memory of 1 user contains it." in text_of(page)
    page.button(key="who.mention.ann@x.com").click().run()
    assert page.query_params["view"] == "Ask"
    assert "Called about" in text_of(page)


@pytest.mark.usefixtures("many")
def test_each_word_and_each_visit_asks_anew_before_many_texts_are_searched(page: AppTest) -> None:
    asked(page, "case-4711")
    page.button(key="who.texts").click().run()
    page.text_input(key="who").set_value("case-4712").run()
    assert "1 memory of 1 user" not in text_of(page)
    page.button(key="who.texts").click().run()
    assert "1 memory of 1 user contains it." in text_of(page)
    page.switch_page("../pages/doctor.py").run()
    page.switch_page("../pages/users.py")
    assert "1 memory of 1 user" not in asked(page, "case-4712"), "a later visit costs again"


@pytest.mark.usefixtures("backend")
def test_every_user_is_in_the_table_most_memories_first(
    page: AppTest, shared: MemoryService
) -> None:
    for user, text in (("bob@x.com", "rye"), ("ann@x.com", "tea"), ("ann@x.com", "oats")):
        shared.add_text_memory(user, text)
    memory_calls.count_again()
    page.run()
    table = page.dataframe[0].value
    assert table["User"].tolist() == ["ann@x.com", "bob@x.com"]
    assert [sum(one) for one in table["Activity"]] == [2, 1]
    assert "3 memories of 2 users, complete. As of " in text_of(page)
    shared.add_text_memory("carol@x.com", "figs")
    page.button(key="users.again").click().run()
    assert "4 memories of 3 users, complete." in text_of(page)


@pytest.mark.usefixtures("backend")
def test_the_store_is_compared_and_orphans_are_recovered(
    page: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory("ann@x.com", "tea")
    put_stray(shared, "by-hand", user_id=" Ann@X.com", data="oats")
    put_stray(shared, "nobody's", agent_id="chef", data="rye")
    memory_calls.count_again()
    page.run()
    page.button(key="users.compare").click()
    words = run_until(page, "The store differs from the record.")
    assert "3 in the store, 1 memory on record, complete." in words
    differences = page.dataframe[1].value
    assert differences["User"].tolist() == ["ann@x.com"]
    assert differences["Orphans"].tolist() == [1]
    assert differences["Also stored under"].tolist() == ["<U+0020>Ann@X.com (1)"]
    assert page.dataframe[2].value["Where"].tolist() == ["without a user, under agent chef only"]
    page.text_input(key="who").set_value("ANN@x.com").run()
    words = text_of(page)
    assert "ann@x.com has 1 memory." in words
    assert "The assistant looks here and nowhere else." in words
    assert "1 is stored under <U+0020>Ann@X.com" in words
    page.button(key="users.adopt").click()
    recovered = ("Recovered 1 memory", "ann@x.com has 2 memories.")
    words = draw_until(page, "both", lambda text: all(words in text for words in recovered))
    assert "In storage: 2" not in words
    assert {one.memory for one in shared.list_memories("ann@x.com")} == {"tea", "oats"}


def test_what_another_program_stored_is_no_contradiction(
    page: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory("bob@x.com", "tea")
    put_stray(shared, "by-hand", user_id="Ann@x.com", data="oats")
    assert "Nothing was ever saved under ann@x.com." in asked(page, "ann@x.com")
    page.button(key="who.compare").click()
    words = run_until(page, "In storage under ann@x.com, never registered: 1 orphan.")
    assert "Nothing was ever saved" not in words
    assert "Save under this new id" not in {button.label for button in page.button}
    page.button(key="users.adopt").click()
    assert "ann@x.com has 1 memory." in run_until(page, "Recovered 1 memory")


def test_who_is_meant_and_which_ids_are_similar(page: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory("alice+news@example.com", "likes tea")
    words = asked(page, " Alice@Example.com")
    assert "Nothing under alice@example.com. Similar: alice+news@example.com (1)." in words
    assert "1 space removed; lower-cased" in words
    assert "+tag" in words
    assert "Searched 1 user, complete." in words


def test_an_id_in_its_other_form_is_the_same_user(page: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory("alice@example.com", "likes tea")
    words = asked(page, "ALICE@example.com\u200b")
    assert "alice@example.com has 1 memory." in words
    assert "Similar ids" not in words


def test_a_memory_id_leads_to_its_user(page: AppTest, shared: MemoryService) -> None:
    (one,) = shared.add_text_memory("alice@example.com", "likes tea")
    assert f"{one.id} is a memory of alice@example.com" in asked(page, one.id)
    shared.delete_memory("alice@example.com", one.id)
    assert "deleted since" in asked(page, one.id)


def test_ids_that_name_nobody_are_shown(page: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory("anonymous", "likes tea")
    assert "Under a placeholder id" in asked(page, "alice@example.com")


def test_an_invalid_id_is_explained(page: AppTest) -> None:
    words = asked(page, "\u200b")
    assert "Not a valid id." in words
    assert "no visible character" in words
