"""Sets of questions: with times, runs and agents, and those of the repository."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import retrieval
from benchmarks.retrieval import CONVERSATIONS, load_sets, main, measure_recalls
from memory_core import MemoryService

USER = "Ann@Example.com "


def entry(given_id: str, text: str, minute: int, **scope: str) -> dict[str, str]:
    time = f"2026-03-02T18:{minute:02}:00Z"
    return {"id": given_id, "user": USER, "memory": text, "created_at": time, **scope}


SET = {
    "memories": [
        entry("1 a", "Deb: How did you get Luna the cat?", 0, run_id="r", agent_id="a"),
        entry("1 b", "Jo: From the shelter.", 1, run_id="r", agent_id="a"),
        entry("2 a", "Jo: From the shelter.", 30, run_id="s"),
        entry("2 b", "Jo: From the shelter.", 31, run_id="s"),
        *(entry(f"far {n}", f"The drawer {n} is stuck.", 50, run_id=str(n)) for n in range(12)),
    ],
    "questions": [{"user": USER, "question": "Where did Jo get Luna the cat?", "answers": ["1 b"]}],
}


def test_times_runs_and_agents_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None, str | None, int]] = []
    real = retrieval.import_memories

    def look(service: MemoryService, file: Path) -> None:
        real(service, file)
        for record in service.list_memories(USER):
            minute = record.created_at.minute
            seen.append((record.memory[:8], record.run_id, record.agent_id, minute))

    monkeypatch.setattr(retrieval, "import_memories", look)
    recalls = measure_recalls(SET, tmp_path / "store")
    assert len(seen) == 15, "a text is kept once in a run"
    assert {("Jo: From", "r", "a", 1), ("Jo: From", "s", None, 30)} <= set(seen)
    assert recalls["fused"][3] == 1.0
    assert recalls["BM25"][1] == 0.0


def test_a_file_is_measured_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = {
        "memories": [{"id": 1, "user": "bob", "text": "Bob has a dog."}],
        "questions": [{"user": "bob", "question": "dog?", "ids": ["1"]}],
    }
    file = tmp_path / "set.json"
    file.write_text(json.dumps(plain))
    main([str(file)])
    assert "fused    1.000" in capsys.readouterr().out


def test_the_long_conversations_are_whole() -> None:
    document = load_sets()[CONVERSATIONS.name]
    turns = Counter(memory["user"] for memory in document["memories"])
    assert len(turns) == 4
    assert all(350 <= count <= 450 for count in turns.values())
    assert len(document["questions"]) == 120
    kinds = {question["kind"] for question in document["questions"]}
    assert kinds == {"words", "meaning", "before", "names", "numbers"}
    owners = {memory["id"]: memory["user"] for memory in document["memories"]}
    assert len(owners) == turns.total()
    for question in document["questions"]:
        assert {owners[answer] for answer in question["answers"]} == {question["user"]}
    for user in turns:
        times = [memory["created_at"] for memory in document["memories"] if memory["user"] == user]
        assert times == sorted(times)
        assert len({memory["run_id"] for memory in document["memories"]}) > 60
