"""Plain text and Markdown, in any encoding."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from ..errors import InvalidMemory
from .chunk import Chunk

TARGET_CHARS = (300, 900)

_WINDOW_CHARS = 4_000
"""The splitter's time grows with the square of a text without sentence or line ends
(semantic-text-splitter 0.33.1: 70 s for a million letters), so it sees a window at a time."""

_BLANK = re.compile(r"\s+")
_MAX_TITLE_CHARS = 80


class Piece(NamedTuple):
    """A stripped piece of a text; `start` and `end` are its offsets there."""

    text: str
    start: int
    end: int


class Heading(NamedTuple):
    """A heading at `text[start:end]`."""

    start: int
    end: int
    title: str


def cut(text: str, *, markdown: bool = False) -> Iterator[Piece]:
    """Yield the pieces of a text in order; together they hold every non-blank character once.

    A piece has at most 900 characters and ends at the end of a sentence if it can. A short one,
    often a heading, is joined to what follows if both fit.
    """
    start = end = 0
    for size in _sizes(text, markdown=markdown):
        if TARGET_CHARS[0] <= end - start or end - start + size > TARGET_CHARS[1]:
            yield from _strip(text, start, end)
            start = end
        end += size
    yield from _strip(text, start, end)


def place_in_sections(headings: Sequence[Heading], text: str, piece: Piece) -> str | None:
    """Name the section or sections of a piece, None before the first heading."""
    first = bisect_right(headings, piece.start, key=lambda heading: heading.start) - 1
    last = bisect_right(headings, piece.end - 1, key=lambda heading: heading.start) - 1
    while first < last and _is_bare(headings, first, text, piece):
        first += 1
    if first < 0:
        return None
    if first == last:
        return f'section "{_short(headings[first].title)}"'
    return f'sections "{_short(headings[first].title)}" to "{_short(headings[last].title)}"'


def _sizes(text: str, *, markdown: bool) -> Iterator[int]:
    """Yield the lengths of the splitter's pieces, which cover the whole text."""
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    splitter = (MarkdownSplitter if markdown else TextSplitter)(TARGET_CHARS, trim=False)
    start = 0
    while start < len(text):
        blank = _BLANK.match(text, start)
        if blank and blank.end() > start + TARGET_CHARS[1]:
            yield blank.end() - start
            start = blank.end()
        pieces = splitter.chunks(text[start : start + _WINDOW_CHARS])
        if len(pieces) > 1 and start + _WINDOW_CHARS < len(text):
            pieces.pop()  # the window's end cut it; the next window begins with it
        yield from map(len, pieces)
        start += sum(map(len, pieces))


def _strip(text: str, start: int, end: int) -> Iterator[Piece]:
    if piece := text[start:end].strip():
        offset = text.index(piece, start)
        yield Piece(piece, offset, offset + len(piece))


def _is_bare(headings: Sequence[Heading], index: int, text: str, piece: Piece) -> bool:
    """Return whether the piece has nothing between this heading and the next."""
    body = max(piece.start, headings[index].end) if index >= 0 else piece.start
    return not text[body : headings[index + 1].start].strip()


def _short(title: str) -> str:
    # A heading may be as long as the file, and be in many pieces.
    title = " ".join(title[: 10 * _MAX_TITLE_CHARS].split())
    return title if len(title) <= _MAX_TITLE_CHARS else title[: _MAX_TITLE_CHARS - 1] + "…"


_ENCODINGS = list(
    """
    cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 shift_jis euc_jp iso2022_jp gb18030
    big5 euc_kr koi8_r
    """.split()
)
"""Encodings of the last thirty years. Left to itself charset-normalizer 3.5.2 reads short
French cp1252 as a Baltic DOS code page, and EUC-JP as Korean."""

_SAMPLE_BYTES = 1_000_000

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_NEW_BLOCK = re.compile(r"\s|[-*+•·\u2013|>#=~`:]|[\[(]?\d")
_WRAP_COLUMNS = range(40, 121)
_NEAR = 0.7
"""A line may have been wrapped from this share of the paragraph's width on."""


def read_plain(text: str) -> Iterator[Chunk]:
    """Yield the chunks of prose; a place is its lines."""
    for piece, lines in _with_lines(text, cut(unwrap(text))):
        yield Chunk(piece.text, lines)


def read_markdown(name: str, content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a Markdown file; a place is its section, or lines before the first."""
    text = decode(name, content)
    headings = _find_headings(text)
    for piece, lines in _with_lines(text, cut(unwrap(text), markdown=True)):
        yield Chunk(piece.text, place_in_sections(headings, text, piece) or lines)


def decode(name: str, content: bytes) -> str:
    r"""Return the text of a file with `\n` line ends.

    UTF-8 and byte order marks decide; any other encoding is guessed.

    Raises:
        InvalidMemory: it is not text.
    """
    try:
        text = _decode(content)
    except UnicodeDecodeError as exc:
        raise InvalidMemory(
            f'"{name}" has a broken character at byte {exc.start:,} ({exc.encoding}); '
            "save it as UTF-8 text and upload it again"
        ) from exc
    if text is None or "\0" in text:
        raise InvalidMemory(
            f'"{name}" is not a text file; save it as UTF-8 text and upload it again'
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unwrap(text: str) -> str:
    """Turn line ends within a paragraph into spaces, in a text of the same length.

    A line end counts as wrapping if the next word would not have fitted on the line, and the same
    is true of most line ends of the paragraph, at least two; never before a number, a time or an
    item of a list.
    """
    groups = groupby(text.split("\n"), key=lambda line: bool(line.strip()))
    return "\n".join(_join_lines(list(lines)) for _, lines in groups)


def _decode(content: bytes) -> str | None:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in content:
            return None
        if _is_damaged_utf8(content):
            raise
        return _guess(content)


def _is_damaged_utf8(content: bytes) -> bool:
    # In any other encoding each of its umlauts would silently become two letters.
    text = content.decode(errors="replace")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return text.count("\ufffd") < beyond_ascii / 2


def _guess(content: bytes) -> str | None:
    from charset_normalizer import from_bytes

    # The text would be held in each of the encodings; its lines beyond ASCII are enough.
    sample = content
    if len(content) > _SAMPLE_BYTES:
        telling = b"\n".join(line for line in content.split(b"\n") if not line.isascii())
        whole_lines = telling[:_SAMPLE_BYTES].rpartition(b"\n")[0]
        sample = whole_lines or telling[:_SAMPLE_BYTES]
    best = from_bytes(sample, cp_isolation=_ENCODINGS).best()
    return None if best is None else content.decode(best.encoding)


def _with_lines(text: str, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, str]]:
    """Yield each piece with its lines in words."""
    line, end = 1, 0
    for piece in pieces:
        line += text.count("\n", end, piece.start)
        last = line + text.count("\n", piece.start, piece.end)
        yield piece, f"line {line}" if line == last else f"lines {line}-{last}"
        line, end = last, piece.end


def _find_headings(text: str) -> list[Heading]:
    headings, start, fence = [], 0, ""
    for line in text.split("\n"):
        end = start + len(line)
        if opened := _FENCE.match(line):
            mark = opened[1][:3]
            fence = mark if not fence else "" if fence == mark else fence
        elif not fence and (match := _HEADING.match(line)):
            headings.append(Heading(start, end, line[match.end() :].rstrip("# \t")))
        start = end + 1
    return headings


def _join_lines(lines: list[str]) -> str:
    width = max(map(len, lines))
    pairs = [pair for pair in pairwise(lines) if not _NEW_BLOCK.match(pair[1])]
    wrapped = {pair for pair in pairs if _is_wrapped(*pair, width)}
    is_paragraph = sum(pair in wrapped for pair in pairs) >= max(2, 0.75 * len(pairs))
    joined = lines[:1]
    for pair in pairwise(lines):
        joined += [" " if is_paragraph and pair in wrapped else "\n", pair[1]]
    return "".join(joined)


def _is_wrapped(line: str, following: str, width: int) -> bool:
    if width not in _WRAP_COLUMNS or line.startswith("#"):
        return False
    is_full = len(line) + 1 + len(following.split(maxsplit=1)[0]) > width
    return is_full and len(line) > _NEAR * width
