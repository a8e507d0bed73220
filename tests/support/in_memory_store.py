"""The reference store: exact, in this process only, for tests and for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from memory_core.model.records import IndexInfo
from memory_core.model.user_id import UserId
from memory_core.storage.vectors.base import Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class InMemoryStore:
    """A dictionary of vectors; nothing outlives the object."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._vectors: dict[str, Vector] = {}

    def put(self, vectors: Sequence[Vector]) -> None:
        self._vectors |= {
            vector.key: replace(vector, payload=dict(vector.payload)) for vector in vectors
        }

    def get(self, keys: Iterable[str], *, with_values: bool = False) -> dict[str, Vector]:
        vectors = {key: self._vectors[key] for key in keys if key in self._vectors}
        if with_values:
            return vectors
        return {key: replace(vector, values=None) for key, vector in vectors.items()}

    def keys(self) -> Iterator[str]:
        yield from tuple(self._vectors)

    def query(
        self, user_id: UserId, values: NDArray[np.float32], limit: int, words: str = ""
    ) -> list[tuple[str, float | None]]:
        scored: list[tuple[str, float | None]] = [
            (vector.key, float(vector.values @ values))
            # A copy: another thread may put meanwhile.
            for vector in tuple(self._vectors.values())
            if vector.payload["user_id"] == user_id and vector.values is not None
        ]
        return sorted(scored, key=lambda match: -(match[1] or 0.0))[:limit]

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._vectors.pop(key, None)

    def erase(self, keys: Iterable[str]) -> None:
        self.delete(keys)

    def describe(self) -> IndexInfo:
        return IndexInfo(
            "in_memory", "memory", self._dimensions, "cosine", vectors=len(self._vectors)
        )

    def close(self) -> None:
        """Do nothing: no resource is open."""
