"""Vectors in a ChromaDB folder on this machine's disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batches import batches
from ..errors import IndexMismatch
from ..identity import UserId
from ..records import IndexInfo
from .base import Vector
from .chroma_folder import ChromaFolder, internal_error, open_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH = 500
_METRIC = "cosine"
_EXACT = "exact_numbers"
_logger = logging.getLogger("memory_core")


def open_chroma(path: Path, name: str, dimensions: int, *, create: bool) -> ChromaStore:
    """Open the collection `name`, making it if `create`.

    Raises:
        IndexMismatch: it is missing, or has another metric or dimension.
        BackendError: ChromaDB cannot use the folder.
    """
    folder = open_folder(path)
    if not create and not folder.exists():
        raise _missing(path, name)
    with folder.client("open", writes=create) as client:
        names = {collection.name for collection in client.list_collections()}
        if name not in names:
            if not create:
                raise _missing(path, name)
            cosine: Any = {"hnsw": {"space": _METRIC}}
            client.create_collection(name, configuration=cosine, embedding_function=None)
    store = ChromaStore(folder, name, dimensions)
    store.check()
    return store


def collections(path: Path) -> list[str]:
    """Return the names of the collections in a ChromaDB folder, none where there is no folder.

    Raises:
        BackendError: ChromaDB cannot use the folder.
    """
    folder = open_folder(path)
    if not folder.exists():
        return []
    with folder.client("list") as client:
        return sorted(collection.name for collection in client.list_collections())


def _missing(path: Path, name: str) -> IndexMismatch:
    return IndexMismatch(
        f"ChromaDB in {str(path)!r} has no collection {name!r}, but memories are on record; check "
        "CHROMA_PATH, MEMORY_INDEX and MEMORY_EMBEDDER, or make it from the record with "
        "`python -m memory_core rebuild`",
        backend="chroma",
        operation="open",
    )


class ChromaStore:
    """One collection; get it from `open_chroma`."""

    def __init__(self, folder: ChromaFolder, name: str, dimensions: int) -> None:
        self._folder = folder
        self._name = name
        self._dimensions = dimensions

    def check(self) -> None:
        """Raise IndexMismatch when the collection cannot hold our vectors."""
        info = self.describe()
        if info.metric != _METRIC or info.dimensions not in (0, self._dimensions):
            raise IndexMismatch(
                f"collection {self._name!r} has {info.dimensions} dimensions and metric "
                f"{info.metric!r}, the embedder makes {self._dimensions} and needs {_METRIC!r}; "
                "set MEMORY_INDEX to another name or MEMORY_EMBEDDER to the one that filled it",
                backend="chroma",
                operation="open",
            )

    def put(self, vectors: Sequence[Vector]) -> None:
        unique = {vector.key: vector for vector in vectors}
        with self._folder.collection(self._name, "save", writes=True) as collection:
            for batch in batches(unique.values(), _BATCH):
                keys = [vector.key for vector in batch]
                before = collection.get(ids=keys, include=["metadatas"])
                stored = dict(zip(before["ids"], before["metadatas"] or [], strict=False))
                collection.upsert(
                    ids=keys,
                    embeddings=[vector.values for vector in batch],
                    metadatas=[
                        _replacing(stored.get(vector.key), vector.payload) for vector in batch
                    ],
                )

    def get(self, keys: Iterable[str], *, with_values: bool = False) -> dict[str, Vector]:
        found: dict[str, Vector] = {}
        with self._folder.collection(self._name, "read") as collection:
            for batch in batches(dict.fromkeys(keys), _BATCH):
                found |= _get(collection, list(batch), with_values)
        return found

    def keys(self) -> Iterator[str]:
        with self._folder.collection(self._name, "list") as collection:
            found = collection.get(include=[])["ids"]
        yield from found

    def query(
        self, user_id: UserId, values: NDArray[np.float32], limit: int, words: str = ""
    ) -> list[tuple[str, float | None]]:
        with self._folder.collection(self._name, "query") as collection:
            found = collection.query(
                query_embeddings=[values],
                n_results=limit,
                where={"user_id": user_id},
                include=["distances"],
            )
        distances = (found["distances"] or [[]])[0]
        return [(key, 1.0 - gap) for key, gap in zip(found["ids"][0], distances, strict=True)]

    def delete(self, keys: Iterable[str]) -> None:
        with self._folder.collection(self._name, "delete", writes=True) as collection:
            for batch in batches(dict.fromkeys(keys), _BATCH):
                collection.delete(ids=list(batch))

    def erase(self, keys: Iterable[str]) -> None:
        gone = list(dict.fromkeys(keys))
        self.delete(gone)
        self._folder.scrub(gone)

    def describe(self) -> IndexInfo:
        with self._folder.client("describe") as client:
            # Asked for anew: a collection at hand does not learn its dimension from a later write.
            collection = client.get_collection(self._name, embedding_function=None)
            configuration = collection.configuration_json.get("hnsw") or {}
            model: Any = collection._model
            return IndexInfo(
                "chroma",
                self._name,
                model.dimension or 0,
                str(configuration.get("space", "l2")),
                vectors=collection.count(),
            )

    def close(self) -> None:
        self._folder.close()


def _replacing(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """Name the keys to drop: an upsert merges metadata into what was there (chromadb 1.5.9)."""
    return dict.fromkeys(old or ()) | _with_exact_floats(new)


def _with_exact_floats(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Keep fractions as text too: ChromaDB 1.5.9 changes the last digit of one in nine."""
    floats = {key: value for key, value in payload.items() if _has_fraction(value)}
    return dict(payload) | ({_EXACT: json.dumps(floats)} if floats else {})


def _without_exact_floats(stored: Mapping[str, Any] | None) -> dict[str, Any]:
    payload = dict(stored or {})
    exact: dict[str, Any] = json.loads(payload.pop(_EXACT, "{}"))
    return payload | exact


def _has_fraction(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, list) and isinstance(value[0], float))


def _get(collection: Any, keys: list[str], with_values: bool) -> dict[str, Vector]:
    if not with_values:
        found = collection.get(ids=keys, include=["metadatas"])
        rows = zip(found["ids"], found["metadatas"], strict=True)
        return {key: Vector(key, _without_exact_floats(payload)) for key, payload in rows}
    try:
        found = collection.get(ids=keys, include=["metadatas", "embeddings"])
    except internal_error() as exc:
        return _get_around_losses(collection, keys, exc)
    with_rows = zip(found["ids"], found["metadatas"], found["embeddings"], strict=True)
    return {
        key: Vector(key, _without_exact_floats(payload), _float32(values))
        for key, payload, values in with_rows
    }


def _get_around_losses(collection: Any, keys: list[str], exc: Exception) -> dict[str, Vector]:
    """Read one by one: a single vector that its index has lost makes a whole `get` fail."""
    if len(keys) == 1:
        _logger.warning("ChromaDB has lost the vector of memory %s: %s", keys[0], exc)
        return _get(collection, keys, with_values=False)
    return {key: vector for one in keys for key, vector in _get(collection, [one], True).items()}


def _float32(values: Any) -> NDArray[np.float32]:
    import numpy as np

    return np.asarray(values, dtype=np.float32)
