"""Overview with nothing stored, with memories, and without a storage."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.services import memory_calls
from dashboard.ui.text import utc
from memory_core import MemoryService, open_service
from tests.support.app_test import charts_of, run_timers, run_until, text_of


def test_an_empty_storage_teaches_the_next_step(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert "No memories yet" in text_of(app)
    assert "Save a memory" in [button.label for button in app.button]
    assert not charts_of(app)


def test_the_state_is_said_once_with_what_to_set(app: AppTest) -> None:
    app.run()
    words = text_of(app)
    assert words.count("**Temporary**") == 2, "above the pages, and here"
    assert "**Temporary**" in app.sidebar.markdown[0].value
    assert "ChromaDB, this machine's disk · memories will be deleted by the next" in words
    assert not app.warning
    assert not app.code
    app.session_state["what-to-set"] = True
    app.run()
    assert app.code[0].value.startswith(
        "AWS_S3_BUCKET=<name of your bucket>\nAWS_REGION=<its region"
    )
    app.radio(key="lines.what-to-set").set_value("Shell").run()
    assert "export AWS_ACCESS_KEY_ID='<value>'" in app.code[0].value


def test_figures_and_charts_say_what_they_count(app: AppTest, shared: MemoryService) -> None:
    for number in range(3):
        shared.add_text_memory("Alice@Example.com ", f"memory {number}")
    shared.add_text_memory("bob@example.com", "likes tea")
    app.run()
    assert not app.exception
    assert "**4 memories · 2 users** · last write just now · counted just now" in text_of(app)
    alts = [chart.alt for chart in charts_of(app)]
    assert alts[0].startswith(
        "alice@example.com has the most of 2 users, 3 memories; created in seven days: 4."
    )
    assert alts[2].endswith("in both: 4, missing: 0, orphans: 0, elsewhere: not checked.")
    assert "ChromaDB now, 1 start" in alts[3]
    assert alts[4].startswith("Questions and failures by hour: answered: 0")
    app.session_state["overview.table.users"] = True
    app.run()
    assert app.dataframe[0].value["User"].tolist() == ["alice@example.com", "bob@example.com"]


def test_no_time_is_taken_for_an_emoji(app: AppTest, shared: MemoryService) -> None:
    """Of `:34:` Streamlit would load the names of all emoji."""
    with open_service(shared.settings) as other:
        other.add_text_memory("bob@example.com", "likes rye")
    words = [element.value for element in (*app.run().markdown, *app.caption)]
    assert [text for text in words if "no questions in this process since" in text]
    assert not [text for text in words if re.search(r":(?!material/)[\w+-]+:", text)]


def test_a_person_is_found_in_place(app: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory("alice@example.com", "likes tea")
    app.run()
    app.text_input(key="overview.who").set_value("ALICE @example.com").run()
    assert app.title[0].value == "Overview"
    assert app.button(key="overview.who.asked").label == "Open"


def test_another_process_is_counted_by_the_next_look(app: AppTest, shared: MemoryService) -> None:
    def save_elsewhere() -> None:
        with open_service(shared.settings) as other:
            other.add_text_memory("bob@example.com", "likes rye")
        memory_calls.count_again()

    shared.add_text_memory("alice@example.com", "likes tea")
    run_timers(app, save_elsewhere)
    assert "**2 memories · 2 users**" in text_of(app)


def test_a_new_process_shows_the_last_figures_until_it_has_counted(
    app: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory("alice@example.com", "likes tea")
    with open_service(shared.settings) as other:
        last = other.count_users(keep=True)
    shared.add_text_memory("bob@example.com", "likes rye")
    # Whoever counts waits for the one before.
    with shared._counter._survey._lock:
        for words in (text_of(app.run()), text_of(app.run())):
            assert "**1 memory · 1 user** · last write just now · as of" in words
            assert f"as of {utc(last.as_of)}, counting again…" in words
            assert "The charts follow" in words
        assert not charts_of(app)
    run_until(app, "**2 memories · 2 users** · last write just now · counted just now")
    assert charts_of(app)
    kept = shared.parts.backend.objects.get("census/v1/figures.json") or b""
    assert b'"memories": 2' in kept
    assert b"alice" not in kept


def test_known_log_lines_are_marked_without_a_highlighter(
    app: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory("Alice@Example.com", "likes tea")
    app.session_state["overview.log"] = True
    app.run()
    assert "✓ [Mem0] OK Memory added for user alice@example.com" in text_of(app)
    assert not app.code


def test_a_wrong_setting_shows_a_card_with_what_to_do(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    app.run()
    words = text_of(app)
    assert not app.exception
    assert "**Broken**" in words
    assert "A setting is missing or wrong" in words
    assert "MEMORY_BACKEND is 'pinecone'; set it to one of auto, s3_vectors, chroma." in words
    assert not app.error, "said once"


def test_trying_again_finds_a_corrected_setting(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    app.run()
    monkeypatch.setenv("MEMORY_BACKEND", "chroma")
    app.button[0].click().run()
    assert not app.exception
    assert "**Temporary**" in text_of(app)


def test_a_failure_is_not_repeated_at_every_run(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    app.run()
    monkeypatch.setenv("MEMORY_BACKEND", "chroma")
    app.run()
    assert "**Broken**" in text_of(app)
