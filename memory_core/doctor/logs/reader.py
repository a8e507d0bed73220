"""Bytes -> lines of text: any encoding, without colours, of bounded length."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ...errors import InvalidLog

LONGEST_READ = 256 * 1024
"""Bytes read of one line; the rest of it is skipped."""

LONGEST_DOCUMENT = 8 * 1024 * 1024
"""Bytes read of one line, or characters of several, that hold a JSON document."""

_STEP = 1024 * 1024
_HEAD = 4096
_NO_TEXT = {
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it first",
    b"%PDF": "a PDF document; take the text of the log",
    b"\x89PNG": "a picture; take the text of the log",
    b"\xff\xd8\xff": "a picture; take the text of the log",
    b"SQLite format 3": "a database; take the text of the log",
}
# Colours, also those whose escape character was lost on the way.
_COLOURS = re.compile(
    r"\x1b(?:\[[0-9;:?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\|$)|[@-Z\\^_])"
)
_BARE_COLOURS = re.compile(r"\[\d{1,3}(?:;\d{1,3}){0,9}m")


class Reader:
    """The lines of one log; counts what was read, cut and not in UTF-8."""

    def __init__(self, source: BinaryIO, on_read: Callable[[int, int], None] | None = None) -> None:
        self._on_read = on_read
        self._total = _size(source)
        head = source.read(_HEAD)
        if not head.strip():
            head += source.read(_HEAD)
        self._encoding = _encoding(head)
        self._source = io.BufferedReader(_Joined(head, source))
        self.size_bytes = self.lines = self.cut = self.not_utf8 = 0
        self.cut_mark = 0
        """The first line with a known mark in the part that was cut off, 0 for none."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        reported = 0
        self._report()
        while raw := self._source.readline(LONGEST_READ):
            self.lines += 1
            yield self.lines, _plain(self._decode(self._rest_of(raw)))
            if self.size_bytes - reported >= _STEP:
                reported = self.size_bytes
                self._report()
        self._total = self.size_bytes
        self._report()

    def _report(self) -> None:
        if self._on_read:
            self._on_read(self.size_bytes, max(self._total, self.size_bytes))

    def _rest_of(self, raw: bytes) -> bytes:
        """Return a line that was begun, whole where it is a JSON document, without what is cut."""
        if not raw.endswith(b"\n") and raw.lstrip()[:1] in (b"{", b"["):
            raw += self._source.readline(LONGEST_DOCUMENT - LONGEST_READ)
        skipped = end = raw
        while not end.endswith(b"\n") and (end := self._source.readline(LONGEST_READ)):
            skipped = end
            self.size_bytes += len(end)
            if not self.cut_mark and (b"[Mem0]" in end or b"[API]" in end):
                self.cut_mark = self.lines
        self.cut += skipped is not raw
        if self._encoding == "utf-16-le":
            # The second half of the line's end.
            self.size_bytes += len(self._source.read(1))
        self.size_bytes += len(raw)
        return raw.removesuffix(b"\x00\n" if self._encoding == "utf-16-be" else b"\n")

    def _decode(self, raw: bytes) -> str:
        if self._encoding:
            return raw.decode(self._encoding, "replace")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.not_utf8 += 1
            return raw.decode("cp1252", "replace")


class _Joined(io.RawIOBase):
    """What was read ahead, then the rest, for sources that cannot go back."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)


def _size(source: BinaryIO) -> int:
    """Return how many bytes there are, 0 where that is not known before the end."""
    if not source.seekable():
        return 0
    here = source.tell()
    end = source.seek(0, io.SEEK_END)
    source.seek(here)
    return end - here


def _encoding(head: bytes) -> str:
    """Return the encoding where it is UTF-16, as some Windows programs write; else empty.

    Raises:
        InvalidLog: this is the beginning of nothing, or of something that is no text.
    """
    if not head.strip():
        raise InvalidLog("there is nothing in it; paste or choose the log of the backend")
    for mark, what in _NO_TEXT.items():
        if head.startswith(mark):
            raise InvalidLog(f"this is {what}")
    even, odd = head[::2].count(0), head[1::2].count(0)
    if head.startswith(b"\xff\xfe") or (odd * 3 > len(head) // 2 and not even):
        return "utf-16-le"
    if head.startswith(b"\xfe\xff") or (even * 3 > len(head) // 2 and not odd):
        return "utf-16-be"
    if head.count(0) * 10 > len(head):
        raise InvalidLog("this is no text; choose the log of the backend as a text file")
    return ""


def _plain(text: str) -> str:
    """Return a line without its end, a byte order mark and colours."""
    # Of a bar that was drawn over and over, what was seen last.
    text = text.rstrip("\r\n").lstrip("\ufeff").rpartition("\r")[2]
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    if "[0m" in text:
        text = _BARE_COLOURS.sub("", text)
    return text.replace("\x00", "")
