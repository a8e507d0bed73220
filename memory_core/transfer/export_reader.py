"""Reading an export line by line, and checking that it is complete and unchanged."""

import codecs
import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ..documents.prose import decode
from ..errors import InvalidMemory
from ..model.foreign_record import TEXTS, NotAMemory, json_values, read_record, records, spelling
from .archive import open_unpacked
from .format import (
    BOM,
    COLUMNS,
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
_LARGEST_WHOLE = 256 * 1024**2
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ",;\t|"
_NOT_OURS = (
    "import what `export` wrote, or memories in JSON or a table, each with its text under "
    '"memory" and its user under "user_id"'
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number, and the byte at which it starts.

    `document` is None if it cannot be read, and `problem` then says why.
    """

    line: int
    start: int
    document: Any = None
    problem: str = ""


@dataclass(slots=True)
class ExportReader:
    """An opened file; get it from `open_export`.

    Without a `header`, another system wrote it. `inactive` counts by state the memories that
    `memories` left out, and `lost` by name the fields that did not fit. `unit` is what the `line`
    of a memory counts.
    """

    name: str
    kind: Kind
    header: Header | None
    file: BinaryIO
    unit: Literal["line", "memory"] = "line"
    delimiter: str = ","
    inactive: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    _number: int = 0
    _at: int = 0
    _broken: str = field(default="")

    def rows(self) -> Iterator[Row]:
        """Yield every memory in order; a line that cannot be read has a problem."""
        self.file.seek(0)
        self._number = self._at = 0
        if self.unit == "memory":
            return self._whole_rows()
        return self._csv_rows() if self.kind == "csv" else self._json_rows()

    def memories(
        self, user_id: str | None, *, fallback: bool = False, inactive: bool = False
    ) -> Iterator[Incoming]:
        """Yield every memory in order, of `user_id` if given; an unreadable one has a problem.

        As a `fallback` the user owns only the lines that name nobody. Memories that are not in use
        in the system that wrote them are left out, unless `inactive`.
        """
        embedder = self.header.embedder if self.header else None
        self.inactive.clear()
        self.lost.clear()
        for row in self.rows():
            document = row.document
            try:
                if row.problem:
                    raise InvalidMemory(row.problem)
                if isinstance(document, NotAMemory):
                    self.inactive[document.kind] += 1
                    continue
                if not self.header:
                    foreign = read_record(document)
                    if foreign.state and not inactive:
                        self.inactive[foreign.state] += 1
                        continue
                    self.lost.update(foreign.lost)
                    document = foreign.document
                named = isinstance(document, dict) and document.get("user_id")
                owner = None if fallback and named else user_id
                yield from_document(document, row.line, embedder, owner)
            except InvalidMemory as exc:
                yield Incoming(None, None, {}, line=row.line, problem=str(exc))

    def trailer(self) -> Trailer | None:
        """Return the last line, None if the file was cut off."""
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
        if changed or manifest not in (None, digest.hexdigest()):
            return f'"{self.name}" is not as it was exported: its checksum differs'
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
            for record in [document] if problem or self.header else records(document):
                yield Row(self._number, begin, record, problem)

    def _whole_rows(self) -> Iterator[Row]:
        """Yield the records of JSON that spans many lines, one value or several."""
        content = self.file.read(_LARGEST_WHOLE + 1)
        if len(content) > _LARGEST_WHOLE:
            raise InvalidMemory(
                f'"{self.name}" is one JSON value of more than {_LARGEST_WHOLE // 1024**2} MB; '
                "write a memory on every line, for example with `jq -c .results[]`"
            )
        try:
            values = list(json_values(content.decode(json.detect_encoding(content))))
        except (ValueError, RecursionError) as exc:
            raise InvalidMemory(
                f'"{self.name}" is not valid JSON ({exc}), so nothing was imported; export it again'
            ) from exc
        for number, record in enumerate(records(values), 1):
            yield Row(number, 0, record)

    def _csv_rows(self) -> Iterator[Row]:
        columns: list[str] = []
        start, first = 0, 1
        for row in self._csv_cells():
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
                columns = [] if row[0].removeprefix("\ufeff").startswith("sep=") else row
                continue
            if not self.header and columns[1:] != [*COLUMNS[1:]]:
                # Spreadsheets omit empty cells at the end, or add some.
                named = dict(zip(columns, row, strict=False))
                problem = "there are more cells than columns" if any(row[len(columns) :]) else ""
                if any(row):
                    yield Row(line, begin, named, problem)
                continue
            try:
                yield Row(line, begin, from_cells(row, columns))
            except InvalidMemory as exc:
                yield Row(line, begin, problem=str(exc))

    def _csv_cells(self) -> Iterator[list[str]]:
        """Yield rows; a broken one is `[""]`, and `_broken` says why."""
        texts = (
            "" if line is None else line.decode("utf-8", "surrogateescape")
            for line in self._lines()
        )
        while True:
            self._broken = ""
            reader = csv.reader(texts, delimiter=self.delimiter, strict=True)
            try:
                yield from reader
                return
            except csv.Error as exc:
                self._broken = f"it is not valid CSV ({exc})"
                yield [""]

    def _lines(self) -> Iterator[bytes | None]:
        """Yield lines with their ends; None for one that is too long to be kept."""
        try:
            while line := self.file.readline(_LONGEST_LINE):
                self._number += 1
                self._at += len(line)
                if len(line) < _LONGEST_LINE or line.endswith(b"\n"):
                    yield line
                    continue
                while not line.endswith(b"\n") and (line := self.file.readline(_CHUNK)):
                    self._at += len(line)
                yield None
        except OSError as exc:
            raise _unreadable(self.name, exc) from exc


@contextmanager
def open_export(path: Path) -> Iterator[ExportReader]:
    """Open a file that `export` wrote, or one of another system's: JSON, a table, packed or not.

    Raises:
        InvalidMemory: it cannot be read, is empty, of another kind, or of another format version.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_unpacked(path))
        except OSError as exc:
            raise _unreadable(path.name, exc) from exc
        yield _recognise(path.name, file)


def _unreadable(name: str, exc: OSError) -> InvalidMemory:
    return InvalidMemory(f"could not read {name!r}: {exc.strerror or exc}; check who may read it")


def _recognise(name: str, file: BinaryIO) -> ExportReader:
    while (line := file.readline(_LONGEST_LINE).removeprefix(BOM)).isspace():
        pass
    if not line:
        raise InvalidMemory(f'"{name}" is empty; {_NOT_OURS}')
    document = _marked(line, HEAD_CELL)
    if document is not None:
        return ExportReader(name, "csv", to_header(document, name), file)
    document = _json(line)
    if _is_mark(document, "memories"):
        return ExportReader(name, "jsonl", to_header(document, name), file)
    is_record = isinstance(document, dict) and next(records(document), None) is document
    if (is_record or isinstance(document, str)) and not _is_mark(document, "end"):
        return ExportReader(name, "jsonl", None, file)
    if not is_record:
        is_json = line.lstrip().startswith((b"{", b"["))
        if not is_json and (table := _recognise_table(name, file)):
            return table
        if is_json or line.startswith(_UTF16):
            return ExportReader(name, "jsonl", None, file, "memory")
    raise InvalidMemory(f'"{name}" is neither an export nor memories of a known form; {_NOT_OURS}')


def _recognise_table(name: str, file: BinaryIO) -> ExportReader | None:
    """Return a reader of a table whose columns name a text, in any encoding; else None."""
    file.seek(0)
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(file.read(_TAIL))
    except UnicodeDecodeError:
        file.seek(0)
        try:
            text = decode(name, file.read(_LARGEST_WHOLE))
        except InvalidMemory:
            return None
        file = BytesIO(text.encode())
    lines = [line for line in text.splitlines() if line.strip()]
    heads = [line for line in lines if not line.startswith("sep=")]
    for delimiter in _DELIMITERS if heads else ():
        with suppress(csv.Error):
            columns = next(csv.reader(heads[:1], delimiter=delimiter))
            if len(columns) > 1 and any(spelling(column) in TEXTS for column in columns):
                return ExportReader(name, "csv", None, file, delimiter=delimiter)
    return None


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
    """Return the value of a line of JSON, None if it is invalid."""
    try:
        values = list(json_values(line.removeprefix(BOM).decode()))
        return values[0] if len(values) == 1 else None
    except (ValueError, RecursionError):
        return None


def _is_mark(document: Any, word: str) -> bool:
    return isinstance(document, dict) and document.get("holdfast") == word
