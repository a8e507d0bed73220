"""One save beside plain mem0's raw add on ChromaDB, with the same embedder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memory_core import Settings, open_service
from memory_core.embedders import Embedder
from memory_core.embedders.local import LocalEmbedder
from memory_core.settings import silence_telemetry

from .rows import Row, Size, medians_ms


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Save different texts for one user, alternately here and there."""
    chroma = {"collection_name": "plain", "path": str(folder / "plain")}
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(folder / "ours")})
    with (
        open_plain_mem0(folder, LocalEmbedder(), "chroma", chroma) as plain,
        open_service(settings) as service,
    ):

        def ours(number: int) -> None:
            service.add_text_memory("alice", f"Alice went to place number {number}.")

        def verified(number: int) -> None:
            service.add_text_memory("bob", f"Bob went to place number {number}.", verify=True)

        def theirs(number: int) -> None:
            text = f"Alice went to place number {number}."
            plain.add([{"role": "user", "content": text}], user_id="alice", infer=False)

        for number in range(max(1, size.calls // 5)):
            ours(-1 - number)
            theirs(-1 - number)
        save, add = medians_ms(ours, theirs, size.calls)
        yield Row("save", save, "ms", "mem0's raw add on ChromaDB", add, 1.5)
        save, add = medians_ms(verified, theirs, size.calls)
        yield Row("save, read back", save, "ms", "mem0's raw add on ChromaDB", add, 2.0)


@contextmanager
def open_plain_mem0(
    folder: Path, embedder: Embedder, store: str, config: dict[str, Any]
) -> Iterator[Any]:
    """Open mem0's own Memory on one of its own stores, with our embedder put in."""
    silence_telemetry()
    from mem0 import Memory

    class Embedding:
        def embed(self, text: str, memory_action: str | None = None) -> list[float]:
            values: list[float] = embedder.embed([text])[0].tolist()
            return values

    memory = Memory.from_config(
        {
            "vector_store": {"provider": store, "config": config},
            "llm": {"provider": "openai", "config": {"api_key": "unused"}},
            "embedder": {"provider": "openai", "config": {"api_key": "unused"}},
            "history_db_path": str(folder / "history.db"),
        }
    )
    memory.embedding_model = Embedding()
    try:
        yield memory
    finally:
        memory.close()
