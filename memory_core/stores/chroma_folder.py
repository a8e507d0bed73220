"""One ChromaDB folder, shared safely with other processes: the only file that imports chromadb.

A PersistentClient keeps its vector index in memory. Two processes that write to one folder
overwrite each other's index and lose vectors (seen with chromadb 1.5.9: 3 of 1,200 gone, and `get`
with embeddings failing from then on). So every call holds a lock file, and a client that another
process has written past is opened again.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..errors import AccessDenied, BackendError, BackendUnavailable
from ..settings import silence_telemetry

if TYPE_CHECKING:
    from chromadb.api.client import Client

_DATABASE = "chroma.sqlite3"
_LOCK = ".holdfast.lock"
_GENERATION = ".holdfast.generation"
_LOCK_TIMEOUT_S = 60.0
_POLL_S = 0.002

_folders: WeakValueDictionary[str, ChromaFolder] = WeakValueDictionary()
_registry_lock = RLock()


def open_folder(path: Path) -> ChromaFolder:
    """Return this process's one handle on the folder; chromadb shares its client by path too."""
    with _registry_lock:
        key = os.path.realpath(path)
        folder = _folders.get(key)
        if folder is None:
            _folders[key] = folder = ChromaFolder(Path(key))
        return folder


class ChromaFolder:
    """A ChromaDB directory behind a lock; get it from `open_folder`."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self.path = path
        self._file_lock = FileLock(path / _LOCK, timeout=_LOCK_TIMEOUT_S, thread_local=False)
        self._thread_lock = RLock()
        self._client: Client | None = None
        self._collections: dict[str, Any] = {}
        self._generation = ""

    @contextmanager
    def client(self, operation: str, *, writes: bool = False) -> Iterator[Client]:
        """Hold the folder for one operation and translate what goes wrong.

        Raises:
            BackendUnavailable: the disk failed, or another process held the folder too long.
            BackendError: ChromaDB refused or is damaged.
        """
        from chromadb.errors import ChromaError
        from filelock import Timeout

        with self._thread_lock:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                with self._file_lock.acquire(poll_interval=_POLL_S):
                    client = self._current()
                    if writes:
                        self._begin_write()
                    yield client
            except Timeout as exc:
                raise BackendUnavailable(
                    f"another process has held ChromaDB in {str(self.path)!r} for "
                    f"{_LOCK_TIMEOUT_S:.0f} seconds; end it or try again",
                    backend="chroma",
                    operation=operation,
                ) from exc
            except PermissionError as exc:
                raise AccessDenied(
                    f"no permission to use ChromaDB in {str(self.path)!r}; check who owns the "
                    "folder, or set CHROMA_PATH to another one",
                    backend="chroma",
                    operation=operation,
                ) from exc
            except OSError as exc:
                raise BackendUnavailable(
                    f"could not use ChromaDB in {str(self.path)!r}: {exc.strerror or exc}; check "
                    "the disk, or set CHROMA_PATH to another folder",
                    backend="chroma",
                    operation=operation,
                    code=str(exc.errno or ""),
                ) from exc
            except (ChromaError, ValueError, sqlite3.Error) as exc:
                raise BackendError(
                    f"ChromaDB in {str(self.path)!r} failed to {operation}: {_first_line(exc)}; "
                    "if it lasts, move the folder away and restart",
                    backend="chroma",
                    operation=operation,
                    code=type(exc).__name__,
                ) from exc

    @contextmanager
    def collection(self, name: str, operation: str, *, writes: bool = False) -> Iterator[Any]:
        """Hold the folder and one of its collections, which must exist."""
        with self.client(operation, writes=writes) as client:
            found = self._collections.get(name)
            if found is None:
                found = self._collections[name] = client.get_collection(
                    name, embedding_function=None
                )
            yield found

    def exists(self) -> bool:
        """Say whether ChromaDB has a database here, without making one."""
        return (self.path / _DATABASE).is_file()

    def scrub(self, keys: Sequence[str]) -> None:
        """Take the text of deleted vectors out of the database file.

        ChromaDB 1.5.9 keeps it in its write-ahead queue, of which it reads only the vectors again,
        and SQLite in pages it has freed.
        """
        with self.client("forget", writes=True):
            self.close()
            with closing(sqlite3.connect(self.path / _DATABASE)) as database:
                database.execute("PRAGMA secure_delete = ON")
                database.executemany(
                    "UPDATE embeddings_queue SET metadata = NULL WHERE id = ?",
                    [(key,) for key in keys],
                )
                database.commit()
                database.execute("VACUUM")

    def close(self) -> None:
        """Let go of the files; the next call opens them again."""
        with self._thread_lock:
            if self._client is not None:
                self._client.close()
            self._client = None
            self._collections.clear()

    def _current(self) -> Client:
        generation = self._read_generation()
        if self._client is None or generation != self._generation:
            self.close()
            self._client = _open_client(self.path)
            self._generation = generation
        return self._client

    def _begin_write(self) -> None:
        # Before the write, so that a crash in the middle of it makes others look again.
        self._generation = f"{os.getpid()}-{time.time_ns()}"
        (self.path / _GENERATION).write_text(self._generation)

    def _read_generation(self) -> str:
        try:
            return (self.path / _GENERATION).read_text()
        except FileNotFoundError:
            return ""


@contextmanager
def open_server(host: str, port: int) -> Iterator[Client]:
    """Yield a client of a ChromaDB server, and translate what goes wrong.

    Raises:
        BackendUnavailable: nobody answers there.
        BackendError: what answers refused, or is no ChromaDB.
    """
    silence_telemetry()
    import chromadb
    import httpx
    from chromadb.config import Settings
    from chromadb.errors import ChromaError

    where = f"{host}:{port}"
    try:
        client: Any = chromadb.HttpClient(
            host=host, port=port, settings=Settings(anonymized_telemetry=False)
        )
        yield client
    except (ChromaError, ValueError, KeyError, httpx.HTTPError) as exc:
        if isinstance(exc, httpx.TransportError) or "connect" in str(exc).lower():
            raise BackendUnavailable(
                f"no ChromaDB server answers at {where}; check that it runs, and host and port",
                backend="chroma",
                operation="connect",
            ) from exc
        raise BackendError(
            f"the ChromaDB server at {where} failed: {_first_line(exc)}; check that it is one, of "
            "ChromaDB 1.0 or later",
            backend="chroma",
            operation="read",
            code=type(exc).__name__,
        ) from exc


def internal_error() -> type[Exception]:
    """Return the error of a `get` for which the index has lost a vector (chromadb 1.5.9)."""
    from chromadb.errors import InternalError

    return InternalError


def _open_client(path: Path) -> Client:
    silence_telemetry()
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient
    from chromadb.config import Settings

    try:
        client: Any = chromadb.PersistentClient(
            path=str(path), settings=Settings(anonymized_telemetry=False)
        )
    except Exception:
        # It keeps a system that failed to start, and hands it out at the next try (1.5.9).
        SharedSystemClient._identifier_to_system.pop(str(path), None)
        raise
    opened: Client = client
    return opened


def _first_line(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]
