"""Which memory continues which, from what is stored anyway."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_core import MemoryService
from memory_core.memories import reader, search
from memory_core.memories.continuity import Neighbourhood, continuations
from memory_core.transfer import import_memories

START = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


def at(minutes: float, **payload: Any) -> dict[str, Any]:
    return {"created_at": (START + timedelta(minutes=minutes)).isoformat(), **payload}


def test_memories_made_one_after_the_other_continue_each_other() -> None:
    assert continuations([at(0), at(1), at(10.9), at(21)]) == [(0, 1), (1, 2)]
    assert continuations([at(0), at(10)]) == [(0, 1)]
    assert continuations([]) == continuations([at(0)]) == []


def test_the_order_is_that_of_creation_and_of_saving_where_made_at_once() -> None:
    assert continuations([at(2), at(0), at(1)]) == [(1, 2), (2, 0)]
    assert continuations([at(0), at(0), at(0)]) == [(0, 1), (1, 2)]
    elsewhere = {"created_at": "2026-03-02T13:01:00-05:00"}
    assert continuations([elsewhere, at(0)]) == [(1, 0)]


@pytest.mark.parametrize("key", ["run_id", "agent_id", "document"])
def test_another_run_agent_or_document_is_not_continued(key: str) -> None:
    same, other = {key: "a"}, {key: "b"}
    assert continuations([at(0, **same), at(1, **same), at(2, **other), at(3)]) == [(0, 1)]


@pytest.mark.parametrize("time", [None, "", "yesterday", 7])
def test_a_memory_without_a_readable_time_stands_alone(time: Any) -> None:
    assert continuations([at(0), {"created_at": time}, {}, at(1)]) == [(0, 3)]


@pytest.mark.parametrize(
    ("text", "share"), [("Why?", 0.5), ("为什么？", 0.5), ("لماذا؟", 0.5), ("Because.", 0.2)]
)
def test_a_question_lends_more_to_what_follows_it(text: str, share: float) -> None:
    context = Neighbourhood([text, "answer", "far"], [(0, 1)])
    lent = context.lent(np.asarray([0.9, 0.0, 0.0], dtype=np.float32))
    assert lent.tolist() == pytest.approx([0.0, share * 0.6, 0.0])
    back = context.lent(np.asarray([0.0, 0.9, 0.0], dtype=np.float32))
    assert back.tolist() == pytest.approx([0.2 * 0.6, 0.0, 0.0])


CHAT = [
    "Deb: How did you get Luna the cat?",
    "Jo: From the shelter.",
    "Deb: I have to run.",
]


def _chat(service: MemoryService, folder: Path) -> None:
    lines = [
        {"id": f"chat-{number}", "user_id": "ann", "memory": text, **at(number)}
        for number, text in enumerate(CHAT)
    ]
    facts = [
        {"id": f"fact-{n}", "user_id": "ann", "memory": f"Jo has drawer {n}.", **at(100 * n + 100)}
        for n in range(40)
    ]
    file = folder / "chat.jsonl"
    file.write_text("\n".join(map(json.dumps, lines + facts)))
    import_memories(service, file)


def test_an_answer_is_found_by_its_question_in_both_modes(
    service: MemoryService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _chat(service, tmp_path)
    question = "Where did Jo get Luna the cat?"
    exact = service.search("ann", question, limit=3)
    assert (exact.mode, [hit.memory.memory for hit in exact.hits[:2]]) == ("exact", CHAT[:2])
    assert exact.hits[1].context > 0
    monkeypatch.setattr(search, "_CANDIDATES", 1)
    monkeypatch.setattr(search, "EXACT_UP_TO", 5)
    index = service.search("ann", question, limit=1)
    assert (index.mode, index.complete) == ("index", False)
    assert index.hits[0].memory.memory == CHAT[0]
    assert index.hits[0].cosine == pytest.approx(exact.hits[0].cosine, abs=1e-5)
    assert service.search("ann", question, limit=3) == exact, "the same memories again"
    service.add_text_memory("ann", "The cellar is dry.")
    assert service.search("ann", question).mode == "index", "they are not the same any more"
    monkeypatch.setattr(reader, "_MEMORIES_KEPT", 40)
    assert service.search("ann", question).mode == "index", "too many to keep"


def test_the_index_brings_what_stands_beside_its_candidates(
    service: MemoryService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _chat(service, tmp_path)
    question = "Where did Jo get Luna the cat?"
    store = service.parts.store
    monkeypatch.setattr(store, "query", lambda *asked: [("chat-0", 0.9), ("gone", 0.8)])
    hits = service.query_memories("ann", question, limit=10, mode="index")
    assert [hit.memory.memory for hit in hits] == CHAT[:2]
    assert hits[1].context > 0


def test_what_an_extraction_is_compared_with_is_ranked_without_context(
    service: MemoryService, tmp_path: Path
) -> None:
    _chat(service, tmp_path)
    question = "Where did Jo get Luna the cat?"
    values = service.parts.embedder.embed([question])[0]
    near = service._searcher.neighbours("ann", question, values)  # type: ignore[arg-type]
    alone = sorted(
        service.query_memories("ann", question, limit=43), key=lambda hit: hit.context - hit.score
    )
    assert [vector.key for vector in near] == [hit.memory.id for hit in alone[:10]]
