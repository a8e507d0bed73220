"""Bytes -> lines of text: one at a time, whatever the encoding, without colours, never too long."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ..errors import InvalidLog

LONGEST_READ = 256 * 1024
"""Bytes of one line that are read; the rest of it is passed over."""

LONGEST_TEXT = 16 * 1024
"""Characters of one message that are looked at."""

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
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# What is left of a colour where the escape character was lost on the way.
_BARE_COLOURS = re.compile(r"\[(?:\d{1,3})(?:;\d{1,3})*m")


class Reader:
    """The lines of one log; counts what was read, cut and not in UTF-8."""

    def __init__(self, source: BinaryIO, on_read: Callable[[int, int], None] | None = None) -> None:
        self._on_read = on_read
        self._total = _size(source)
        head = _peek(source)
        _refuse_what_is_no_text(head)
        self._source, self._encoding = source, _encoding(head)
        self._head = head
        self.size_bytes = 0
        self.lines = 0
        self.cut = 0
        self.not_utf8 = 0

    def __iter__(self) -> Iterator[str]:
        told = 0
        self._tell()
        for raw, cut in self._raw_lines():
            self.lines += 1
            self.cut += cut
            yield _plain(self._decode(raw))
            if self.size_bytes - told >= _STEP:
                told = self.size_bytes
                self._tell()
        self._total = self.size_bytes
        self._tell()

    def _tell(self) -> None:
        if self._on_read:
            self._on_read(self.size_bytes, max(self._total, self.size_bytes))

    def _raw_lines(self) -> Iterator[tuple[bytes, bool]]:
        """Yield each line and whether a part of it was left out."""
        end = b"\n" if self._encoding != "utf-16-be" else b"\x00\n"
        source = _Joined(self._head, self._source)
        while raw := source.readline(LONGEST_READ):
            self.size_bytes += len(raw)
            cut = False
            while not raw.endswith(b"\n") and (more := source.readline(LONGEST_READ)):
                self.size_bytes += len(more)
                cut = True
                if more.endswith(b"\n"):
                    break
            if self._encoding == "utf-16-le":
                # The second half of the line's end.
                self.size_bytes += len(source.read(1))
            yield raw.removesuffix(end), cut

    def _decode(self, raw: bytes) -> str:
        if self._encoding:
            return raw.decode(self._encoding, "replace")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.not_utf8 += 1
            return raw.decode("cp1252", "replace")


class _Joined:
    """What was read ahead, then the rest, for sources that cannot go back."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def readline(self, limit: int) -> bytes:
        line = self._head.readline(limit)
        if line.endswith(b"\n") or len(line) == limit:
            return line
        return line + self._rest.readline(limit - len(line))

    def read(self, size: int) -> bytes:
        return self._head.read(size) or self._rest.read(size)


def _size(source: BinaryIO) -> int:
    """Return how many bytes there are, 0 where that is not known before the end."""
    if not source.seekable():
        return 0
    here = source.tell()
    end = source.seek(0, io.SEEK_END)
    source.seek(here)
    return end - here


def _peek(source: BinaryIO) -> bytes:
    head = source.read(_HEAD)
    if not head.strip():
        rest = source.read(_HEAD) if head else b""
        head += rest
        if not head.strip():
            raise InvalidLog("there is nothing in it; paste or choose the log of the backend")
    return head


def _refuse_what_is_no_text(head: bytes) -> None:
    for mark, what in _NO_TEXT.items():
        if head.startswith(mark):
            raise InvalidLog(f"this is {what}")
    if head.count(0) * 10 > len(head) and not _encoding(head):
        raise InvalidLog("this is no text; choose the log of the backend as a text file")


def _encoding(head: bytes) -> str:
    """Return the encoding where it is UTF-16, as some Windows programs write; else empty."""
    if head.startswith(b"\xff\xfe"):
        return "utf-16-le"
    if head.startswith(b"\xfe\xff"):
        return "utf-16-be"
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd * 3 > len(head) // 2 and not even:
        return "utf-16-le"
    return "utf-16-be" if even * 3 > len(head) // 2 and not odd else ""


def _plain(text: str) -> str:
    """Return a line without its end, a byte order mark and colours."""
    text = text.rstrip("\r\n").lstrip("\ufeff")
    if "\r" in text:
        # A bar that was drawn over and over: what was seen last.
        text = text.rpartition("\r")[2]
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "[0m" in text:
        text = _BARE_COLOURS.sub("", text)
    return text.replace("\x00", "")
