"""PDF: the text of all pages as one, and the page each piece begins on."""

from __future__ import annotations

import logging
import re
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from ..errors import InvalidMemory
from .chunk import LIBRARY_ERRORS, Chunk
from .prose import cut

MAX_PAGES = 2_000
MAX_SECONDS = 30.0
_MAX_STREAM_BYTES = 25_000_000

_NO_TEXT = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), " ")
_CUT_WORD = re.compile(r"\w[-\u00ad\u2010]$")
_AND_OR = re.compile(r"(and|or|und|oder|bzw|et|ou|y|o|e)\b")
_PAGE_NUMBER = re.compile(
    r"(?:[-\u2013] ?|page |seite )?(\d{1,4})(?: ?[-\u2013]| ?(?:/|of|von) ?\d+)?", re.I
)
_NEW_BLOCK = re.compile(r"[-*•·\u2013▪●]\s|\(?\d{1,3}[.)]\s")
_CJK_END = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]$")
_CJK_START = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")


def read_pdf(name: str, content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PDF; a place is the page where the chunk begins."""
    text, starts, pages = _join_pages(_extract(name, content))
    if not text:
        raise InvalidMemory(
            f'"{name}" has no text in it, only images perhaps (a scan); '
            "run text recognition (OCR) over it and upload the result"
        )
    for piece in cut(text):
        yield Chunk(piece.text, f"page {pages[bisect_right(starts, piece.start) - 1]}")


def _extract(name: str, content: bytes) -> list[str]:
    from pypdf import apply_configuration
    from pypdf.errors import DependencyError, DeprecationError, PyPdfError

    _quiet()
    try:
        with apply_configuration(zlib_maximum_output_length=_MAX_STREAM_BYTES):
            return _page_texts(name, content)
    except InvalidMemory:
        raise
    except (PyPdfError, DependencyError, DeprecationError, *LIBRARY_ERRORS) as exc:
        raise InvalidMemory(
            f'"{name}" cannot be read as a PDF, it may be damaged or cut off; '
            "export it again and upload the new file"
        ) from exc


def _quiet() -> None:
    """Keep pypdf's remarks on odd files off stderr, unless someone asked for them."""
    logger = logging.getLogger("pypdf")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


def _page_texts(name: str, content: bytes) -> list[str]:
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise InvalidMemory(f'"{name}" is encrypted; remove the password and upload it without one')
    if (pages := len(reader.pages)) > MAX_PAGES:
        raise InvalidMemory(
            f'"{name}" has {pages:,} pages, the limit is {MAX_PAGES:,}; '
            "split it and upload the parts"
        )
    watch = _Watch(name)
    texts = []
    for page in reader.pages:
        watch()
        texts.append(_clean(page.extract_text(visitor_operand_before=watch)))
    return texts


class _Watch:
    """Called before each page and operation; ends the reading of a PDF built to take hours."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.deadline = time.monotonic() + MAX_SECONDS

    def __call__(self, *_operation: Any) -> None:
        if time.monotonic() > self.deadline:
            raise InvalidMemory(
                f'"{self.name}" takes more than {MAX_SECONDS:.0f} seconds to read; '
                "split it, or save its text as .txt, and upload that"
            )


def _clean(text: str) -> str:
    # A broken font table gives halves of UTF-16 pairs, which no store takes.
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.translate(_NO_TEXT)


def _join_pages(texts: list[str]) -> tuple[str, list[int], list[int]]:
    """Return the whole text, the offsets where pages begin, and the numbers of these pages."""
    parts: list[str] = []
    starts, pages = [0], [1]
    length, pending, width = 0, "", 0
    for number, lines in enumerate(_bodies(texts), 1):
        for index, line in enumerate(lines):
            kept, gap = _glue(pending, line, width)
            parts += [kept, gap]
            length += len(kept) + len(gap)
            if not index:
                starts.append(length)
                pages.append(number)
                width = max(map(len, lines))
            pending = line
    return "".join([*parts, pending]), starts, pages


def _bodies(texts: list[str]) -> Iterator[list[str]]:
    """Yield the lines of each page without its number and headers shown on a page before.

    They would interrupt sentences that cross pages.
    """
    pages = [[" ".join(ln.split()) for ln in text.splitlines() if ln.strip()] for text in texts]
    edges = [{*lines[:2], *lines[-2:]} for lines in pages]
    counts = Counter(line for edge in edges for line in edge)
    running = {line for line, count in counts.items() if count >= max(3, len(pages) / 2)}
    shown: set[str] = set()
    for number, (lines, edge) in enumerate(zip(pages, edges, strict=True), 1):
        numbers = {line for line in edge if _is_page_number(line, number)}
        hidden = numbers | (edge & running & shown)
        shown |= edge
        body = range(2, len(lines) - 2)
        yield [line for i, line in enumerate(lines) if i in body or line not in hidden]


def _is_page_number(line: str, number: int) -> bool:
    match = _PAGE_NUMBER.fullmatch(line)
    return match is not None and int(match[1]) == number


def _glue(line: str, following: str, width: int) -> tuple[str, str]:
    """Return the line as it is kept and what goes between it and the following one."""
    if not line:
        return "", ""
    if _CUT_WORD.search(line) and not _AND_OR.match(following):
        return (line[:-1] if following[0].islower() else line), ""
    if not following[0].islower() and (len(line) < 0.6 * width or _NEW_BLOCK.match(following)):
        return line, "\n"
    if _CJK_END.search(line) and _CJK_START.match(following):
        return line, ""
    return line, " "
