"""ChromaDB as a source: a folder, or a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..errors import MigrationError
from ..ledger import ROOT, Ledger
from ..model.counting import batches
from ..storage.objects import LocalObjects
from ..storage.vectors.chroma import open_server
from ..storage.vectors.chroma_readonly import ChromaReader, Collection, is_chroma
from .incoming_memory import Incoming, from_payload
from .reports import Part

if TYPE_CHECKING:
    from .incoming_memory import Values

_BATCH = 500
# Collections of mem0 that hold no memories: a note of its telemetry, and names from texts.
_NOT_MEMORIES = {"mem0migrations": "a note of mem0's telemetry"}
_ENTITIES = ("_entities", "-entities")


class ChromaSource:
    """A folder; `collection` is one of its collections, None for all of them.

    `record` is the folder of its ledger; without it the ledger is looked for in the folder and in
    the one above, as in a backup beside the database and in Holdfast's own layout.
    """

    def __init__(self, path: Path, collection: str | None, record: Path | None = None) -> None:
        self._record = record
        self.ledger: Ledger | None = None
        self._path = path
        self._collection = collection
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            folder = _folder_of(self._path)
            place = folder or self._path
            roots = [self._record] if self._record else [place, place.parent]
            self.ledger = None if self._collection else _ledger_of(roots)
            if folder is None and self.ledger is None:
                raise _not_chroma(self._path)
            self._reader = self._stack.enter_context(ChromaReader(folder)) if folder else None
            self._parts = list(self._read_parts())
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def parts(self) -> list[Part]:
        return [part for _, part in self._parts]

    def stored(self) -> Iterator[Incoming]:
        number = 0
        for collection, part in self._parts:
            if self._reader is None or part.skipped:
                continue
            for batch in batches(self._reader.memories(collection), _BATCH):
                values = self._reader.values(collection, [row.id for row in batch])
                for row in batch:
                    number += 1
                    yield from_payload(row.id, row.payload, values.get(row.id), number)

    def _read_parts(self) -> Iterator[tuple[Collection, Part]]:
        if self._reader is None:
            return
        for each in _chosen(self._reader.collections(), self._collection, self._path):
            rows, metric = self._reader.count(each), self._reader.metric(each)
            yield each, Part(each.name, rows, each.dimension, metric, _why_skipped(each.name))


class ChromaServer:
    """A ChromaDB server, of which one collection or all are read, page by page."""

    ledger: Ledger | None = None

    def __init__(self, host: str, port: int, collection: str | None) -> None:
        self._at = host, port
        self._collection = collection

    def __enter__(self) -> Self:
        host, port = self._at
        with open_server(host, port) as client:
            collections = [
                client.get_collection(each.name, embedding_function=None)
                for each in client.list_collections()
            ]
            chosen = _chosen(collections, self._collection, f"{host}:{port}")
            self._parts = [(each, _server_part(each)) for each in chosen]
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def parts(self) -> list[Part]:
        return [part for _, part in self._parts]

    def stored(self) -> Iterator[Incoming]:
        number = 0
        for collection, part in self._parts:
            for offset in range(0, 0 if part.skipped else part.rows, _BATCH):
                for memory_id, payload, text, values in self._page(collection, offset):
                    number += 1
                    own = {**(payload or {}), **({"chroma:document": text} if text else {})}
                    yield from_payload(memory_id, own, values, number)

    def _page(
        self, collection: Any, offset: int
    ) -> Iterator[tuple[str, Mapping[str, Any] | None, str | None, Values | None]]:
        import numpy as np

        host, port = self._at
        with open_server(host, port):
            page = collection.get(
                limit=_BATCH, offset=offset, include=["metadatas", "documents", "embeddings"]
            )
        rows = page["embeddings"]
        values = (
            [None] * len(page["ids"])
            if rows is None
            else [None if row is None else np.asarray(row, dtype=np.float32) for row in rows]
        )
        return zip(page["ids"], page["metadatas"], page["documents"], values, strict=True)


def _folder_of(path: Path) -> Path | None:
    """Return the folder of the database: this one, or the one that Holdfast makes in it."""
    return next((folder for folder in (path, path / "chroma") if is_chroma(folder)), None)


def _ledger_of(roots: list[Path]) -> Ledger | None:
    for root in roots:
        objects = LocalObjects(root)
        if next(objects.list(ROOT), None) is not None:
            return Ledger(objects, frugal=True)
    return None


def _not_chroma(path: Path) -> MigrationError:
    if not path.is_dir():
        return MigrationError(f"there is no folder {str(path)!r}; check the path")
    if any(path.glob("chroma-*.parquet")) or (path / "index").is_dir():
        return MigrationError(
            f"{str(path)!r} was made by a ChromaDB older than 0.4; convert it with the tool "
            "chroma-migrate first, then migrate the folder that it makes"
        )
    return MigrationError(
        f"{str(path)!r} is no ChromaDB folder, there is no chroma.sqlite3 in it; name the folder "
        "that has one"
    )


def _chosen(collections: list[Any], wanted: str | None, where: object) -> list[Any]:
    chosen = [each for each in collections if wanted in (None, each.name)]
    if wanted and not chosen:
        names = ", ".join(sorted(repr(each.name) for each in collections)) or "none"
        raise MigrationError(
            f"ChromaDB in {str(where)!r} has no collection {wanted!r}; it has {names}"
        )
    return chosen


def _why_skipped(name: str) -> str:
    if name.endswith(_ENTITIES):
        return "names that mem0 found in texts, no memories"
    return _NOT_MEMORIES.get(name, "")


def _server_part(collection: Any) -> Part:
    metric = str((collection.configuration_json.get("hnsw") or {}).get("space", ""))
    dimension = collection._model.dimension
    return Part(
        collection.name, collection.count(), dimension, metric, _why_skipped(collection.name)
    )
