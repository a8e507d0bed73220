"""The parametrized fixtures of the contract: one store, and one service, of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from memory_core import AsyncMemoryService, MemoryService, Settings
from memory_core.embedders import Embedder
from memory_core.stores import VectorStore

from .factories import STORES, build_service

DIMENSIONS = 8


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[VectorStore]:
    """An empty index of 8 dimensions."""
    opened = STORES[request.param](data_dir, DIMENSIONS)
    yield opened
    opened.close()


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


class Bench:
    """A service of one kind on the test's folder, which can be opened again."""

    def __init__(self, kind: str, data_dir: Path, embedder: Embedder) -> None:
        self.kind = kind
        self.data_dir = data_dir
        self._embedder = embedder
        # Its memories do not outlive it, so the same one is kept for every service.
        self._in_memory = STORES["in_memory"](data_dir, embedder.dimensions)
        self.service = self._open()

    def reopen(self) -> MemoryService:
        self.service.close()
        self.service = self._open()
        return self.service

    def _open(self) -> MemoryService:
        if self.kind == "async":
            settings = Settings.from_env({"MEMORY_DATA_DIR": str(self.data_dir)})
            awaited: Any = Awaited(settings)
            return awaited
        store = self._in_memory
        if self.kind != "in_memory":
            store = STORES[self.kind](self.data_dir, self._embedder.dimensions)
        return build_service(self.data_dir, self._embedder, store, name=self.kind)


@pytest.fixture(params=[*STORES, "async"])
def bench(request: pytest.FixtureRequest, data_dir: Path, embedder: Embedder) -> Iterator[Bench]:
    """A service over each store, and the asynchronous one over the embedded default."""
    opened = Bench(request.param, data_dir, embedder)
    yield opened
    opened.service.close()
