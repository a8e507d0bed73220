"""mem0's history.db: the events of each memory, in SQLite, read without changing it.

It names no users. Its columns are the same from mem0 0.1 to 2.2; the first releases called
the texts prev_value and new_value.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import BackendUnavailable, MigrationError
from ..storage.sqlite_readonly import is_busy, open_readonly
from .incoming_memory import Incoming

_COLUMNS = ("memory_id", "event", "new_memory", "created_at", "updated_at", "actor_id", "role")
_KINDS = ("ADD", "DELETE")
_TABLE = """
CREATE TEMP TABLE events (memory TEXT, at INTEGER, kind TEXT, moment TEXT, text TEXT, made TEXT,
                          actor TEXT, role TEXT);
"""


@contextmanager
def open_history(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file for the functions below.

    Raises:
        MigrationError: there is no such file, or it is no history of mem0's.
        BackendUnavailable: another process is writing to it.
    """
    with ExitStack() as stack:
        try:
            database = open_readonly(path, "SELECT count(*) FROM history", stack)
            named = {row[1] for row in database.execute("PRAGMA table_info(history)")}
            columns = [name if name in named else "NULL" for name in _COLUMNS]
            if "new_memory" not in named and "new_value" in named:
                columns[2] = "new_value"
            database.execute(_TABLE)
            database.execute(
                "INSERT INTO events SELECT {0}, rowid, upper({1}), coalesce({4}, {3}), {2}, {3}, "
                "{5}, {6} FROM history WHERE memory_id IS NOT NULL".format(*columns)
            )
            database.execute("CREATE INDEX temp.of_memory ON events (memory, at)")
        except sqlite3.Error as exc:
            if is_busy(exc):
                raise BackendUnavailable(
                    f"another process is writing to {str(path)!r}; end it, or try again",
                    backend="history",
                    operation="read",
                ) from exc
            raise MigrationError(
                f"{str(path)!r} cannot be read as a history of mem0: {exc}; name mem0's "
                "history.db, and check that it is whole"
            ) from exc
        except OSError as exc:
            raise MigrationError(
                f"could not read {str(path)!r}: {exc.strerror or exc}; check the path and who may "
                "read it"
            ) from exc
        yield database


def count_memories(database: sqlite3.Connection) -> int:
    """Return how many memories have events."""
    return int(database.execute("SELECT count(DISTINCT memory) FROM events").fetchone()[0])


def last_texts(database: sqlite3.Connection) -> Iterator[Incoming]:
    """Yield the last text of every memory that was not deleted."""
    rows = database.execute("SELECT * FROM events ORDER BY memory, at")
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


def earlier_events(
    database: sqlite3.Connection, ids: Sequence[str]
) -> dict[str, list[Mapping[str, Any]]]:
    """Return the events of some memories, oldest first."""
    marks = ", ".join("?" * len(ids))
    rows = database.execute(
        f"SELECT * FROM events WHERE memory IN ({marks}) ORDER BY memory, at", ids
    )
    groups = groupby(rows, key=lambda row: row[0])
    return {memory_id: [_event(row) for row in group] for memory_id, group in groups}


def _event(row: tuple[Any, ...]) -> Mapping[str, Any]:
    return {"kind": row[2] if row[2] in _KINDS else "UPDATE", "at": row[3], "memory": row[4]}
