"""The interface of a vector store: the narrowest that every backend can keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...model.records import IndexInfo
from ...model.user_id import UserId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float32]

PUT_BATCH = 500
"""Vectors written together: as many as S3 Vectors accepts in one request."""


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A memory as a store holds it: mem0's payload, and a unit vector of the index's length.

    `values` is None if vectors were not requested, or the store has lost them.
    """

    key: str
    payload: Mapping[str, Any]
    values: Values | None = None


class VectorStore(Protocol):
    """One index of a vector store. All failures are `BackendError`s."""

    def put(self, vectors: Sequence[Vector]) -> None:
        """Write whole vectors and payloads, replacing those of the same key; safe to repeat."""

    def get(self, keys: Iterable[str], *, with_values: bool = False) -> dict[str, Vector]:
        """Return the vectors of these keys; missing ones are left out."""

    def keys(self) -> Iterator[str]:
        """Yield every key of the index, in no particular order: a full scan."""

    def query(
        self, user_id: UserId, values: Values, limit: int, words: str = ""
    ) -> list[tuple[str, float | None]]:
        """Return keys of this user's nearest vectors with their cosine, nearest first.

        An index that can search texts gets the `words` as well, and fuses both rankings; a vector
        found by words alone has None. Approximate: matches may be missing. Never use
        it to list, count or delete.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the vectors; missing ones are not an error."""

    def erase(self, keys: Iterable[str]) -> None:
        """Remove the vectors as `delete` does, and leave nothing of their text on the medium."""

    def describe(self) -> IndexInfo:
        """Return the description of the index."""

    def close(self) -> None: ...
