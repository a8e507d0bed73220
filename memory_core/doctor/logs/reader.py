"""Bytes -> lines of text: any encoding, without colours, of bounded length."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ...errors import InvalidLog

MARK = re.compile(r"\[(?:Mem0|API)\]")
"""The beginning of each known line."""

LONGEST_READ = 256 * 1024
"""Characters read of one line; the rest of it is skipped."""

LONGEST_DOCUMENT = 8 * 1024 * 1024
"""Characters read of one JSON document, in one line or several."""

_HEAD = 4096
_STEP = 1024 * 1024
_NO_TEXT = {
    b"\x1f\x8b": "compressed with gzip", b"PK\x03\x04": "compressed with zip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd", b"%PDF": "a PDF document",
    b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"SQLite format 3": "a database",
}  # fmt: skip
# Also colours whose escape character was lost on the way.
_COLOURS = re.compile(
    r"\x1b(?:\[[0-9;:?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\|$)|[@-Z\\^_])"
    r"|\[\d{1,3}(?:;\d{1,3}){0,9}m"
)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


class Reader:
    """The numbered lines of one log; counts what was read, cut and not in UTF-8."""

    def __init__(self, source: BinaryIO, on_read: Callable[[int, int], None] | None = None) -> None:
        self.source = _Source(source, on_read)
        buffer = io.BufferedReader(self.source, _HEAD)
        encoding = _encoding(buffer.peek())
        errors = "surrogateescape" if encoding == "utf-8" else "replace"
        self._text = io.TextIOWrapper(buffer, encoding, errors, newline="\n")
        # Of the lines with a known mark in a part that was cut off, the first.
        self.lines = self.cut = self.not_utf8 = self.cut_mark = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        blank = True
        while line := self._text.readline(LONGEST_READ):
            self.lines += 1
            if len(line) == LONGEST_READ:
                line = self._rest_of(line)
            if not line.isascii() and _NOT_UTF8.search(line):
                self.not_utf8 += 1
                line = line.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
            blank = blank and line.isspace()
            # Without a byte order mark; of a bar that was drawn over and over, the last state.
            line = line.rstrip("\r\n").lstrip("\ufeff").rpartition("\r")[2]
            has_colours = "\x1b" in line or "[0m" in line
            yield self.lines, _COLOURS.sub("", line) if has_colours else line
        if blank:
            raise InvalidLog("there is nothing in it; paste or choose the log of the backend")
        self.source.report(self.source.size_bytes)

    def _rest_of(self, line: str) -> str:
        """Return all of a long line that is a JSON document, else its beginning."""
        if line.lstrip()[:1] in ("{", "["):
            line += self._text.readline(LONGEST_DOCUMENT - LONGEST_READ)
        end, is_cut = line, False
        while not end.endswith("\n") and (end := self._text.readline(LONGEST_READ)):
            is_cut = True
            if not self.cut_mark and MARK.search(end):
                self.cut_mark = self.lines
        self.cut += is_cut
        return line


class _Source(io.RawIOBase):
    """Bytes of a source that may not be able to go back; reports about every megabyte."""

    def __init__(self, source: BinaryIO, on_read: Callable[[int, int], None] | None) -> None:
        self._source, self._on_read = source, on_read
        self.size_bytes = self._reported = self._total = 0
        if source.seekable():
            here = source.tell()
            self._total = source.seek(0, io.SEEK_END) - here
            source.seek(here)
        self.report(self._total)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        self.size_bytes += len(data)
        if self.size_bytes - self._reported >= _STEP:
            self.report(self._total)
        return len(data)

    def report(self, total: int) -> None:
        self._reported = self.size_bytes
        if self._on_read:
            self._on_read(self.size_bytes, max(total, self.size_bytes))


def _encoding(head: bytes) -> str:
    """Return the encoding: UTF-16, as some Windows programs write, or UTF-8."""
    for mark, form in _NO_TEXT.items():
        if head.startswith(mark):
            raise InvalidLog(f"this is {form}; choose the log as a text file")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head.count(0) * 10 > len(head):
        raise InvalidLog("this is no text; choose the log of the backend as a text file")
    return "utf-8"
