"""The trial of a collection's vector files in a child process, before ChromaDB opens them here.

ChromaDB 1.5.9 does not validate the files of hnswlib that it reads: damaged ones end the process
with SIGSEGV. Every use without failure marks the files by their sizes and times. Only files that
differ from their mark are tried, so a healthy start costs a look at the folder.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from ...errors import BackendUnavailable, IndexDamaged
from ...model.counting import counted
from .chroma_readonly import has_index

_MARK = ".holdfast.tried"
_IN_USE = "index_metadata.pickle"
# Ten times what a busy machine takes; on some damaged headers ChromaDB never ends.
_LEAST_S = 30.0
_BYTES_A_SECOND = 250_000
_SEGMENT = (
    "SELECT s.id FROM segments s JOIN collections c ON s.collection = c.id "
    "WHERE c.name = ? AND s.scope = 'VECTOR'"
)
_TRY = """
import sys
sys.path[:] = {path!r}
from memory_core.storage.vectors.chroma import read_through
print("begun", flush=True)
print(read_through({folder!r}, {name!r}))
"""
_logger = logging.getLogger("memory_core")


class VectorFiles:
    """The folder with the vector files of one collection of the ChromaDB in `database`."""

    def __init__(self, database: Path, name: str, segment: str) -> None:
        self._database = database
        self._name = name
        self.folder = database.parent / segment
        self._sound = ""
        self._damaged = ""
        self._damage = ""

    @classmethod
    def find(cls, database: Path, name: str) -> VectorFiles | None:
        """Return the files of a collection, None if it does not exist.

        Raises:
            sqlite3.Error: the database cannot be read.
        """
        if not database.is_file():
            return None
        uri = f"{database.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            row = connection.execute(_SEGMENT, (name,)).fetchone()
        return cls(database, name, row[0]) if row else None

    def is_marked(self) -> bool:
        """Return whether no trial is needed: the files are as marked, or not in use yet.

        ChromaDB keeps the first thousand or so vectors in its database, and reads no file.
        """
        mark = ""
        with suppress(FileNotFoundError):
            mark = (self.folder / _MARK).read_text(errors="replace")
        return self._state() == mark or not (_IN_USE in mark or (self.folder / _IN_USE).exists())

    def check(self) -> None:
        """Try the files; call it while ChromaDB is closed in this process.

        Raises:
            IndexDamaged: ChromaDB cannot read them.
            BackendUnavailable: the trial was killed.
        """
        state = self._state()
        if state != self._damaged:
            self._damage = self._try()
            self._damaged = self._state() if self._damage else ""
        if self._damage:
            raise IndexDamaged(
                f"the vector files of collection {self._name!r} in {str(self.folder)!r} are "
                f"damaged: {self._damage}; its memories are on record, so recreate the files with "
                "`python -m memory_core rebuild`",
                backend="chroma",
                operation="open",
            )
        self.mark()

    def mark(self) -> None:
        """Record that the files were used in their present state, without failure."""
        state = self._state()
        if state and state != self._sound:
            (self.folder / _MARK).write_text(state)
            self._sound = state

    def _state(self) -> str:
        """Return the names, sizes and times of the files, empty while there are none."""
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            files = [(entry.name, entry.stat()) for entry in entries if entry.name != _MARK]
            return "\n".join(sorted(f"{name} {s.st_size} {s.st_mtime_ns}" for name, s in files))
        return ""

    def _try(self) -> str:
        """Let a child process read everything; return what failed, or an empty string."""
        if not has_index(self.folder):
            return "header.bin does not describe data_level0.bin"
        timeout_s = _LEAST_S + (self.folder / "data_level0.bin").stat().st_size / _BYTES_A_SECOND
        code = _TRY.format(path=sys.path, folder=str(self._database.parent), name=self._name)
        try:
            child = subprocess.run(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"ChromaDB had not read them after {counted(round(timeout_s), 'second')}"
        begun, _, reason = child.stdout.decode(errors="replace").strip().partition("\n")
        if not begun:
            # Inside another program, such as uWSGI, there may be no Python to start.
            _logger.warning("%s could not be tried with %r", self.folder, sys.executable)
            return ""
        if child.returncode in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
            raise BackendUnavailable(
                f"the trial of the vector files in {str(self.folder)!r} was ended by "
                f"{signal.Signals(-child.returncode).name}; check that there is enough memory, "
                "and try again",
                backend="chroma",
                operation="open",
            )
        if child.returncode < 0:
            return f"ChromaDB ends with {signal.Signals(-child.returncode).name} on reading them"
        if child.returncode:
            reason = f"exit code {child.returncode}"
        return reason and f"ChromaDB cannot read them ({reason})"
