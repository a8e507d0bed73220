"""Recall at 1, 3 and 10 of the fused ranking and of its two parts.

    python -m benchmarks.retrieval FILE

FILE is one JSON document:

    {"memories":  [{"id": "m1", "user": "alice@example.com", "memory": "...",
                    "created_at": "2026-03-02T18:04:00Z", "run_id": "...", "agent_id": "..."}],
     "questions": [{"user": "alice@example.com", "question": "...", "answers": ["m1"]}]}

Times, runs and agents may be left out; without a time a memory is as old as the run. `text` may
stand for `memory`, `ids` for `answers`. Without FILE it takes examples/memories and the long
conversations beside this file. The memories are saved into a new embedded store and asked for
through the service, with the embedder that MEMORY_EMBEDDER names.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from memory_core import Hit, MemoryService, Settings, normalize_user_id, open_service
from memory_core.transfer import import_memories

from .rows import Row, Size

EXAMPLES = Path(__file__).parent.parent / "examples" / "memories"
QUESTION_FILES = ("questions.json", "questions-large.json")
LANGUAGES = "questions-languages.json"
CONVERSATIONS = Path(__file__).with_name("conversations.json")
DEPTHS = (1, 3, 10)
RANKINGS: Mapping[str, Callable[[Hit], float]] = {
    "fused": lambda hit: hit.score,
    "cosine": lambda hit: hit.cosine,
    "BM25": lambda hit: hit.bm25,
}

_SCOPE = ("run_id", "agent_id")
_PASSED_ON = ("MEMORY_EMBED", "OPENAI_")

Recalls = dict[str, dict[int, float]]


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Ask the example questions; the fused ranking stands beside cosine alone."""
    for file, whole in load_sets().items():
        document = _first_questions(whole, size.questions)
        recalls = measure_recalls(document, folder / file)
        name = f"{len(document['questions'])} of {file}"
        for depth in DEPTHS:
            note = f"BM25 alone: {recalls['BM25'][depth]:.3f}"
            fused, cosine = recalls["fused"][depth], recalls["cosine"][depth]
            yield Row(
                f"recall@{depth}, {name}", fused, "recall", "cosine alone", cosine, None, note
            )


def _first_questions(document: Mapping[str, Any], count: int | None) -> dict[str, Any]:
    """Return the first questions, with the memories of those who are asked about."""
    questions = document["questions"][:count]
    users = {normalize_user_id(question["user"]) for question in questions}
    memories = [
        memory for memory in document["memories"] if normalize_user_id(memory["user"]) in users
    ]
    return {"memories": memories, "questions": questions}


def load_sets() -> dict[str, dict[str, Any]]:
    """Return every set of questions in the repository, by the name of its file."""
    sets = {name: load_examples(name) for name in QUESTION_FILES}
    return sets | {CONVERSATIONS.name: json.loads(CONVERSATIONS.read_text(encoding="utf-8"))}


def load_examples(question_file: str) -> dict[str, Any]:
    """Return the example memories and the questions of one file as one document."""
    memories = []
    for path in sorted((EXAMPLES / "people").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            key = entry["metadata"]["key"]
            memories.append({"id": key, "user": path.stem, "memory": entry["memory"]})
    questions = json.loads((EXAMPLES / question_file).read_text(encoding="utf-8"))["questions"]
    return {"memories": memories, "questions": questions}


def measure_recalls(document: Mapping[str, Any], data_dir: Path) -> Recalls:
    """Save the memories below `data_dir`, ask the questions, and return recall by ranking.

    Recall at k is the share of the answering memories that are among the first k, averaged over
    the questions.
    """
    environ = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    settings = Settings.from_env({**environ, "MEMORY_DATA_DIR": str(data_dir)})
    with open_service(settings) as service:
        given_ids = _save(service, document["memories"], data_dir.with_suffix(".jsonl"))
        shares: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for question in document["questions"]:
            hits = service.query_memories(
                question["user"], question["question"], limit=len(given_ids), mode="exact"
            )
            wanted = set(question.get("answers") or question["ids"])
            for name, score in RANKINGS.items():
                ranked = sorted(hits, key=score, reverse=True)
                for depth in DEPTHS:
                    first = set().union(*(given_ids[hit.memory.id] for hit in ranked[:depth]))
                    shares[name][depth].append(len(wanted & first) / len(wanted))
    return {
        name: {depth: fmean(of_questions) for depth, of_questions in by_depth.items()}
        for name, by_depth in shares.items()
    }


def _save(
    service: MemoryService, memories: Sequence[Mapping[str, Any]], file: Path
) -> dict[str, set[str]]:
    """Return which given ids each stored memory stands for: equal texts are kept once.

    The memories are imported by way of `file`, since an import keeps their times.
    """
    own_ids: dict[tuple[str | None, ...], str] = {}
    given: dict[str, set[str]] = defaultdict(set)
    with file.open("w", encoding="utf-8") as lines:
        for memory in memories:
            user, text = normalize_user_id(memory["user"]), memory.get("memory") or memory["text"]
            scope = {key: memory[key] for key in (*_SCOPE, "created_at") if memory.get(key)}
            identity = (user, text, *map(memory.get, _SCOPE))
            known = identity in own_ids
            own_id = own_ids.setdefault(identity, f"memory-{len(own_ids)}")
            given[own_id].add(str(memory["id"]))
            if not known:
                line = {"id": own_id, "user_id": user, "memory": text, **scope}
                lines.write(json.dumps(line) + "\n")
    import_memories(service, file)
    return given


def main(arguments: Sequence[str]) -> None:
    """Print the table for the file named, or for the examples."""
    if arguments:
        sets = {arguments[0]: json.loads(Path(arguments[0]).read_text(encoding="utf-8"))}
    else:
        sets = load_sets() | {LANGUAGES: load_examples(LANGUAGES)}
    for name, document in sets.items():
        print(f"{name}: {len(document['questions'])} questions")
        with tempfile.TemporaryDirectory() as folder:
            recalls = measure_recalls(document, Path(folder))
        print("  ranking  " + "".join(f"recall@{depth:<5}" for depth in DEPTHS))
        for ranking, by_depth in recalls.items():
            print(f"  {ranking:<9}" + "".join(f"{by_depth[depth]:<12.3f}" for depth in DEPTHS))


if __name__ == "__main__":
    main(sys.argv[1:])
