"""Overview with nothing stored, with memories, and without a storage."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from memory_core import MemoryService
from tests.support.app_test import text_of, walk


def test_an_empty_storage_teaches_the_next_step(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert "No memories yet" in text_of(app)
    assert [button.label for button in app.button] == ["Save a memory"]
    assert not app.get("plotly_chart")


def test_the_status_is_a_word_a_sentence_and_the_deciding_step(app: AppTest) -> None:
    app.run()
    words = text_of(app)
    assert "**Temporary**" in words
    assert "**on ChromaDB**" in words
    assert "will be lost on the next deployment" in words
    assert "WordLlama, 256 dimensions" in words
    decided = [proto for kind, proto in walk(app) if "decided" in proto and kind == "markdown"]
    assert len(decided) == 1


def test_the_state_is_above_the_pages_and_in_a_band(app: AppTest) -> None:
    app.run()
    assert "**Temporary**" in app.sidebar.markdown[0].value
    assert [caption.value[:8] for caption in app.sidebar.caption] == ["No login", "Version "]
    assert "The next deployment deletes all memories" in app.warning[0].value


def test_key_figures_count_memories_and_users(app: AppTest, shared: MemoryService) -> None:
    for number in range(3):
        shared.add_text_memory("Alice@Example.com ", f"memory {number}")
    shared.add_text_memory("bob@example.com", "memory of Bob")
    app.run()
    assert not app.exception
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Memories"] == "4"
    assert figures["Users"] == "2"
    assert figures["Last write"] == "just now"
    assert figures["Last redeploy test"] == "none yet"


def test_charts_show_users_days_and_backends(app: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory("alice@example.com", "likes tea")
    app.run()
    alts = [chart.proto.alt for chart in app.get("plotly_chart")]
    assert len(alts) == 3
    assert alts[0] == "1 memory of 1 user; alice@example.com has the most, 1."
    assert (
        alts[2] == "Memories by where they are stored: ChromaDB 1, Recorded, not searchable yet 0."
    )


def test_known_log_lines_are_marked(app: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory("Alice@Example.com", "likes tea")
    app.run()
    assert "✓ [Mem0] OK Memory added for user alice@example.com" in app.code[0].value


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
    assert "The storage cannot be used" in app.error[0].value
    assert not app.metric


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
