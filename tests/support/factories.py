"""Every vector store that has to pass the contract, and services built on them by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from memory_core import MemoryService, Settings
from memory_core.embedders import Embedder
from memory_core.ledger import Ledger
from memory_core.storage.backend import Backend, select_backend
from memory_core.storage.objects import LocalObjects, ObjectStore
from memory_core.storage.vectors import VectorStore
from memory_core.storage.vectors.chroma import open_chroma
from tests.support.in_memory_store import InMemoryStore

StoreFactory = Callable[[Path, int], VectorStore]
"""Given the test's data folder and the dimensions: an index, made where there is none."""

COLLECTION = "contract"


def _in_memory(folder: Path, dimensions: int) -> VectorStore:
    return InMemoryStore(dimensions)


def _chroma(folder: Path, dimensions: int) -> VectorStore:
    return open_chroma(folder / "chroma", COLLECTION, dimensions, create=True)


STORES: dict[str, StoreFactory] = {"in_memory": _in_memory, "chroma": _chroma}


def build_service(
    data_dir: Path,
    embedder: Embedder,
    store: VectorStore,
    *,
    name: str = "in_memory",
    objects: ObjectStore | None = None,
) -> MemoryService:
    """Put a service together from its parts; the ledger is below `data_dir` unless given."""
    settings, selected = _selected(data_dir, embedder)
    own = LocalObjects(data_dir)
    backend = replace(selected, name=name, objects=own, open_store=lambda create: store)
    return MemoryService(settings, backend, embedder, Ledger(objects or own), store)


@lru_cache(maxsize=16)
def _selected(data_dir: Path, embedder: Embedder) -> tuple[Settings, Backend]:
    """Choose the backend of a folder once: to look for its disk takes longer than most calls."""
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(data_dir)})
    return settings, select_backend(settings, embedder)


def files_holding(folder: Path, word: str) -> list[str]:
    """Return the files below a folder that hold a word, in their name or content."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        # ChromaDB fills its vector files with whatever the process had in freed memory; no text is
        # stored there, but one may turn up (docs/caveats.md).
        if path.name not in {"data_level0.bin", "length.bin"}
        and (word in path.name or (path.is_file() and word.encode() in path.read_bytes()))
    ]
