"""One save beside plain mem0's raw add on ChromaDB, with the same embedder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memory_core import Settings, open_service
from memory_core.embedders import Embedder
from memory_core.embedders.local import LocalEmbedder
from memory_core.settings import silence_telemetry

from .table import Row, medians_ms

_WARM, _TIMES = 20, 150


def measure(folder: Path) -> list[Row]:
    """Save different texts for one user, alternately here and there."""
    chroma = {"collection_name": "plain", "path": str(folder / "plain")}
    plain = open_plain_mem0(folder, LocalEmbedder(), "chroma", chroma)
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(folder / "ours")})) as service:

        def ours(number: int) -> None:
            service.add_text_memory("alice", f"Alice went to place number {number}.")

        def verified(number: int) -> None:
            service.add_text_memory("bob", f"Bob went to place number {number}.", verify=True)

        def theirs(number: int) -> None:
            text = f"Alice went to place number {number}."
            plain.add([{"role": "user", "content": text}], user_id="alice", infer=False)

        for number in range(_WARM):
            ours(-1 - number)
            theirs(-1 - number)
        save, add = medians_ms(ours, theirs, _TIMES)
        save_verified, add_again = medians_ms(verified, theirs, _TIMES)
    return [
        Row("save / mem0 raw add on ChromaDB", save, add, "ms", 1.5),
        Row("save, read back / mem0 raw add", save_verified, add_again, "ms", 2.0),
    ]


def open_plain_mem0(folder: Path, embedder: Embedder, store: str, config: dict[str, Any]) -> Any:
    """Return mem0's own Memory on one of its own stores, with our embedder put in."""
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
    return memory
