"""The format of an export: one memory a line, of JSON or of CSV that is safe in spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal

from ..documents.json_files import TEXT_KEYS, text_of
from ..errors import InvalidMemory
from ..model.counting import counted
from ..model.encoder import encode, pick
from ..model.limits import RESERVED_KEYS, check_metadata
from ..model.past import MemoryFilter
from ..model.payload import time_of
from ..storage.vectors import Vector
from .incoming_memory import Events, Incoming, newest

if TYPE_CHECKING:
    from ..storage.vectors.base import Values

FORMAT = 1
Kind = Literal["jsonl", "csv"]

COLUMNS = tuple(
    "id user_id memory created_at updated_at agent_id run_id role metadata other".split()
)
BOM = b"\xef\xbb\xbf"
HEAD_CELL, TAIL_CELL = "#holdfast", "#end"

_TIMES = ("created_at", "updated_at")
# The keys of mem0 that are exported beside the text and the user.
_OWN = sorted(RESERVED_KEYS - {
    "data", "user_id", "raw_user_id", "revision", "exact_numbers", "text_lemmatized",
})  # fmt: skip
_MAY_BE_EMPTY = ("agent_id", "run_id", "role", *_TIMES)
# Spreadsheets take these, full-width ones too, for the start of a formula; the last is our escape.
_RISKY = tuple("=+-@\t\r\n＝＋－＠'")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of an export. `user_id` is None if it has every user."""

    version: str
    as_of: datetime
    user_id: str | None
    vectors: bool
    embedder: str
    dimensions: int
    history: bool = False
    where: MemoryFilter | None = None

    def document(self) -> dict[str, Any]:
        return {
            "holdfast": "memories",
            "format": FORMAT,
            **pick(self, "version", "as_of", "user_id", "vectors", "history"),
            "embedder": {"name": self.embedder, "dimensions": self.dimensions},
        }


@dataclass(frozen=True, slots=True)
class Trailer:
    """The last line of a complete export; the checksum is that of all bytes before it."""

    memories: int
    users: int
    sha256: str

    def document(self) -> dict[str, Any]:
        return {"holdfast": "end", **encode(self)}


def to_document(vector: Vector) -> dict[str, Any]:
    """Return a stored memory as an export has it; times in UTC."""
    payload = vector.payload
    own = {key: payload[key] for key in _OWN if payload.get(key) is not None}
    for name in _TIMES:
        if moment := time_of(payload, name):
            own[name] = moment.astimezone(UTC).isoformat()
    attached = {key: val for key, val in sorted(payload.items()) if key not in RESERVED_KEYS}
    return {
        "id": vector.key,
        "user_id": payload["user_id"],
        "memory": payload["data"],
        **own,
        "metadata": attached,
    }


def json_line(document: Mapping[str, Any], values: Values | None = None) -> bytes:
    """Write a line of JSON; a vector becomes the shortest decimals that round to it."""
    if values is not None:
        from ..storage.vectors.s3 import shortest_decimals

        document = {**document, "vector": shortest_decimals(values)}
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def mark_line(kind: Kind, cell: str, document: Mapping[str, Any]) -> bytes:
    """Write the first or last line, which in CSV begins with the cell."""
    if kind == "jsonl":
        return json_line(document)
    return cells_line([cell, json.dumps(document, ensure_ascii=False)])


def csv_line(document: Mapping[str, Any]) -> bytes:
    """Write a line of CSV; `other` has what is in no column."""
    other = {key: value for key, value in document.items() if key not in COLUMNS and key != "hash"}
    cells = {
        **{key: str(document.get(key, "")) for key in COLUMNS[:-2]},
        "metadata": _json_cell(document["metadata"]),
        "other": _json_cell(other),
    }
    return cells_line([defused(cells[name]) for name in COLUMNS])


def cells_line(cells: Sequence[str]) -> bytes:
    """Write cells as they are."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()


def defused(cell: str) -> str:
    """Put an apostrophe before a formula of a spreadsheet, and before an apostrophe."""
    return f"'{cell}" if cell.startswith(_RISKY) else cell


def armed(cell: str) -> str:
    """Undo `defused`, exactly."""
    return cell.removeprefix("'")


def from_cells(cells: Sequence[str], columns: Sequence[str]) -> dict[str, Any]:
    """Return a line of CSV as `from_document` takes it.

    Raises:
        InvalidMemory: too few or too many cells, or a cell that should be JSON and is not.
    """
    if len(cells) != len(columns):
        raise InvalidMemory(f"the line has {counted(len(cells), 'cell')}, not {len(columns)}")
    row = dict(zip(columns, map(armed, cells), strict=True))
    try:
        metadata, other = (json.loads(row.pop(name, "") or "{}") for name in ("metadata", "other"))
    except (ValueError, RecursionError) as exc:
        raise InvalidMemory("the cell metadata or other is not valid JSON") from exc
    if not isinstance(other, dict):
        raise InvalidMemory("the cell other is not a JSON object")
    return {**other, **{key: val for key, val in row.items() if val}, "metadata": metadata}


def from_document(
    document: Any, line: int, embedder: str | None, user_id: str | None = None
) -> Incoming:
    """Return the memory that a line of an export, or another line of JSON, stands for.

    `user_id` takes the place of the user that the line names.

    Raises:
        InvalidMemory: no text, no user, or a value of the wrong type.
    """
    text = text_of(document)
    if text is None or not text.strip():
        raise InvalidMemory(
            f"there is no text under {', '.join(TEXT_KEYS[:-1])} or {TEXT_KEYS[-1]}"
        )
    if isinstance(document, str):
        document = {}
    memory_id, named = document.get("id"), document.get("user_id")
    if memory_id is not None and not isinstance(memory_id, str):
        raise InvalidMemory(f"the id {memory_id!r} is not text")
    if not named and not user_id:
        raise InvalidMemory("it names no user; add one under user_id, or see --user")
    own = {key: document[key] for key in _OWN if document.get(key) is not None}
    own = {key: val for key, val in own.items() if val != "" or key not in _MAY_BE_EMPTY}
    payload = {**check_metadata(document.get("metadata")), **own, "data": text}
    vector = document.get("vector")
    return Incoming(
        id=memory_id or None,
        user_id=user_id or named,
        payload=payload,
        values=None if vector is None else _values(vector),
        embedder=embedder,
        former=named if user_id and isinstance(named, str) and named else None,
        line=line,
        earlier=_earlier(document.get("history")),
    )


def to_header(document: Mapping[str, Any], name: str) -> Header:
    """Read the first line of an export.

    Raises:
        InvalidMemory: of another format, or damaged.
    """
    made = document.get("format")
    if made != FORMAT:
        raise InvalidMemory(
            f'"{name}" is of export format {str(made)[:20]!r}, this version of Holdfast reads '
            f"format {FORMAT}; import it with version {str(document.get('version'))[:20]!r}, which "
            "made it"
        )
    try:
        embedder = document["embedder"]
        return Header(
            version=str(document["version"]),
            as_of=datetime.fromisoformat(document["as_of"]),
            user_id=document["user_id"],
            vectors=bool(document["vectors"]),
            embedder=str(embedder["name"]),
            dimensions=int(embedder["dimensions"]),
            history=bool(document.get("history")),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidMemory(
            f'the first line of "{name}" is damaged ({exc!r}); export it again'
        ) from exc


def to_trailer(document: Mapping[str, Any]) -> Trailer | None:
    """Read the last line, None if it is not a trailer."""
    try:
        if document["holdfast"] != "end":
            return None
        return Trailer(int(document["memories"]), int(document["users"]), str(document["sha256"]))
    except (KeyError, TypeError, ValueError):
        return None


def _earlier(history: Any) -> Events:
    """Return the events before an export, as a migration writes them."""
    events = history if isinstance(history, list) else []
    known = [
        {key: event[key] for key in ("kind", "at", "memory", "from") if key in event}
        for event in events
        if isinstance(event, dict)
        and event.get("kind") in ("ADD", "UPDATE", "DELETE")
        and isinstance(event.get("memory"), (str, NoneType))
        and isinstance(event.get("at"), str)
    ]
    return newest(known)


def _values(vector: Any) -> Values | None:
    """Return a vector, None for anything else: the memory is embedded then."""
    import numpy as np

    try:
        with np.errstate(over="ignore"):
            values = np.asarray(vector, dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        return None
    return values if values.ndim == 1 else None


def _json_cell(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) if value else ""
