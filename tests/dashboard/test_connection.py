"""One service for everybody; what was read is dropped with every write."""

from __future__ import annotations

import pytest

from dashboard import data
from dashboard.connection import RETRY_S
from memory_core.errors import SettingsError


def test_the_service_is_opened_once() -> None:
    assert data.connection().service() is data.connection().service()


def test_a_failure_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = data.Connection()
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    with pytest.raises(SettingsError):
        connection.service()
    monkeypatch.setenv("MEMORY_BACKEND", "chroma")
    with pytest.raises(SettingsError, match="pinecone"):
        connection.service()
    connection._failed_at -= RETRY_S + 1
    connection.service()
    connection.close()


def test_health_is_a_value_also_when_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    health = data.health()
    assert health.word == "broken"
    assert health.trouble is not None
    assert health.trouble.kind == "SettingsError"


def test_what_is_read_follows_every_write(backend: str) -> None:
    assert data.users() == []
    saved = data.save_text("Alice@Example.com ", "likes tea", infer=False)
    record = saved.records[0]
    assert record.verified
    assert saved.ms >= 1
    assert [user.memories for user in data.users()] == [1]
    assert data.memories(record.user_id) == [
        data.connection().service().list_memories("alice@example.com")[0]
    ]
    assert data.search(record.user_id, "what does she drink", 5).result.searched == 1
    assert sum(data.census().days.values()) == 1
    assert data.storage()[backend] == 1

    data.change_memory(record.user_id, record.id, "likes coffee")
    assert data.memories(record.user_id)[0].memory == "likes coffee"

    data.delete_memory(record.user_id, record.id)
    assert data.memories(record.user_id) == []
    assert data.users() == []
    health = data.health()
    assert health.status is not None
    assert health.status.memories == 0


def test_a_document_reports_its_progress() -> None:
    seen: list[tuple[int, int]] = []
    text = "\n\n".join(f"Paragraph {n}. " + "All about the garden. " * 30 for n in range(6))
    saved = data.save_document(
        "alice@example.com",
        "garden.txt",
        text.encode(),
        lambda done, total: seen.append((done, total)),
    )
    assert len(saved.records) > 1
    assert seen[-1] == (len(saved.records), len(saved.records))
