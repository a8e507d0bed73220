"""One question beside a bare chromadb query of the same user, at 10,000 memories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memory_core import MemoryService, Settings, open_service
from memory_core.embedders.local import LocalEmbedder

from .table import Row, medians_ms

_MEMORIES, _TIMES, _BATCH = 10_000, 100, 2_000
_PLACES = ("Lisbon", "Porto", "Oslo", "Rome", "Kyoto", "Quito", "Accra", "Hanoi", "Turin", "Lagos")
_THINGS = ("dog", "bicycle", "piano", "garden", "passport", "laptop", "camera", "tent", "kettle")


def measure(folder: Path) -> list[Row]:
    """Ask with the memories spread over 100 users, and all with one user."""
    return [
        _measure(folder / "many", 100, "query, 10,000 memories of 100 users / chromadb query"),
        _measure(folder / "one", 1, "query, 10,000 memories of one user / chromadb query"),
    ]


def _measure(folder: Path, users: int, name: str) -> Row:
    embedder = LocalEmbedder()
    texts = make_texts()
    collection = _fill_bare(folder / "bare", embedder, texts, users)
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(folder / "ours")})) as service:
        fill_ours(service, texts, users)

        def ours(number: int) -> Any:
            return service.query_memories(f"user{number % users}", ask(number))

        def theirs(number: int) -> Any:
            return collection.query(
                query_embeddings=embedder.embed([ask(number)]),
                n_results=10,
                where={"user_id": f"user{number % users}"},
            )

        for number in range(users):
            ours(number)
            theirs(number)
        return Row(name, *medians_ms(ours, theirs, _TIMES), "ms", 2.0)


def make_texts() -> list[str]:
    """Return 10,000 short texts."""
    return [
        f"Note {number}: the {_THINGS[number % 9]} from {_PLACES[number % 10]} is number "
        f"{number * 7 % 1000} on the list"
        for number in range(_MEMORIES)
    ]


def ask(number: int) -> str:
    """Return a question about the texts."""
    return f"Which {_THINGS[number % 9]} came from {_PLACES[number % 10]}?"


def fill_ours(service: MemoryService, texts: list[str], users: int) -> None:
    """Save the texts, dealt out to user0, user1 and so on."""
    for user in range(users):
        messages = [{"role": "user", "content": text} for text in texts[user::users]]
        service.add_messages(f"user{user}", messages, infer=False)


def _fill_bare(folder: Path, embedder: LocalEmbedder, texts: list[str], users: int) -> Any:
    import chromadb

    client = chromadb.PersistentClient(
        path=str(folder), settings=chromadb.Settings(anonymized_telemetry=False)
    )
    collection = client.create_collection(
        "bare", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    for start in range(0, len(texts), _BATCH):
        part = texts[start : start + _BATCH]
        collection.upsert(
            ids=[str(start + at) for at in range(len(part))],
            embeddings=embedder.embed(part),
            metadatas=[
                {"user_id": f"user{(start + at) % users}", "data": text}
                for at, text in enumerate(part)
            ],
        )
    return collection
