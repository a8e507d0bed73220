"""Read-only access to an SQLite database that leaves it and its folder unchanged.

After a crash, or in WAL mode, it cannot be read without writing, and is read from a copy.
"""

import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import quote

_COMPANIONS = ("-journal", "-wal")
_WAL_AT, _WAL = 18, 2
_BUSY_S = 10.0
_WOULD_WRITE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def open_readonly(file: Path, probe: str, stack: ExitStack) -> sqlite3.Connection:
    """Open a file for reading until the stack is closed; `probe` is a query that must succeed.

    Raises:
        sqlite3.Error: it is not a database, damaged, or the probe fails.
        OSError: it cannot be read.
    """
    with file.open("rb") as content:
        writes = content.read(100)[_WAL_AT : _WAL_AT + 1] == bytes([_WAL])
    if not writes:
        database = _connect(file, "ro", stack)
        try:
            database.execute(probe).fetchone()
            return database
        except sqlite3.OperationalError as exc:
            # A crash left a journal, which would be rolled back first.
            if exc.sqlite_errorcode & 0xFF not in _WOULD_WRITE:
                raise
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-"))
    for end in ("", *_COMPANIONS):
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{file}{end}", Path(folder, f"{file.name}{end}"))
    database = _connect(Path(folder, file.name), "rw", stack)
    database.execute(probe).fetchone()
    return database


def is_busy(exc: sqlite3.Error) -> bool:
    """Return whether another process held the database for too long.

    SQLITE_LOCKED does not mean that: it comes from another statement of the same connection.
    """
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _connect(file: Path, mode: str, stack: ExitStack) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"file:{quote(str(file.absolute()))}?mode={mode}",
        uri=True,
        timeout=_BUSY_S,
        check_same_thread=False,
        isolation_level=None,
    )
    stack.callback(database.close)
    return database
