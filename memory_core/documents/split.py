"""Prose into pieces at sentence borders, and the headings they stand under."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

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

    A piece has at most 900 characters and ends with a sentence where one ends in time. A short
    one, often a heading, goes with what follows if both fit.
    """
    start = end = 0
    for size in _sizes(text, markdown=markdown):
        if TARGET_CHARS[0] <= end - start or end - start + size > TARGET_CHARS[1]:
            yield from _strip(text, start, end)
            start = end
        end += size
    yield from _strip(text, start, end)


def place_in_sections(headings: Sequence[Heading], text: str, piece: Piece) -> str | None:
    """Name the section or sections a piece stands in, None before the first heading."""
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
    """Yield the lengths of the splitter's pieces, which leave nothing out."""
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
    """Whether the piece holds nothing between this heading and the next."""
    body = max(piece.start, headings[index].end) if index >= 0 else piece.start
    return not text[body : headings[index + 1].start].strip()


def _short(title: str) -> str:
    title = " ".join(title.split())
    return title if len(title) <= _MAX_TITLE_CHARS else title[: _MAX_TITLE_CHARS - 1] + "…"
