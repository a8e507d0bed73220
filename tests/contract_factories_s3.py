"""S3 Vectors in the variants that have to pass the contract."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from memory_core.objects import ObjectStore
from memory_core.stores import VectorStore

from .s3_bench import open_bench

OpenStore = Callable[[int, bool], VectorStore]
"""Given the dimensions and whether to make a missing index; may be called again to reopen it."""

Opened = tuple[ObjectStore, OpenStore, Callable[[], None]]

_SWITCHES: dict[str, dict[str, Any]] = {
    "s3_vectors": {},
    "s3_vectors_classic": {"classic_only": True},
    "s3_vectors_pages_of_one": {"page_size": 1},
    "s3_vectors_lossy": {"lossy_queries": 0.3},
}


def s3_factories() -> dict[str, Callable[[], Opened]]:
    """Return, by name, what opens an empty bucket and index and says how to close them.

    Each call starts a stand-in of its own, empty. It holds until the third of the returned is
    called; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are in the environment until then.
    """
    return {name: lambda one=switches: _open(one) for name, switches in _SWITCHES.items()}  # type: ignore[misc]


def _open(switches: dict[str, Any]) -> Opened:
    stack = ExitStack()
    bench = stack.enter_context(open_bench(**switches))

    def open_store(dimensions: int, create: bool) -> VectorStore:
        return bench.store(dimensions, create=create)

    return bench.objects(), open_store, stack.close
