"""One service for everybody; what was read is dropped with every write."""

from __future__ import annotations

import pytest

from dashboard.connection import RETRY_S, connection
from dashboard.services import memory_calls
from memory_core.errors import SettingsError


def test_the_service_is_opened_once() -> None:
    assert connection().service() is connection().service()


def test_a_failure_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = memory_calls.Connection()
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
    health = memory_calls.health()
    assert health.word == "broken"
    assert health.trouble is not None
    assert health.trouble.kind == "SettingsError"


def test_what_is_read_follows_every_write(backend: str) -> None:
    assert memory_calls.census().users == ()
    saved = memory_calls.save_text("Alice@Example.com ", "likes tea", infer=False)
    record = saved.result[0]
    assert record.verified
    assert saved.ms >= 1
    assert [user.memories for user in memory_calls.census().users] == [1]
    assert memory_calls.memories(record.user_id) == [
        connection().service().list_memories("alice@example.com")[0]
    ]
    assert memory_calls.search(record.user_id, "what does she drink", 5).result.searched == 1
    assert sum(memory_calls.census().days.values()) == 1
    assert (memory_calls.placement().backend, memory_calls.placement().both) == (backend, 1)

    memory_calls.change_memory(record.user_id, record.id, "likes coffee")
    assert memory_calls.memories(record.user_id)[0].memory == "likes coffee"

    memory_calls.write(lambda service: service.delete_memory(record.user_id, record.id))
    assert memory_calls.memories(record.user_id) == []
    assert memory_calls.census().users == ()
    health = memory_calls.health()
    assert health.status is not None
    assert health.status.memories == 0


def test_a_document_reports_its_progress() -> None:
    seen: list[tuple[int, int]] = []
    text = "\n\n".join(f"Paragraph {n}. " + "All about the garden. " * 30 for n in range(6))
    saved = memory_calls.save_document(
        "alice@example.com",
        "garden.txt",
        text.encode(),
        lambda done, total: seen.append((done, total)),
    )
    assert len(saved.result) > 1
    assert seen[-1] == (len(saved.result), len(saved.result))
