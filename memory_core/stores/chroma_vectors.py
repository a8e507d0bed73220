"""The vectors of a ChromaDB folder, read from its files without ChromaDB.

New ones wait in the queue of the database. Those that were taken out of it are in the files of
hnswlib, one row after the other: links, vector, label; a pickle beside them says which label is
which id. The format is the same from ChromaDB 0.4 to 1.5. What cannot be read there is left out:
the memory is embedded again then.
"""

from __future__ import annotations

import pickletools
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float32]

_HEADER = struct.Struct("<iQQQQQQ")
_FORMAT = 1
_TABLES = """
DROP TABLE IF EXISTS temp.queued;
DROP TABLE IF EXISTS temp.labels;
CREATE TEMP TABLE queued (id TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
CREATE TEMP TABLE labels (id TEXT PRIMARY KEY, label INTEGER) WITHOUT ROWID;
"""


class FolderVectors:
    """The vectors of one collection; what it has to remember lies in temporary tables."""

    def __init__(self, database: sqlite3.Connection, folder: Path, collection_id: str) -> None:
        self._database = database
        database.executescript(_TABLES)
        database.execute(
            "INSERT INTO temp.queued SELECT id, max(seq_id) FROM embeddings_queue "
            "WHERE topic LIKE ? AND vector IS NOT NULL GROUP BY id",
            (f"%{collection_id}",),
        )
        found = database.execute(
            "SELECT id FROM segments WHERE collection = ? AND scope = 'VECTOR'", (collection_id,)
        ).fetchone()
        self._index = _Index.open(folder / found[0]) if found else None
        if self._index:
            labels = _read_labels(folder / found[0] / "index_metadata.pickle")
            database.executemany("INSERT OR REPLACE INTO temp.labels VALUES (?, ?)", labels)

    def of(self, ids: Iterable[str]) -> dict[str, Values]:
        """Return the vectors of some rows, as they were stored."""
        import numpy as np

        wanted = list(ids)
        marks = ", ".join("?" * len(wanted))
        found: dict[str, Values] = {}
        if self._index:
            rows = self._database.execute(
                f"SELECT id, label FROM temp.labels WHERE id IN ({marks})", wanted
            )
            found |= self._index.read(dict(rows))
        for one, vector, encoding in self._database.execute(
            "SELECT q.id, q.vector, q.encoding FROM temp.queued n JOIN embeddings_queue q "
            f"ON q.seq_id = n.seq WHERE n.id IN ({marks})",
            wanted,
        ):
            if encoding == "FLOAT32" and isinstance(vector, bytes) and not len(vector) % 4:
                found[one] = np.frombuffer(vector, dtype="<f4")
        return found


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
        """Return None where there is none, or where it is not as it has to be."""
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

        found: dict[str, Values] = {}
        for one, label in labels.items():
            at = int(np.searchsorted(self._labels, label))
            if at < len(self._labels) and self._labels[at] == label:
                row = np.ascontiguousarray(self._vectors[self._order[at]])
                found[one] = row.view("<f4")
        return found


def _read_labels(file: Path) -> Iterator[tuple[str, int]]:
    """Yield ids and labels. The pickle is not loaded: that could run anything, and takes memory."""
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
                elif within and text is not None and isinstance(value, int) and _is_int(opcode):
                    yield text, value
                    text = None
    except (OSError, ValueError, TypeError):
        return


def _is_int(opcode: pickletools.OpcodeInfo) -> bool:
    """Say whether an instruction is a number itself, and not the place of one."""
    return opcode.name in ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4")
