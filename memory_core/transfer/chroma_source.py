"""ChromaDB as a source: a folder, or a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, repeat
from pathlib import Path
from typing import Any

from ..errors import MigrationError
from ..ledger import Ledger
from ..model.counting import batches
from ..storage.objects import LocalObjects
from ..storage.vectors.chroma import open_server
from ..storage.vectors.chroma_readonly import ChromaReader, is_chroma
from .incoming_memory import Incoming, from_payload
from .reports import MigrationSource, Part

_BATCH = 500
_PAGE = ["metadatas", "documents", "embeddings"]
# Collections of mem0 that hold no memories: a note of its telemetry, and names from texts.
_NOT_MEMORIES = {"mem0migrations": "a note of mem0's telemetry"}
_ENTITIES = ("_entities", "-entities")


@contextmanager
def open_folder(
    path: Path, collection: str | None, record: Path | None = None
) -> Iterator[MigrationSource]:
    """Open a folder; `collection` is one of its collections, None for all of them.

    `record` is the folder of its ledger; without it the ledger is looked for in the folder and in
    the one above, as in a backup beside the database and in Holdfast's own layout.
    """
    folder = next((place for place in (path, path / "chroma") if is_chroma(place)), None)
    place = folder or path
    roots = [record] if record else [place, place.parent]
    ledgers = (Ledger(LocalObjects(root), frugal=True) for root in roots if not collection)
    ledger = next((ledger for ledger in ledgers if not ledger.is_empty()), None)
    if folder is None:
        if ledger is None:
            raise _not_chroma(path)
        yield MigrationSource(lambda: iter(()), list, ledger)
        return
    with ChromaReader(folder) as reader:
        parts = {
            each: _part(each.name, reader.count(each), each.dimension, reader.metric(each))
            for each in _chosen(reader.collections(), collection, path)
        }

        def stored() -> Iterator[Incoming]:
            number = count(1)
            for each in [each for each, part in parts.items() if not part.skipped]:
                for batch in batches(reader.memories(each), _BATCH):
                    values = reader.values(each, [row.id for row in batch])
                    for row in batch:
                        yield from_payload(row.id, row.payload, values.get(row.id), next(number))

        yield MigrationSource(stored, lambda: [*parts.values()], ledger)


@contextmanager
def open_http(host: str, port: int, collection: str | None) -> Iterator[MigrationSource]:
    """Open a ChromaDB server, of which one collection or all are read, page by page."""
    import numpy as np

    with open_server(host, port) as client:
        collections = [
            client.get_collection(each.name, embedding_function=None)
            for each in client.list_collections()
        ]
        chosen = _chosen(collections, collection, f"{host}:{port}")
        parts = [(each, _server_part(each)) for each in chosen]

    def stored() -> Iterator[Incoming]:
        number = count(1)
        for each, part in parts:
            for offset in range(0, 0 if part.skipped else part.rows, _BATCH):
                with open_server(host, port):
                    page = each.get(limit=_BATCH, offset=offset, include=_PAGE)
                vectors = repeat(None) if page["embeddings"] is None else page["embeddings"]
                rows = zip(page["ids"], page["metadatas"], page["documents"], vectors, strict=False)
                for memory_id, payload, text, values in rows:
                    own = {**(payload or {}), **({"chroma:document": text} if text else {})}
                    values = None if values is None else np.asarray(values, dtype=np.float32)
                    yield from_payload(memory_id, own, values, next(number))

    yield MigrationSource(stored, lambda: [part for _, part in parts])


def _not_chroma(path: Path) -> MigrationError:
    if not path.is_dir():
        return MigrationError(f"there is no folder {str(path)!r}; check the path")
    if any(path.glob("chroma-*.parquet")) or (path / "index").is_dir():
        return MigrationError(
            f"{str(path)!r} was made by a ChromaDB older than 0.4; convert it with the tool "
            "chroma-migrate first, then migrate the folder that it makes"
        )
    return MigrationError(
        f"{str(path)!r} is not a ChromaDB folder: it has no chroma.sqlite3; name the folder that "
        "has one"
    )


def _chosen(collections: list[Any], wanted: str | None, where: object) -> list[Any]:
    chosen = [each for each in collections if wanted in (None, each.name)]
    if wanted and not chosen:
        names = ", ".join(sorted(repr(each.name) for each in collections)) or "none"
        raise MigrationError(
            f"ChromaDB in {str(where)!r} has no collection {wanted!r}; it has {names}"
        )
    return chosen


def _part(name: str, rows: int, dimension: int | None, metric: str) -> Part:
    named = name.endswith(_ENTITIES)
    skipped = (
        "names that mem0 found in texts, no memories" if named else _NOT_MEMORIES.get(name, "")
    )
    return Part(name, rows, dimension, metric, skipped)


def _server_part(collection: Any) -> Part:
    metric = str((collection.configuration_json.get("hnsw") or {}).get("space", ""))
    return _part(collection.name, collection.count(), collection._model.dimension, metric)
