"""Tables as sentences: each row names its columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import chain, islice, repeat

from ..errors import InvalidMemory
from .chunk import Chunk
from .prose import TARGET_CHARS, cut, decode

_DELIMITERS = ",;\t"
_SAMPLE_ROWS = 20
_MAX_HEADER_CHARS = 16_000


def read_csv(name: str, content: bytes) -> Iterator[Chunk]:
    """Yield a chunk a row, several for a row of more than 900 characters.

    The first row that is not blank names the columns; row 1 is the one after it.
    """
    text = decode(name, content)
    delimiter = _sniff(text)
    header: list[str] = []
    number = 0
    for row in _rows(name, text, delimiter):
        if not header:
            header = [" ".join(cell.split()) for cell in row] if any(row) else []
            _check_header(name, header)
            continue
        number += 1
        row_text = sentence(header, _fit(row, len(header), delimiter))
        yield from (Chunk(part, f"row {number}") for part in _parts(row_text))
    if header and not number:
        raise InvalidMemory(
            f'"{name}" has a header and no rows below it; add rows and upload it again'
        )


def sentence(header: Sequence[str], cells: Sequence[str]) -> str:
    """Return `column: value; column: value`, leaving out empty cells."""
    # As long as the row, however long the header is.
    tidy = (" ".join(cell.split()) for cell in cells)
    pairs = zip(chain(header, repeat("")), tidy, strict=False)
    return "; ".join(f"{column}: {value}" if column else value for column, value in pairs if value)


def _check_header(name: str, header: Sequence[str]) -> None:
    size = sum(len(column) + 1 for column in header)
    if size > _MAX_HEADER_CHARS:
        # Each row would repeat it.
        raise InvalidMemory(
            f'"{name}" has a header of {size:,} characters, the limit is {_MAX_HEADER_CHARS:,}; '
            "shorten the names of the columns, or leave columns out"
        )


def _sniff(text: str) -> str:
    # csv.Sniffer takes letters for delimiters when columns are few.
    return max(_DELIMITERS, key=lambda delimiter: _fitness(text, delimiter))


def _fitness(text: str, delimiter: str) -> tuple[bool, int, int]:
    try:
        rows = list(islice(csv.reader(StringIO(text), delimiter=delimiter), _SAMPLE_ROWS))
    except csv.Error:
        return False, 0, 0
    widths = [len(row) for row in rows if row] or [0]
    return widths[0] > 1, widths.count(widths[0]), widths[0]


def _rows(name: str, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(StringIO(text), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as exc:
        raise InvalidMemory(
            f'"{name}" is not readable as CSV at line {reader.line_num} ({exc}); '
            "check the quotes around that line and upload it again"
        ) from exc


def _fit(row: list[str], width: int, delimiter: str) -> list[str]:
    """Put what overflows the header into the last column: an unquoted comma in a note."""
    end = len(row)
    while end > width and not row[end - 1].strip():
        end -= 1
    return [*row[: width - 1], delimiter.join(row[width - 1 : end])]


def _parts(text: str) -> list[str]:
    if len(text) <= TARGET_CHARS[1]:
        return [text] if text else []
    return [piece.text for piece in cut(text)]
