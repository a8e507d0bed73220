"""Plain text and Markdown, in whatever encoding they come."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import groupby, pairwise

from ..errors import InvalidMemory
from .chunk import Chunk
from .split import Heading, Piece, cut, place_in_sections

_ENCODINGS = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "shift_jis",
    "euc_jp",
    "iso2022_jp",
    "gb18030",
    "big5",
    "euc_kr",
    "koi8_r",
]
"""What files of the last thirty years use. Left to itself charset-normalizer 3.5.2 reads short
French cp1252 as a Baltic DOS code page, and EUC-JP as Korean."""

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_NEW_BLOCK = re.compile(r"\s|[-*+•·\u2013|>#=~`:]|\d+[.)]")
_WRAP_COLUMNS = range(30, 121)


def read_plain(name: str, content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a text file; a place is its lines."""
    text = decode(name, content)
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

    UTF-8 and anything with a byte order mark are taken at their word; else the encoding is
    guessed.

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

    A line end is taken for wrapping if the next word had not fitted on the line.
    """
    groups = groupby(text.split("\n"), key=lambda line: bool(line.strip()))
    return "\n".join(_join_lines(list(lines)) for _, lines in groups)


def _decode(content: bytes) -> str | None:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if _is_damaged_utf8(content):
            raise
        return _guess(content)


def _is_damaged_utf8(content: bytes) -> bool:
    # Read as anything else, all of its umlauts would turn into two letters without a word.
    beyond_ascii = [char for char in content.decode(errors="replace") if not char.isascii()]
    return beyond_ascii.count("\ufffd") < len(beyond_ascii) / 2


def _guess(content: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(content, cp_isolation=_ENCODINGS).best()
    return None if best is None else str(best)


def _with_lines(text: str, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, str]]:
    """Yield each piece with the words for its lines."""
    line, seen = 1, 0
    for piece in pieces:
        line += text.count("\n", seen, piece.start)
        last = line + text.count("\n", piece.start, piece.end)
        yield piece, f"line {line}" if line == last else f"lines {line}-{last}"
        line, seen = last, piece.end


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
    joined = lines[:1]
    for line, following in pairwise(lines):
        joined += [" " if _is_wrapped(line, following, width) else "\n", following]
    return "".join(joined)


def _is_wrapped(line: str, following: str, width: int) -> bool:
    if width not in _WRAP_COLUMNS or line.startswith("#"):
        return False
    if _NEW_BLOCK.match(following):
        return False
    return len(line) + 1 + len(following.split(maxsplit=1)[0]) > width
