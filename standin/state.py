"""State on disk: rows in one SQLite file, written before the answer is sent."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FILE_NAME = "standin.sqlite3"
LOCK_NAME = "standin.lock"


class DirectoryInUse(Exception):
    """Two processes on one directory would overwrite each other's state."""


@dataclass(frozen=True, slots=True)
class Row:
    """A value and where it belongs; kinds are bucket, index, vector, s3-bucket, s3-key ..."""

    kind: str
    owner: str
    name: str
    value: bytes = b""


class Store:
    """Rows by (kind, owner, name). Without a directory nothing is kept."""

    def __init__(self, directory: Path | None):
        self._lock = threading.Lock()
        self._held = _hold(directory) if directory is not None else None
        self._db = _open(directory) if directory is not None else None

    @property
    def durable(self) -> bool:
        """Say whether rows outlive the process."""
        return self._db is not None

    def rows(self, kind: str) -> Iterator[Row]:
        """Return all rows of a kind, oldest first."""
        if self._db is None:
            return iter(())
        query = "SELECT kind, owner, name, value FROM rows WHERE kind = ? ORDER BY rowid"
        with self._lock:
            return iter([Row(*found) for found in self._db.execute(query, (kind,))])

    def write(self, puts: Iterable[Row] = (), deletes: Iterable[Row] = ()) -> None:
        """Put and delete rows in one transaction that is on disk when this returns."""
        if self._db is None:
            return
        with self._lock, self._db:
            self._db.executemany(
                "DELETE FROM rows WHERE kind = ? AND owner = ? AND name = ?",
                [(row.kind, row.owner, row.name) for row in deletes],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO rows (kind, owner, name, value) VALUES (?, ?, ?, ?)",
                [(row.kind, row.owner, row.name, row.value) for row in puts],
            )

    def drop_owner(self, kind: str, owner: str, also: Iterable[Row] = ()) -> None:
        """Delete all rows of an owner, and the rows of `also`, in one transaction."""
        if self._db is None:
            return
        with self._lock, self._db:
            self._db.execute("DELETE FROM rows WHERE kind = ? AND owner = ?", (kind, owner))
            self._db.executemany(
                "DELETE FROM rows WHERE kind = ? AND owner = ? AND name = ?",
                [(row.kind, row.owner, row.name) for row in also],
            )

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
        if self._held is not None:
            self._held.close()


def _hold(directory: Path) -> IO[str]:
    """Keep other processes out of the directory until the file is closed, or this process dies."""
    directory.mkdir(parents=True, exist_ok=True)
    held = (directory / LOCK_NAME).open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise DirectoryInUse(f"another stand-in uses {directory}; end it first") from None
    return held


def _open(directory: Path) -> sqlite3.Connection:
    db = sqlite3.connect(directory / FILE_NAME, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(
        "CREATE TABLE IF NOT EXISTS rows (kind TEXT, owner TEXT, name TEXT, value BLOB, "
        "PRIMARY KEY (kind, owner, name))"
    )
    db.commit()
    return db
