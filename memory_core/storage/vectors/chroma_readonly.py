"""Read-only access to a ChromaDB folder, without importing chromadb.

ChromaDB itself locks, migrates and writes what it opens. This reader leaves the folder unchanged.
It reads the database of every version since 0.4, and changes still in its queue.
"""

from __future__ import annotations

import json
import pickletools
import re
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ...errors import BackendError, BackendUnavailable
from ..sqlite_readonly import is_busy, open_readonly

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float32]

DATABASE = "chroma.sqlite3"
_DELETE = 3
"""The queue's operation to delete a row; others merge into it."""

_HEADER = struct.Struct("<iQQQQQQ")
_FORMAT = 1
# Instructions of a pickle that hold a number, not the place of one.
_INTEGERS = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4"}
# Emptied, not dropped: SQLite drops no table while the connection reads a query.
_TABLES = """
CREATE TEMP TABLE IF NOT EXISTS queued (id TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
CREATE TEMP TABLE IF NOT EXISTS labels (id TEXT PRIMARY KEY, label INTEGER) WITHOUT ROWID;
DELETE FROM temp.queued;
DELETE FROM temp.labels;
"""

_Waiting = dict[str, tuple[bool, dict[str, Any]] | None]
"""Queued changes of a row: None if deleted, else whether it was deleted before, and the values."""


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection; the dimension of its vectors is None while it has none."""

    id: str
    name: str
    dimension: int | None


@dataclass(frozen=True, slots=True)
class StoredMemory:
    """A row of a collection: id and payload, without its vector."""

    id: str
    payload: Mapping[str, Any]


def is_chroma(path: Path) -> bool:
    """Return whether a folder has a database of ChromaDB."""
    return (path / DATABASE).is_file()


def has_index(folder: Path) -> bool:
    """Return whether the files of a segment are consistent, and of the supported format."""
    return _Index.open(folder) is not None


class ChromaReader:
    """A context manager over one folder.

    Raises:
        BackendError: it is not a database of ChromaDB, damaged, or of an unknown version.
        BackendUnavailable: the disk failed, or another process kept the database locked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._vectors: tuple[str, FolderVectors] | None = None

    def __enter__(self) -> Self:
        with self._stack:
            self._database = self._open()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def collections(self) -> list[Collection]:
        """Return every collection of the folder, by name."""
        rows = self._rows("SELECT id, name, dimension FROM collections ORDER BY name")
        return [Collection(*row) for row in rows]

    def memories(
        self, collection: Collection, keys: tuple[str, ...] | None = None
    ) -> Iterator[StoredMemory]:
        """Yield every row, with all keys of its payload or only the `keys` given."""
        waiting = self._waiting(collection, keys)
        for row_id, payload in self._stored(collection, keys):
            change = waiting.pop(row_id, (False, {}))
            if change is not None:
                replaced, values = change
                merged = values if replaced else {**payload, **values}
                yield StoredMemory(row_id, _present(merged))
        for row_id, change in waiting.items():
            if change is not None:
                yield StoredMemory(row_id, _present(change[1]))

    def count(self, collection: Collection) -> int:
        """Return the number of rows in the tables, without changes still in the queue."""
        query = (
            "SELECT count(*) FROM segments s JOIN embeddings e ON e.segment_id = s.id "
            "WHERE s.collection = ? AND s.scope = 'METADATA'"
        )
        return int(self._single(query, collection.id))

    def metric(self, collection: Collection) -> str:
        """Return the metric of the collection: l2, cosine or ip."""
        query = "SELECT str_value FROM collection_metadata WHERE collection_id = ? AND key = ?"
        for (space,) in self._rows(query, (collection.id, "hnsw:space")):
            return str(space)
        for name in ("config_json_str", "schema_str"):
            if self._has_column("collections", name):
                text = self._single(f"SELECT {name} FROM collections WHERE id = ?", collection.id)
                if space := re.search(r'"space"\s*:\s*"(\w+)"', text or ""):
                    return space[1]
        return "l2"

    def values(self, collection: Collection, ids: Iterable[str]) -> dict[str, Values]:
        """Return the vectors of some rows as they were stored; lost ones are left out."""
        try:
            if self._vectors is None or self._vectors[0] != collection.id:
                opened = FolderVectors(self._database, self._path, collection.id)
                self._vectors = collection.id, opened
            return self._vectors[1].of(ids)
        except sqlite3.Error as exc:
            raise self._failed(exc) from exc

    def _stored(
        self, collection: Collection, keys: tuple[str, ...] | None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        chosen = f"AND m.key IN ({', '.join('?' * len(keys))})" if keys else ""
        flag = "m.bool_value" if self._has_column("embedding_metadata", "bool_value") else "NULL"
        rows = self._rows(
            "SELECT e.id, e.embedding_id, m.key, m.string_value, m.int_value, m.float_value, "
            f"{flag} FROM segments s JOIN embeddings e ON e.segment_id = s.id "
            f"LEFT JOIN embedding_metadata m ON m.id = e.id {chosen} "
            "WHERE s.collection = ? AND s.scope = 'METADATA' ORDER BY e.id",
            (*(keys or ()), collection.id),
        )
        table = "embedding_metadata_array"
        exists = any(self._rows("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))
        lists = not keys and exists and any(self._rows(f"SELECT 1 FROM {table} LIMIT 1"))
        for (number, row_id), group in groupby(rows, key=lambda row: row[:2]):
            payload = {name: _value(*values) for _, _, name, *values in group if name is not None}
            yield row_id, payload | (self._lists(number) if lists else {})

    def _lists(self, number: int) -> dict[str, list[Any]]:
        """Return the list values of a row, which newer versions keep in a table of their own."""
        lists: dict[str, list[Any]] = {}
        for name, *values in self._rows(
            "SELECT key, string_value, int_value, float_value, bool_value "
            "FROM embedding_metadata_array WHERE id = ? ORDER BY rowid",
            (number,),
        ):
            lists.setdefault(name, []).append(_value(*values))
        return lists

    def _waiting(self, collection: Collection, keys: tuple[str, ...] | None) -> _Waiting:
        """Return the changes of the queue that are not yet in the tables."""
        applied = self._single(
            "SELECT max(q.seq_id) FROM segments s JOIN max_seq_id q ON q.segment_id = s.id "
            "WHERE s.collection = ? AND s.scope = 'METADATA'",
            collection.id,
        )
        if isinstance(applied, bytes):
            applied = int.from_bytes(applied, "big")
        waiting: _Waiting = {}
        for row_id, operation, metadata in self._rows(
            "SELECT id, operation, metadata FROM embeddings_queue "
            "WHERE topic LIKE ? AND seq_id > ? ORDER BY seq_id",
            (f"%{collection.id}", applied or 0),
        ):
            values = json.loads(metadata) if metadata else {}
            kept = {key: val for key, val in values.items() if not keys or key in keys}
            if operation == _DELETE:
                waiting[row_id] = None
            else:
                replaced, before = waiting.get(row_id, (False, {})) or (True, {})
                waiting[row_id] = (replaced, {**before, **kept})
        return waiting

    def _has_column(self, table: str, name: str) -> bool:
        return any(row[1] == name for row in self._rows(f"PRAGMA table_info({table})"))

    def _single(self, query: str, value: str) -> Any:
        return next(self._rows(query, (value,)))[0]

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
        try:
            yield from self._database.execute(query, values)
        except sqlite3.Error as exc:
            raise self._failed(exc) from exc

    def _open(self) -> sqlite3.Connection:
        try:
            return open_readonly(
                self._path / DATABASE, "SELECT count(*) FROM collections", self._stack
            )
        except sqlite3.Error as exc:
            raise self._failed(exc) from exc
        except OSError as exc:
            raise BackendUnavailable(
                f"could not read ChromaDB in {str(self._path)!r}: {exc.strerror or exc}; check the "
                "disk and who owns the folder",
                backend="chroma",
                operation="read",
                code=str(exc.errno or ""),
            ) from exc

    def _failed(self, exc: sqlite3.Error) -> BackendError:
        if is_busy(exc):
            return BackendUnavailable(
                f"another process is writing to {str(self._path / DATABASE)!r}; end it, or try "
                "again when it is done",
                backend="chroma",
                operation="read",
                code="locked",
            )
        return BackendError(
            f"{str(self._path / DATABASE)!r} cannot be read as a database of ChromaDB: {exc}; "
            "check that the folder belongs to ChromaDB and is complete",
            backend="chroma",
            operation="read",
            code=type(exc).__name__,
        )


class FolderVectors:
    """The vectors of one collection; temporary tables hold their positions."""

    def __init__(self, database: sqlite3.Connection, folder: Path, collection_id: str) -> None:
        self._database = database
        database.executescript(_TABLES)
        query = (
            "INSERT INTO temp.queued SELECT id, max(seq_id) FROM embeddings_queue "
            "WHERE topic LIKE ? AND vector IS NOT NULL GROUP BY id"
        )
        database.execute(query, (f"%{collection_id}",))
        query = "SELECT id FROM segments WHERE collection = ? AND scope = 'VECTOR'"
        segment = database.execute(query, (collection_id,)).fetchone()
        self._index = _Index.open(folder / segment[0]) if segment else None
        if self._index:
            labels = _read_labels(folder / segment[0] / "index_metadata.pickle")
            database.executemany("INSERT OR REPLACE INTO temp.labels VALUES (?, ?)", labels)

    def of(self, ids: Iterable[str]) -> dict[str, Values]:
        """Return the vectors of some rows, as they were stored."""
        import numpy as np

        wanted = list(ids)
        marks = ", ".join("?" * len(wanted))
        vectors: dict[str, Values] = {}
        if self._index:
            rows = self._database.execute(
                f"SELECT id, label FROM temp.labels WHERE id IN ({marks})", wanted
            )
            vectors |= self._index.read(dict(rows))
        for row_id, vector, encoding in self._database.execute(
            "SELECT q.id, q.vector, q.encoding FROM temp.queued n JOIN embeddings_queue q "
            f"ON q.seq_id = n.seq WHERE n.id IN ({marks})",
            wanted,
        ):
            if encoding == "FLOAT32" and isinstance(vector, bytes) and not len(vector) % 4:
                vectors[row_id] = np.frombuffer(vector, dtype="<f4")
        return vectors


class _Index:
    """The file of hnswlib, mapped into memory and read row by row."""

    def __init__(self, rows: NDArray[np.uint8], label_at: int, data_at: int) -> None:
        import numpy as np

        self._vectors = rows[:, data_at:label_at]
        labels = np.ascontiguousarray(rows[:, label_at : label_at + 8]).view("<u8").ravel()
        self._order = np.argsort(labels, kind="stable")
        self._labels = labels[self._order]

    @classmethod
    def open(cls, folder: Path) -> _Index | None:
        """Return None if it is missing or of another format."""
        import numpy as np

        try:
            header = _HEADER.unpack((folder / "header.bin").read_bytes()[: _HEADER.size])
            version, start, _, count, size, label_at, data_at = header
            rows = np.memmap(folder / "data_level0.bin", dtype=np.uint8, mode="r")
        except (OSError, ValueError, struct.error):
            return None
        fits = version == _FORMAT and start == 0 and data_at < label_at <= size - 8
        if not fits or (label_at - data_at) % 4 or not 0 < count * size <= len(rows):
            return None
        return cls(rows[: count * size].reshape(count, size), label_at, data_at)

    def read(self, labels: dict[str, int]) -> dict[str, Values]:
        import numpy as np

        vectors: dict[str, Values] = {}
        for row_id, label in labels.items():
            at = int(np.searchsorted(self._labels, label))
            if at < len(self._labels) and self._labels[at] == label:
                row = np.ascontiguousarray(self._vectors[self._order[at]])
                vectors[row_id] = row.view("<f4")
        return vectors


def _read_labels(file: Path) -> Iterator[tuple[str, int]]:
    """Yield ids and labels. The pickle is not loaded: that takes memory and could run any code."""
    try:
        with file.open("rb") as content:
            text: str | None = None
            within = False
            for opcode, value, _ in pickletools.genops(content):
                if isinstance(value, str) and "UNICODE" in opcode.name:
                    if within and value == "label_to_id":
                        return
                    within = within or value == "id_to_label"
                    text = value
                elif within and text and isinstance(value, int) and opcode.name in _INTEGERS:
                    yield text, value
                    text = None
    except (OSError, ValueError, TypeError):
        return


def _present(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if value is not None}


def _value(text: Any, whole: Any, fraction: Any, flag: Any) -> Any:
    if flag is not None:
        return bool(flag)
    return next((value for value in (text, whole, fraction) if value is not None), None)
