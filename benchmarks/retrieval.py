"""Recall at 1, 3 and 10 of the fused ranking and of its two parts.

    python -m benchmarks.retrieval FILE

FILE is one JSON document:

    {"memories":  [{"id": "m1", "user": "alice@example.com", "memory": "..."}],
     "questions": [{"user": "alice@example.com", "question": "...", "answers": ["m1"]}]}

`text` may stand for `memory`, `ids` for `answers`. Without FILE it takes examples/memories. The
memories are saved into a new embedded store and asked for through the service.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from memory_core import Hit, MemoryService, Settings, normalize_user_id, open_service

EXAMPLES = Path(__file__).parent.parent / "examples" / "memories"
DEPTHS = (1, 3, 10)
RANKINGS: Mapping[str, Callable[[Hit], float]] = {
    "fused": lambda hit: hit.score,
    "cosine": lambda hit: hit.cosine,
    "BM25": lambda hit: hit.bm25,
}

Recalls = dict[str, dict[int, float]]


def load_examples(*question_files: str) -> dict[str, Any]:
    """Return the example memories and the questions of the named files as one document."""
    memories = []
    for path in sorted((EXAMPLES / "people").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            key = entry["metadata"]["key"]
            memories.append({"id": key, "user": path.stem, "memory": entry["memory"]})
    questions = [
        question
        for name in question_files
        for question in json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["questions"]
    ]
    return {"memories": memories, "questions": questions}


def measure(document: Mapping[str, Any], data_dir: Path) -> Recalls:
    """Save the memories below `data_dir`, ask the questions, and return recall by ranking.

    Recall at k is the share of the answering memories that are among the first k, averaged over
    the questions.
    """
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(data_dir)})) as service:
        given_ids = _save(service, document["memories"])
        found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for question in document["questions"]:
            hits = service.query_memories(
                question["user"], question["question"], limit=len(given_ids), mode="exact"
            )
            wanted = set(question.get("answers") or question["ids"])
            for name, score in RANKINGS.items():
                ranked = sorted(hits, key=score, reverse=True)
                for depth in DEPTHS:
                    first = {one for hit in ranked[:depth] for one in given_ids[hit.memory.id]}
                    found[name][depth].append(len(wanted & first) / len(wanted))
    return {
        name: {depth: sum(shares) / len(shares) for depth, shares in by_depth.items()}
        for name, by_depth in found.items()
    }


def _save(service: MemoryService, memories: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return which given ids each stored memory stands for: equal texts are kept once."""
    by_user = defaultdict(list)
    for memory in memories:
        by_user[normalize_user_id(memory["user"])].append(memory)
    given: dict[str, set[str]] = defaultdict(set)
    for user, theirs in by_user.items():
        texts: dict[str, set[str]] = defaultdict(set)
        for memory in theirs:
            texts[memory.get("memory") or memory["text"]].add(str(memory["id"]))
        messages = [{"role": "user", "content": text} for text in texts]
        for record in service.add_messages(user, messages, infer=False):
            given[record.id] |= texts[record.memory]
    return given


def main(arguments: Sequence[str]) -> None:
    """Print the table for the file named, or for the examples."""
    if arguments:
        sets = {arguments[0]: json.loads(Path(arguments[0]).read_text(encoding="utf-8"))}
    else:
        names = ("questions.json", "questions-large.json")
        sets = {name: load_examples(name) for name in names}
    for name, document in sets.items():
        print(f"{name}: {len(document['questions'])} questions")
        with tempfile.TemporaryDirectory() as folder:
            recalls = measure(document, Path(folder))
        print("  ranking  " + "".join(f"recall@{depth:<5}" for depth in DEPTHS))
        for ranking, by_depth in recalls.items():
            print(f"  {ranking:<9}" + "".join(f"{by_depth[depth]:<12.3f}" for depth in DEPTHS))


if __name__ == "__main__":
    main(sys.argv[1:])
