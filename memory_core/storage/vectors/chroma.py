"""Vectors in a ChromaDB folder on the local disk: the only file that imports chromadb."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from copy import copy
from functools import cache
from importlib import import_module
from itertools import repeat
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ...errors import (
    AccessDenied,
    BackendError,
    BackendUnavailable,
    IndexDamaged,
    IndexMismatch,
)
from ...extras import require
from ...model.counting import batches, counted
from ...model.records import IndexInfo
from ...model.user_id import UserId
from ...settings import silence_telemetry, variable_set
from ..objects.local import keep_private, make_private_folder
from .base import Vector
from .chroma_readonly import DATABASE, is_chroma
from .chroma_trial import VectorFiles

if TYPE_CHECKING:
    import numpy as np
    from chromadb.api.client import Client
    from numpy.typing import NDArray

_LOCK = ".holdfast.lock"
_GENERATION = ".holdfast.generation"
_LOCK_TIMEOUT_S = 60.0
_POLL_S = 0.002
_BATCH = 500
_TRIED = 20
_METRIC = "cosine"
_EXACT = "exact_numbers"
_WORKERS = "TOKIO_WORKER_THREADS"
"""How many threads a client starts for ChromaDB's own tasks: one, as on a machine with one core.

With several, its pool of connections may lose count: one of them then keeps a core busy for ever,
and a client that is closed stops the whole process. Seen with ChromaDB 1.5.9, which has sqlx
0.8.6: https://github.com/launchbadge/sqlx/issues/3645.
"""
_logger = logging.getLogger("memory_core")

_folders: WeakValueDictionary[str, ChromaFolder] = WeakValueDictionary()
_registry_lock = RLock()


def open_chroma(path: Path, name: str, dimensions: int, *, create: bool) -> ChromaStore:
    """Open the collection `name`, creating it if `create`.

    A collection with damaged files is opened as well: the calls that need them fail.

    Raises:
        IndexMismatch: it is missing, or has another metric or dimension.
        BackendError: ChromaDB cannot use the folder.
        MissingExtra: ChromaDB is not installed.
    """
    require("chroma")
    folder = open_folder(path)
    if not create and not is_chroma(path):
        raise _missing(path, name)
    store = ChromaStore(folder, name)
    with suppress(IndexDamaged):
        with folder.client("open", name, writes=create) as client:
            names = {collection.name for collection in client.list_collections()}
            if name not in names:
                if not create:
                    raise _missing(path, name)
                cosine: Any = {"hnsw": {"space": _METRIC}}
                client.create_collection(name, configuration=cosine, embedding_function=None)
        info = store.describe()
        if info.metric != _METRIC or info.dimensions not in (0, dimensions):
            raise IndexMismatch(
                f"collection {name!r} has {counted(info.dimensions, 'dimension')} and metric "
                f"{info.metric!r}, the embedder makes {dimensions} and needs {_METRIC!r}; set "
                "MEMORY_INDEX to another name or MEMORY_EMBEDDER to the one that filled it",
                backend="chroma",
                operation="open",
            )
    return store


def collections(path: Path) -> list[str]:
    """Return the names of the collections in a ChromaDB folder, none if it does not exist.

    Raises:
        BackendError: ChromaDB cannot use the folder.
    """
    if not is_chroma(path):
        return []
    with open_folder(path).client("list") as client:
        return sorted(collection.name for collection in client.list_collections())


def read_through(path: str, name: str) -> str:
    """Read every vector of a collection and every link of its graph, which may end the process.

    Returns ChromaDB's error, or an empty string. A single lost vector is not damage.
    """
    _load()
    from chromadb.errors import ChromaError

    try:
        collection = _open_client(Path(path)).get_collection(name, embedding_function=None)
        keys = collection.get(include=[])["ids"]
        if dimensions := collection._model.dimension:
            question: Any = [[1.0] * dimensions]
            collection.query(query_embeddings=question, n_results=max(1, len(keys)), include=[])
    except ChromaError as exc:
        return _first_line(exc)
    lost = ""
    for batch in (*batches(keys, _BATCH), *([key] for key in keys[:: len(keys) // _TRIED + 1])):
        try:
            collection.get(ids=batch, include=["embeddings"])
        except ChromaError as exc:
            if lost and len(batch) == 1:
                return lost
            lost = _first_line(exc) if len(batch) == 1 else ""
    return ""


def open_folder(path: Path) -> ChromaFolder:
    """Return the handle of the folder, one in a process: chromadb shares clients by path too."""
    with _registry_lock:
        key = os.path.realpath(path)
        folder = _folders.get(key)
        if folder is None:
            _folders[key] = folder = ChromaFolder(Path(key))
        return folder


@contextmanager
def open_server(host: str, port: int) -> Iterator[Client]:
    """Yield a client of a ChromaDB server, and translate its errors.

    Raises:
        BackendUnavailable: the server does not answer.
        BackendError: the server refused, or is not ChromaDB.
        MissingExtra: the package is not installed.
    """
    require("chroma")
    _load()
    import chromadb
    import httpx
    from chromadb.errors import ChromaError

    where = f"{host}:{port}"
    try:
        client: Any = chromadb.HttpClient(host=host, port=port, settings=copy(_settings()))
        yield client
    except (ChromaError, ValueError, KeyError, httpx.HTTPError) as exc:
        if isinstance(exc, httpx.TransportError) or "connect" in str(exc).lower():
            raise BackendUnavailable(
                f"no ChromaDB server answers at {where}; check that it runs, the host and the port",
                backend="chroma",
                operation="connect",
            ) from exc
        raise BackendError(
            f"the ChromaDB server at {where} failed: {_first_line(exc)}; check that it runs "
            "ChromaDB 1.0 or later",
            backend="chroma",
            operation="read",
            code=type(exc).__name__,
        ) from exc


class ChromaFolder:
    """A ChromaDB directory behind a lock; get it from `open_folder`."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self.path = path
        self._file_lock = FileLock(path / _LOCK, timeout=_LOCK_TIMEOUT_S, thread_local=False)
        self._thread_lock = RLock()
        self._client: Client | None = None
        self._collections: dict[str, Any] = {}
        self._files: dict[str, VectorFiles] = {}
        self._checked: set[str] = set()
        self._generation = ""

    @contextmanager
    def client(self, operation: str, name: str = "", *, writes: bool = False) -> Iterator[Client]:
        """Lock the folder for one operation, on the collection `name`, and translate its errors.

        Raises:
            IndexDamaged: the vector files of the collection cannot be read.
            BackendUnavailable: the disk failed, or another process held the folder too long.
            BackendError: ChromaDB refused or is damaged.
        """
        _load()
        from chromadb.errors import ChromaError
        from filelock import Timeout

        def failed(kind: type[BackendError], message: str, code: str = "") -> BackendError:
            return kind(message, backend="chroma", operation=operation, code=code)

        where = f"ChromaDB in {str(self.path)!r}"
        with self._thread_lock:
            try:
                make_private_folder(self.path)
                with self._file_lock.acquire(poll_interval=_POLL_S):
                    client = self._current(name)
                    if writes:
                        # Before the write, so that others look again after a crash during it.
                        self._generation = f"{os.getpid()}-{time.time_ns()}"
                        (self.path / _GENERATION).write_text(self._generation)
                    yield client
                    if name and (files := self._find(name)):
                        files.mark()
                        self._checked.add(name)
                    if writes:
                        keep_private(self.path)
            except Timeout as exc:
                raise failed(
                    BackendUnavailable,
                    f"another process has held {where} for {_LOCK_TIMEOUT_S:.0f} seconds; end it "
                    "or try again",
                ) from exc
            except OSError as exc:
                raise failed(
                    AccessDenied if isinstance(exc, PermissionError) else BackendUnavailable,
                    f"could not use {where}: {exc.strerror or exc}; check the disk and who owns "
                    "the folder, or set CHROMA_PATH to another one",
                    str(exc.errno or ""),
                ) from exc
            except (ChromaError, ValueError, sqlite3.Error) as exc:
                raise failed(
                    BackendError,
                    f"{where} failed to {operation}: {_first_line(exc)}; if the error persists, "
                    "move the folder away and run `python -m memory_core rebuild`",
                    type(exc).__name__,
                ) from exc

    @contextmanager
    def collection(self, name: str, operation: str, *, writes: bool = False) -> Iterator[Any]:
        """Lock the folder, and yield one of its collections, which must exist."""
        with self.client(operation, name, writes=writes) as client:
            if name not in self._collections:
                self._collections[name] = client.get_collection(name, embedding_function=None)
            yield self._collections[name]

    def scrub(self, keys: Sequence[str]) -> None:
        """Erase the text of deleted vectors from the database file.

        ChromaDB 1.5.9 keeps it in its write-ahead queue, whose vectors alone it reads again, and
        SQLite in freed pages.
        """
        with self.client("forget", writes=True):
            self.close()
            with closing(sqlite3.connect(self.path / DATABASE)) as database:
                database.execute("PRAGMA secure_delete = ON")
                database.executemany(
                    "UPDATE embeddings_queue SET metadata = NULL WHERE id = ?",
                    [(key,) for key in keys],
                )
                database.commit()
                database.execute("VACUUM")

    def close(self) -> None:
        """Close the files; the next call opens them again."""
        with self._thread_lock:
            if self._client is not None:
                self._client.close()
            self._client = None
            self._collections.clear()
            self._checked.clear()

    def remove_damaged(self, name: str) -> bool:
        """Remove the vector files of a collection if ChromaDB cannot read them."""
        try:
            with self.client("open", name):
                return False
        except IndexDamaged:
            with self.client("rebuild", writes=True):
                shutil.rmtree(self._files.pop(name).folder)
                self.close()
            return True

    def _current(self, name: str) -> Client:
        generation = ""
        with suppress(FileNotFoundError):
            generation = (self.path / _GENERATION).read_text()
        if generation != self._generation:
            self.close()
            self._files.clear()
            self._generation = generation
        # This client does not read again what it has read before.
        if name and name not in self._checked and (files := self._find(name)):
            if not files.is_marked():
                self.close()
                files.check()
            self._checked.add(name)
        if self._client is None:
            self._client = _open_client(self.path)
            keep_private(self.path)
        return self._client

    def _find(self, name: str) -> VectorFiles | None:
        if name not in self._files and (files := VectorFiles.find(self.path / DATABASE, name)):
            self._files[name] = files
        return self._files.get(name)


class ChromaStore:
    """One collection; get it from `open_chroma`."""

    def __init__(self, folder: ChromaFolder, name: str) -> None:
        self._folder = folder
        self._name = name

    def put(self, vectors: Sequence[Vector]) -> None:
        unique = {vector.key: vector for vector in vectors}
        with self._folder.collection(self._name, "save", writes=True) as collection:
            for batch in batches(unique.values(), _BATCH):
                keys = [vector.key for vector in batch]
                before = collection.get(ids=keys, include=["metadatas"])
                stored = dict(zip(before["ids"], before["metadatas"] or [], strict=False))
                metadata = [_to_metadata(stored.get(row.key), row.payload) for row in batch]
                values = [vector.values for vector in batch]
                collection.upsert(ids=keys, embeddings=values, metadatas=metadata)

    def get(self, keys: Iterable[str], *, with_values: bool = False) -> dict[str, Vector]:
        vectors: dict[str, Vector] = {}
        with self._folder.collection(self._name, "read") as collection:
            for batch in batches(dict.fromkeys(keys), _BATCH):
                vectors |= _get(collection, batch, with_values)
        return vectors

    def keys(self) -> Iterator[str]:
        with self._folder.collection(self._name, "list") as collection:
            # All at once: page by page, a deletion by another program would hide a key.
            keys = collection.get(include=[])["ids"]
        yield from keys

    def query(
        self, user_id: UserId, values: NDArray[np.float32], limit: int, words: str = ""
    ) -> list[tuple[str, float | None]]:
        with self._folder.collection(self._name, "query") as collection:
            where = {"user_id": user_id}
            nearest = collection.query(
                query_embeddings=[values], n_results=limit, where=where, include=["distances"]
            )
        distances = (nearest["distances"] or [[]])[0]
        return [(key, 1.0 - gap) for key, gap in zip(nearest["ids"][0], distances, strict=True)]

    def delete(self, keys: Iterable[str]) -> None:
        with self._folder.collection(self._name, "delete", writes=True) as collection:
            for batch in batches(dict.fromkeys(keys), _BATCH):
                collection.delete(ids=batch)

    def erase(self, keys: Iterable[str]) -> None:
        unique = list(dict.fromkeys(keys))
        self.delete(unique)
        self._folder.scrub(unique)

    def describe(self) -> IndexInfo:
        with self._folder.client("describe", self._name) as client:
            # A new handle: an older one does not learn its dimension from a later write.
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


def _load() -> None:
    """Import chromadb without an exporter of traces that only its server uses: 12 MB, 0.2 s.

    Call it before any part of chromadb is imported.
    """
    silence_telemetry()
    if "chromadb" in sys.modules:
        return
    exporter = "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"
    nothing = ModuleType(exporter)
    nothing.__dict__["OTLPSpanExporter"] = object
    left_out = sys.modules.setdefault(exporter, nothing) is nothing
    try:
        import_module("chromadb")
    finally:
        if left_out:
            del sys.modules[exporter]


def _open_client(path: Path) -> Client:
    _load()
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient

    try:
        with variable_set(_WORKERS, "1"):
            client: Any = chromadb.PersistentClient(path=str(path), settings=copy(_settings()))
    except Exception:
        # chromadb keeps a system that failed to start, and reuses it next time (1.5.9).
        SharedSystemClient._identifier_to_system.pop(str(path), None)
        raise
    opened: Client = client
    return opened


@cache
def _settings() -> Any:
    """Return what a client changes a copy of: ChromaDB takes 3 ms to look for its variables."""
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def _first_line(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def _missing(path: Path, name: str) -> IndexMismatch:
    return IndexMismatch(
        f"ChromaDB in {str(path)!r} has no collection {name!r}, but memories are on record; check "
        "CHROMA_PATH, MEMORY_INDEX and MEMORY_EMBEDDER, or recreate it from the record with "
        "`python -m memory_core rebuild`",
        backend="chroma",
        operation="open",
    )


def _to_metadata(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata to store in place of `old`, as ChromaDB 1.5.9 needs it.

    An upsert merges it into the old, so the keys to drop are named; fractions are stored as text
    too, since the last digit of one in nine changes.
    """
    floats = {
        key: value
        for key, value in new.items()
        if isinstance(value[0] if isinstance(value, list) else value, float)
    }
    exact = {_EXACT: json.dumps(floats)} if floats else {}
    return {**dict.fromkeys(old or ()), **new, **exact}


def _without_exact_floats(stored: Mapping[str, Any] | None) -> dict[str, Any]:
    payload = dict(stored or {})
    exact: dict[str, Any] = json.loads(payload.pop(_EXACT, "{}"))
    return payload | exact


def _get(collection: Any, keys: list[str], with_values: bool) -> dict[str, Vector]:
    import numpy as np
    from chromadb.errors import InternalError

    include = ["metadatas", "embeddings"] if with_values else ["metadatas"]
    try:
        rows = collection.get(ids=keys, include=include)
    except InternalError as exc:
        # The whole call fails for a single vector that the index has lost (1.5.9).
        if len(keys) > 1:
            return {
                key: vector for key in keys for vector in _get(collection, [key], True).values()
            }
        _logger.warning("ChromaDB has lost the vector of memory %s: %s", keys[0], exc)
        return _get(collection, keys, with_values=False)
    values: Iterable[Any] = repeat(None)
    if with_values:
        values = [np.asarray(row, dtype=np.float32) for row in rows["embeddings"]]
    return {
        key: Vector(key, _without_exact_floats(payload), vector)
        for key, payload, vector in zip(rows["ids"], rows["metadatas"], values, strict=False)
    }
