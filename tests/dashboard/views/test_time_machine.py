"""The past of a user on their page, and changes of many of their memories at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from memory_core import MemoryService
from memory_core.transfer import import_memories
from tests.support.app_test import run_until, text_of

ANN = "ann@example.com"


@pytest.fixture
def page(memories: AppTest, shared: MemoryService) -> AppTest:
    """The page of Ann: of her three memories the first was changed, the second deleted."""
    rye, oats = (shared.add_text_memory(ANN, text)[0] for text in ("likes rye", "likes oats"))
    shared.update_memory(ANN, rye.id, "hates rye")
    shared.delete_memory(ANN, oats.id)
    shared.add_text_memory(ANN, "rides a bike")
    memories.query_params["user"] = ANN
    return memories


def press(page: AppTest, label: str) -> str:
    (button,) = [button for button in page.button if label in button.label]
    button.click().run()
    assert not page.exception
    return text_of(page)


def texts(service: MemoryService) -> set[str]:
    return {record.memory for record in service.list_memories(ANN)}


def test_a_state_is_stepped_to_brought_back_and_undone(
    page: AppTest, shared: MemoryService
) -> None:
    page.query_params["view"] = "Timeline"
    page.run()
    assert "Event 5 of 5" in text_of(page)
    press(page, "Previous")
    page.slider(key="time.event").set_value(2).run()
    words = text_of(page)
    assert "2 memories then, 2 now." in words
    assert page.query_params["at"] == shared.history(ANN)[1].event_id
    step, beside = (table.value for table in page.dataframe)
    assert step["After"].tolist() == ["likes oats"]
    assert sorted(zip(beside["Then"], beside["Now"], strict=True)) == [
        ("", "rides a bike"), ("likes oats", ""), ("likes rye", "hates rye"),
    ]  # fmt: skip
    assert "deleted, as saved since" in press(page, "Bring back all of this moment")
    press(page, "Change 3 memories")
    words = run_until(page, "read back from the index")
    assert texts(shared) == {"likes rye", "likes oats"}
    press(page, "Undo")
    press(page, "Change 3 memories")
    run_until(page, "1 memory changed back")
    assert texts(shared) == {"hates rye", "rides a bike"}


def test_a_moment_in_words_is_gone_to(page: AppTest) -> None:
    page.query_params["view"] = "Timeline"
    page.run()
    page.text_input(key="time.go").set_value("yesterday").run()
    assert "Nothing was written here by then; this is the first event." in text_of(page)
    assert "brought here later" not in text_of(page)
    page.text_input(key="time.go").set_value("soon").run()
    assert "is not a time" in text_of(page)


def test_a_day_before_an_import_says_that_its_memories_came_later(
    page: AppTest, shared: MemoryService, tmp_path: Path
) -> None:
    (tmp_path / "bob.jsonl").write_text(
        '{"user_id": "bob@x.com", "memory": "likes tea", "created_at": "2025-03-02T10:00:00Z"}\n'
    )
    import_memories(shared, tmp_path / "bob.jsonl")
    page.query_params.update({"user": "bob@x.com", "view": "Timeline", "at": "2025-03-02T23:59"})
    page.run()
    assert not page.exception
    assert "this is the first event. Memories created earlier were brought here" in text_of(page)


def test_some_or_all_that_match_are_changed(page: AppTest, shared: MemoryService) -> None:
    document = {"document": "handbook.pdf"}
    for number in range(25):
        shared.add_text_memory(ANN, f"rule {number}", metadata=document, agent_id="chef")
    page.query_params.update({"document": "hand", "agent": "chef", "created-since": "2025-01-01"})
    page.run()
    assert "1 to 20 of 25 of 27 memories that match the filter" in text_of(page)
    page.toggle(key="browse.several").set_value(True).run()
    assert page.dataframe[0].value.shape[0] == 25
    assert "0 memories chosen" in text_of(page)
    page.checkbox[0].check().run()
    assert "25 memories deleted" in press(page, "Delete")
    press(page, "Delete 25 memories")
    assert "25 read back from the index" in run_until(page, "read back from the index")
    assert texts(shared) == {"hates rye", "rides a bike"}
    press(page, "Undo")
    press(page, "Change 25 memories")
    run_until(page, "25 memories brought back**; 25 read back")
    assert page.query_params["document"] == "hand"
    press(page, "Clear the filters")
    assert "document" not in page.query_params
    page.text_input(key="text").set_value("bike").run()
    assert page.dataframe[0].value["Memory"].tolist() == ["rides a bike"]


@pytest.fixture
def receipts_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_RECALL_LOG", "7")


@pytest.mark.usefixtures("receipts_kept")
def test_what_a_question_was_given_stands_beside_what_it_is_now(
    memories: AppTest, shared: MemoryService
) -> None:
    (rye,) = shared.add_text_memory(ANN, "likes rye")
    shared.add_text_memory(ANN, "likes oats")
    shared.query_memories(ANN, "rye", agent_id="baker")
    shared.update_memory(ANN, rye.id, "hates rye")
    shared.add_text_memory(ANN, "rides a bike")
    memories.query_params.update({"user": ANN, "view": "Ask"})
    memories.run()
    assert not memories.exception
    (asked,) = memories.selectbox(key="given.asked").options
    assert ", agent baker: 2 memories given (exact)" in asked
    given = memories.dataframe[0].value
    assert given["Then"].tolist() == ["likes rye", "likes oats"]
    assert given["Now"].tolist() == ["hates rye", "likes oats"]
    assert given["Difference"].tolist() == ["≠ changed", "same"]
    memories.query_params.update({"view": "Memories", "asked": "no"})
    memories.run()
    assert memories.dataframe[0].value["Memory"].tolist() == ["rides a bike"]
