"""Reading an export line by line, and checking that it is complete and unchanged."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InvalidMemory
from .format import (
    BOM,
    HEAD_CELL,
    TAIL_CELL,
    Header,
    Kind,
    Trailer,
    from_cells,
    from_document,
    to_header,
    to_trailer,
)
from .incoming_memory import Incoming

_LONGEST_LINE = 2 * 1024**2
"""Bytes; the longest text with the longest vector takes some 300,000."""
_CHUNK = 1024**2
_TAIL = 64 * 1024
_NOT_OURS = "import a .jsonl or .csv that `export` wrote, or upload it as a document"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number, and the byte at which it starts.

    `document` is None where it cannot be read, and `problem` then says why.
    """

    line: int
    start: int
    document: Any = None
    problem: str = ""


@dataclass(slots=True)
class ExportReader:
    """An opened file; get it from `open_export`."""

    name: str
    kind: Kind
    header: Header | None
    file: BinaryIO
    _number: int = 0
    _at: int = 0
    _broken: str = field(default="")

    def rows(self) -> Iterator[Row]:
        """Yield every memory in order; a line that cannot be read has a problem."""
        self.file.seek(0)
        self._number = self._at = 0
        return self._csv_rows() if self.kind == "csv" else self._json_rows()

    def memories(self, user_id: str | None, *, fallback: bool = False) -> Iterator[Incoming]:
        """Yield every memory in order, of `user_id` if given; an unreadable one has a problem.

        As a `fallback` the user owns only the lines that name nobody.
        """
        embedder = self.header.embedder if self.header else None
        for row in self.rows():
            problem, document = row.problem, row.document
            named = isinstance(document, dict) and document.get("user_id")
            try:
                if not problem:
                    owner = None if fallback and named else user_id
                    yield from_document(document, row.line, embedder, owner)
                    continue
            except InvalidMemory as exc:
                problem = str(exc)
            yield Incoming(None, None, {}, line=row.line, problem=problem)

    def trailer(self) -> Trailer | None:
        """Return the last line, None where the file was cut off."""
        return self._read_trailer(self._tail()[1])

    def check_whole(self, manifest: str | None = None) -> str:
        """Return the problem of the file as a whole, empty when there is none.

        `manifest` is the checksum of the whole file, where a manifest has it.
        """
        start, last = self._tail()
        trailer = self._read_trailer(last)
        if trailer is None:
            return f'"{self.name}" was cut off: its last line does not say how many memories it has'
        digest = hashlib.sha256()
        self.file.seek(0)
        left = start
        while left and (chunk := self.file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
        changed = digest.hexdigest() != trailer.sha256
        digest.update(last)
        if changed or (manifest is not None and digest.hexdigest() != manifest):
            return f'"{self.name}" is not as it was exported: its checksum is another'
        return ""

    def _tail(self) -> tuple[int, bytes]:
        """Return where the last line begins, and the line."""
        size = self.file.seek(0, 2)
        first = max(0, size - _TAIL)
        self.file.seek(first)
        tail = self.file.read(_TAIL)
        start = tail.rfind(b"\n", 0, len(tail.rstrip(b"\r\n"))) + 1
        return first + start, tail[start:]

    def _read_trailer(self, line: bytes) -> Trailer | None:
        document = _marked(line, TAIL_CELL) if self.kind == "csv" else _json(line)
        return to_trailer(document) if isinstance(document, dict) else None

    def _json_rows(self) -> Iterator[Row]:
        start = 0
        for line in self._lines():
            begin, start = start, self._at
            if line is None:
                yield Row(self._number, begin, problem="the line is longer than any memory")
                continue
            document = _json(line)
            if _is_mark(document, "memories") or (not line.strip()):
                continue
            if _is_mark(document, "end"):
                return
            problem = "" if document is not None else "it is not valid JSON"
            if problem and not line.endswith(b"\n"):
                problem = "it is cut off"
            yield Row(self._number, begin, document, problem)

    def _csv_rows(self) -> Iterator[Row]:
        columns: list[str] = []
        start, first = 0, 1
        cells = self._csv_cells()
        for row in cells:
            begin, start = start, self._at
            line, first = first, self._number + 1
            if self._broken:
                yield Row(line, begin, problem=self._broken)
                continue
            if not row or row[0].removeprefix("\ufeff") == HEAD_CELL:
                continue
            if row[0] == TAIL_CELL:
                return
            if not columns:
                columns = row
                continue
            try:
                yield Row(line, begin, from_cells(row, columns))
            except InvalidMemory as exc:
                yield Row(line, begin, problem=str(exc))

    def _csv_cells(self) -> Iterator[list[str]]:
        """Yield rows; one that is broken as `[""]`, and `_broken` says why."""
        texts = (
            "" if line is None else line.decode("utf-8", "surrogateescape")
            for line in self._lines()
        )
        while True:
            self._broken = ""
            reader = csv.reader(texts, strict=True)
            try:
                yield from reader
                return
            except csv.Error as exc:
                self._broken = f"it is not valid CSV ({exc})"
                yield [""]

    def _lines(self) -> Iterator[bytes | None]:
        """Yield lines with their ends; None for one that is too long to be kept."""
        while line := self._read_line(_LONGEST_LINE):
            self._number += 1
            self._at += len(line)
            if len(line) < _LONGEST_LINE or line.endswith(b"\n"):
                yield line
                continue
            while not line.endswith(b"\n") and (line := self._read_line(_CHUNK)):
                self._at += len(line)
            yield None

    def _read_line(self, limit: int) -> bytes:
        try:
            return self.file.readline(limit)
        except OSError as exc:
            raise _unreadable(self.name, exc) from exc


@contextmanager
def open_export(path: Path) -> Iterator[ExportReader]:
    """Open a file that `export` wrote, or one with a memory in JSON on every line.

    Raises:
        InvalidMemory: it cannot be read, is empty, of another kind, or of another format version.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise _unreadable(path.name, exc) from exc
    with file:
        if not file.seekable():
            raise InvalidMemory(
                f"{path.name!r} can be read only once; write it into a file, and import that"
            )
        yield _recognise(path.name, file)


def _unreadable(name: str, exc: OSError) -> InvalidMemory:
    return InvalidMemory(f"could not read {name!r}: {exc.strerror or exc}; check who may read it")


def _recognise(name: str, file: BinaryIO) -> ExportReader:
    line = file.readline(_LONGEST_LINE).removeprefix(BOM)
    if not line:
        raise InvalidMemory(f'"{name}" is empty (0 bytes); {_NOT_OURS}')
    document = _marked(line, HEAD_CELL)
    if document is not None:
        return ExportReader(name, "csv", to_header(document, name), file)
    document = _json(line)
    if _is_mark(document, "memories"):
        return ExportReader(name, "jsonl", to_header(document, name), file)
    if not isinstance(document, (dict, str)) or _is_mark(document, "end"):
        raise InvalidMemory(f'"{name}" is neither an export nor lines of JSON; {_NOT_OURS}')
    return ExportReader(name, "jsonl", None, file)


def _marked(line: bytes, cell: str) -> dict[str, Any] | None:
    """Return the first or last line of a CSV; a spreadsheet may have added cells."""
    if not line.startswith(cell.encode()):
        return None
    try:
        cells = next(csv.reader([line.decode()]))
        document = json.loads(cells[1])
    except (ValueError, IndexError, csv.Error):
        return None
    return document if cells[0] == cell and isinstance(document, dict) else None


def _json(line: bytes) -> Any:
    """Return the value of a line of JSON, None where it is invalid."""
    try:
        return json.loads(line.removeprefix(BOM).decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _is_mark(document: Any, word: str) -> bool:
    return isinstance(document, dict) and document.get("holdfast") == word


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
