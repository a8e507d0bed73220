"""One question beside a bare chromadb query of the same user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from memory_core import MemoryService, Settings, normalize_user_id, open_service
from memory_core.activity import RecallLog
from memory_core.embedders.local import LocalEmbedder
from memory_core.memories.search import EXACT_UP_TO

from .rows import LIMIT, Row, Size, elapsed_ms, medians_ms

_BATCH = 2_000
_WARM_MS = 3.0
_RECEIPT_MS = 0.2
_PLACES = ("Lisbon", "Porto", "Oslo", "Rome", "Kyoto", "Quito", "Accra", "Hanoi", "Turin", "Lagos")
_THINGS = ("dog", "bicycle", "piano", "garden", "passport", "laptop", "camera", "tent", "kettle")


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Ask with the memories spread over many users, and all with one user."""
    name = f"query, {size.memories:,} memories of"
    yield from _measure(
        size, folder / "many", size.memories, size.users, f"{name} {size.users} users"
    )
    fewer = size.memories // 10
    yield from _measure(size, folder / "fewer", fewer, 1, f"query, {fewer:,} memories of one user")
    yield from _measure(size, folder / "single", size.memories, 1, f"{name} one user")


def _measure(size: Size, folder: Path, memories: int, users: int, name: str) -> Iterator[Row]:
    embedder = LocalEmbedder()
    texts = make_texts(memories)
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

        def indexed(number: int) -> Any:
            return service.query_memories(f"user{number % users}", ask(number), mode="index")

        for number in range(users):
            ours(number)
            theirs(number)
        query, bare_query = medians_ms(ours, theirs, size.calls)
        is_large = memories // users > EXACT_UP_TO
        if is_large:
            # All memories were read at the second question.
            yield Row(f"{name}, warm", query, "ms", LIMIT, _WARM_MS, 1.0)
            query, bare_query = medians_ms(indexed, theirs, size.calls // 4)
        name_of_query = f"{name}, by the index" if is_large else name
        yield Row(name_of_query, query, "ms", "chromadb query", bare_query, 2.0)
        if users == 1:
            receipt = _receipt_ms(service, size)
            yield Row(f"{name}, its recall receipt", receipt, "ms", LIMIT, _RECEIPT_MS, 1.0)


def _receipt_ms(service: MemoryService, size: Size) -> float:
    """Note what questions were given, which is written in the background."""
    receipts = RecallLog(service.parts.backend.objects, days=1)
    user_id = normalize_user_id("user0")
    answers = [service.search(user_id, ask(number)) for number in range(size.calls)]
    spent = [elapsed_ms(lambda: receipts.note(user_id, answer, "agent")) for answer in answers]  # noqa: B023
    receipts.close()
    return median(spent)


def make_texts(count: int) -> list[str]:
    """Return short texts, each different."""
    return [
        f"Note {number}: the {_THINGS[number % 9]} from {_PLACES[number % 10]} is number "
        f"{number * 7 % 1000} on the list"
        for number in range(count)
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
