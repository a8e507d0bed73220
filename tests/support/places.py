"""Where the contract is kept: an empty place of each kind, what opens on it and lies in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from memory_core import AsyncMemoryService, MemoryService, Settings
from memory_core.embedders import Embedder
from memory_core.storage.vectors import VectorStore
from tests.support.factories import STORES, build_service, files_holding

DIMENSIONS = 8

LIVE = "s3_vectors_live"
LIVE_VARIABLE = "MEMORY_TEST_LIVE_BUCKET"

# What the stand-in is switched to before each test.
S3_SWITCHES: dict[str, dict[str, Any]] = {
    "s3_vectors": {},
    "s3_vectors_classic": {"classic_only": True},
    "s3_vectors_pages_of_one": {"page_size": 1},
    "s3_vectors_lossy": {"lossy_queries": 0.3},
    "s3_vectors_worst": {"classic_only": True, "page_size": 1, "lossy_queries": 0.3},
}
PROFILED = {
    f"s3_vectors_{name}": name for name in ("ceph", "noobaa", "s3mock", "floci", "supabase")
}
"""Kinds on stand-ins with the manners of another server, by profile."""
_REAL = [LIVE] if os.environ.get(LIVE_VARIABLE) else []
KINDS = [*STORES, "s3_vectors", "s3_vectors_worst", *PROFILED, *_REAL]
QUERIED = [*STORES, *S3_SWITCHES, *PROFILED, *_REAL]
"""For queries, which each switch of the stand-in changes in a way of its own."""
EVERYWHERE = [*KINDS, "async"]
SERVICES = [*STORES, "s3_vectors", "s3_vectors_worst", "s3_vectors_noobaa", *_REAL, "async"]
"""For the service: of the other servers the one that stores objects in ways of its own as well.

The others differ from Amazon in what a vector store does alone, which each store proves of itself.
"""
OF_THE_LEDGER = [*STORES, "s3_vectors", *_REAL, "async"]
"""For what the service and its ledger decide, over any store that keeps its own contract."""
FEW = [*STORES, "s3_vectors", *_REAL]
"""For what is decided before any store is asked."""


class Place(Protocol):
    """Somewhere to keep memories. Whatever is opened on it can be closed and opened again."""

    kind: str
    counts: bool
    """Whether the index knows how many vectors it holds."""
    finds_all: bool
    """Whether `VectorStore.query` misses no match."""

    def store(self, dimensions: int) -> VectorStore:
        """Open the index, made where there is none."""
        ...

    def service(self) -> MemoryService: ...

    def contents(self) -> object:
        """Return everything stored in a form that differs when anything was changed."""
        ...

    def holding(self, *words: str) -> set[str]:
        """Return those of the words that stand anywhere in what is stored."""
        ...


class Folder:
    """A folder on this machine; of the kind in_memory, the ledger alone is in it."""

    counts = True
    finds_all = True

    def __init__(self, kind: str, data_dir: Path, embedder: Embedder) -> None:
        self.kind = kind
        self._data_dir = data_dir
        self._embedder = embedder
        # Its memories do not outlive it, so the same one is kept for every service.
        self._in_memory = STORES["in_memory"](data_dir, embedder.dimensions)

    def store(self, dimensions: int) -> VectorStore:
        return STORES[self.kind](self._data_dir, dimensions)

    def service(self) -> MemoryService:
        if self.kind == "async":
            settings = Settings.from_env({"MEMORY_DATA_DIR": str(self._data_dir)})
            return cast(MemoryService, Awaited(settings))
        if self.kind == "in_memory":
            return build_service(self._data_dir, self._embedder, self._in_memory)
        store = self.store(self._embedder.dimensions)
        return build_service(self._data_dir, self._embedder, store, name=self.kind)

    def contents(self) -> object:
        # ChromaDB's own files change when it is merely read.
        folders = (self._data_dir / "ledger", self._data_dir / ".staging")
        found = {p: p.read_bytes() for f in folders for p in f.rglob("*") if p.is_file()}
        return found, [*map(Path.exists, folders)], sorted(folders[0].rglob("*"))

    def holding(self, *words: str) -> set[str]:
        return {word for word in words if files_holding(self._data_dir, word)}


class Awaited:
    """AsyncMemoryService behind the face of MemoryService: every call is run to its end."""

    def __init__(self, settings: Settings) -> None:
        self._service = AsyncMemoryService(settings)
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._run, name)

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._run("close")
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _run(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._loop.run_until_complete(getattr(self._service, name)(*args, **kwargs))
