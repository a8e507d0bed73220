"""What came in during one call, in a temporary database: it may be more than memory holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import BackendError
from ..model.user_id import UserId

_TABLE = """
CREATE TABLE seen (id TEXT NOT NULL, user TEXT NOT NULL, same BLOB NOT NULL, line INTEGER NOT NULL,
                   kept TEXT, mark BLOB);
CREATE INDEX seen_id ON seen (id);
CREATE INDEX seen_same ON seen (user, same);
"""


class Journaled(NamedTuple):
    """A memory that came in before; `kept` is the id that it is kept under, None where it is not.

    `same` is the fingerprint of its scope and text, `mark` what a digest says of it.
    """

    id: str
    user_id: UserId
    same: bytes
    line: int
    kept: str | None
    mark: bytes | None


class Journal:
    """Use it from one thread; its file is gone when it is closed, and when the process dies."""

    def __init__(self) -> None:
        # An empty name is a file of its own, made when the cache does not hold everything.
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLE)
        self._rows.execute("BEGIN")

    def note(self, seen: Journaled) -> None:
        """Keep what is known of a memory; BackendError when the temporary folder is full."""
        self._ask("INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?)", seen)

    def of_id(self, memory_id: str) -> list[Journaled]:
        """Return what came in under an id."""
        found = self._ask("SELECT * FROM seen WHERE id = ?", (memory_id,))
        return [Journaled(*row) for row in found]

    def has_same(self, user_id: UserId, same: bytes) -> bool:
        """Say whether the user is keeping a memory of that scope and text."""
        asked = "SELECT 1 FROM seen WHERE user = ? AND same = ? AND kept NOT NULL LIMIT 1"
        return self._ask(asked, (user_id, same)).fetchone() is not None

    def kept(self) -> Iterator[tuple[UserId, str, bytes]]:
        """Yield user, id and mark of every memory that is to be kept, user by user."""
        asked = "SELECT DISTINCT user, kept, mark FROM seen WHERE kept NOT NULL ORDER BY user, kept"
        yield from self._ask(asked)

    def count_kept(self) -> int:
        """Return how many memories `kept` yields."""
        asked = (
            "SELECT COUNT(*) FROM (SELECT DISTINCT user, kept, mark FROM seen WHERE kept NOT NULL)"
        )
        return int(self._ask(asked).fetchone()[0])

    def close(self) -> None:
        self._rows.close()

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._rows.execute(statement, values)
        except sqlite3.Error as exc:
            raise BackendError(
                f"the temporary file of what was taken in failed ({exc}); make room in the "
                "temporary folder and repeat the command",
                backend="files",
                operation="import",
            ) from exc
