"""mem0's history.db: the events of each memory, in SQLite, read without changing it.

It names no users. Its columns are the same from mem0 0.1 to 2.2; the first releases called
the texts prev_value and new_value.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from ..errors import BackendUnavailable, MigrationError
from ..ledger import Ledger
from ..storage.sqlite_readonly import is_busy, open_readonly
from .incoming_memory import Incoming
from .reports import Part

_COLUMNS = ("memory_id", "event", "new_memory", "created_at", "updated_at", "actor_id", "role")
_KINDS = {"ADD": "ADD", "UPDATE": "UPDATE", "DELETE": "DELETE"}
_TABLE = """
CREATE TEMP TABLE events (memory TEXT, at INTEGER, kind TEXT, moment TEXT, text TEXT, made TEXT,
                          actor TEXT, role TEXT);
"""


class HistoryFile:
    """A context manager over one file."""

    ledger: Ledger | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            self._database = self._open()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def parts(self) -> list[Part]:
        (rows,) = self._database.execute("SELECT count(DISTINCT memory) FROM events").fetchone()
        return [Part(self._path.name, rows)]

    def stored(self) -> Iterator[Incoming]:
        """Yield the last text of every memory that was not deleted."""
        rows = self._database.execute("SELECT * FROM events ORDER BY memory, at")
        for number, (memory_id, group) in enumerate(groupby(rows, key=lambda row: row[0]), 1):
            events = list(group)
            _, _, kind, moment, text, made, actor, role = events[-1]
            if kind == "DELETE":
                continue
            payload = {
                "data": text,
                "created_at": made or events[0][3],
                "updated_at": moment if len(events) > 1 else None,
                "actor_id": actor,
                "role": role,
            }
            own = {key: val for key, val in payload.items() if val is not None}
            problem = "" if isinstance(text, str) and text.strip() else "it has no text"
            earlier = tuple(map(_event, events))
            yield Incoming(memory_id, None, own, line=number, earlier=earlier, problem=problem)

    def earlier(self, ids: Iterable[str]) -> dict[str, list[Mapping[str, Any]]]:
        """Return the events of some memories, oldest first."""
        wanted = list(ids)
        marks = ", ".join("?" * len(wanted))
        rows = self._database.execute(
            f"SELECT * FROM events WHERE memory IN ({marks}) ORDER BY memory, at", wanted
        )
        groups = groupby(rows, key=lambda row: row[0])
        return {memory_id: [_event(row) for row in group] for memory_id, group in groups}

    def _open(self) -> sqlite3.Connection:
        try:
            database = open_readonly(self._path, "SELECT count(*) FROM history", self._stack)
            named = {row[1] for row in database.execute("PRAGMA table_info(history)")}
            columns = [self._column(name, named) for name in _COLUMNS]
            database.execute(_TABLE)
            database.execute(
                "INSERT INTO events SELECT {0}, rowid, upper({1}), coalesce({4}, {3}), {2}, {3}, "
                "{5}, {6} FROM history WHERE memory_id IS NOT NULL".format(*columns)
            )
            database.execute("CREATE INDEX temp.of_memory ON events (memory, at)")
        except sqlite3.Error as exc:
            if is_busy(exc):
                raise BackendUnavailable(
                    f"another process is writing to {str(self._path)!r}; end it, or try again",
                    backend="history",
                    operation="read",
                ) from exc
            raise MigrationError(
                f"{str(self._path)!r} cannot be read as a history of mem0: {exc}; name mem0's "
                "history.db, and check that it is whole"
            ) from exc
        except OSError as exc:
            raise MigrationError(
                f"could not read {str(self._path)!r}: {exc.strerror or exc}; check the path and "
                "who may read it"
            ) from exc
        return database

    def _column(self, name: str, named: set[str]) -> str:
        older = {"new_memory": "new_value"}.get(name, "")
        return name if name in named else older if older in named else "NULL"


def _event(row: tuple[Any, ...]) -> Mapping[str, Any]:
    return {"kind": _KINDS.get(row[2], "UPDATE"), "at": row[3], "memory": row[4]}
