"""PDF: text that continues across pages, the page where each piece begins, and filled forms."""

import logging
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import groupby
from typing import Any, NamedTuple

from ..errors import InvalidMemory
from .chunk import LIBRARY_ERRORS, Chunk, LeftOut
from .prose import cut

MAX_PAGES = 2_000
_MAX_STREAM_BYTES = 25_000_000

_NO_TEXT = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), " ")
_CUT_WORD = re.compile(r"\w[-\u00ad\u2010]$")
_AND_OR = re.compile(r"(and|or|und|oder|bzw|et|ou|y|o|e)\b")
_PAGE_NUMBER = re.compile(
    r"(?:[-\u2013] ?|page |seite )?(\d{1,4})(?: ?[-\u2013]| ?(?:/|of|von) ?\d+)?", re.I
)
_NEW_BLOCK = re.compile(r"[-*•·\u2013▪●]\s")
_NUMBER = re.compile(r"[\[(]?\d")
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")

_NEAR = 0.75
"""A line may have been wrapped from this share of the page's width on."""

_MIN_WRAP_CHARS = 8
_GLYPH_NAME = re.compile(r"/[A-Za-z]+\d+")
_UNREADABLE_ENCODINGS = ("/Identity-H", "/Identity-V")
_BULLET_CHARS = 2
_NO_LETTERS = ("Cc", "Cn", "Co")
_PASSWORD, _PUSH_BUTTON = 1 << 13, 1 << 16
_NO_NOTES = ("/Link", "/Popup", "/Widget", "/FreeText")
"""Annotations whose contents are not a comment; shapes, marks, stamps and ink may have one."""


class _Page(NamedTuple):
    """The content of a page: text, `label: value` of each filled field, and what is unreadable."""

    text: str
    fields: list[str]
    left_out: list[str]


def read_pdf(name: str, content: bytes) -> Iterator[Chunk | LeftOut]:
    """Yield the chunks of a PDF; a place is the page where the chunk begins.

    Pages without text are named, and no chunk crosses one.
    """
    pages, left_out = _extract(name, content)
    yield from left_out
    numbered = list(enumerate(_bodies([page.text for page in pages]), 1))
    if not any(lines for _, lines in numbered) and not any(page.fields for page in pages):
        raise InvalidMemory(
            f'"{name}" has no text, perhaps only images (a scan); '
            "run text recognition (OCR) over it and upload the result"
        )
    unread = {what for page in pages for what in page.left_out}
    for what in sorted(unread):
        numbers = [number for number, page in enumerate(pages, 1) if what in page.left_out]
        yield LeftOut(what, len(numbers), _ranges(numbers))
    empty = [number for number, lines in numbered if not lines and not pages[number - 1].left_out]
    if empty:
        yield LeftOut("page without text", len(empty), _ranges(empty))
    for has_text, run in groupby(numbered, key=lambda item: bool(item[1])):
        if has_text:
            text, starts, places = _join_pages(list(run))
            for piece in cut(text):
                yield Chunk(piece.text, f"page {places[bisect_right(starts, piece.start) - 1]}")
    for number, page in enumerate(pages, 1):
        for piece in cut("\n".join(page.fields)):
            yield Chunk(piece.text, f"page {number}, form")


def _ranges(numbers: Sequence[int]) -> str:
    """Return `2, 4-6`."""
    groups = groupby(enumerate(numbers), key=lambda item: item[1] - item[0])
    runs = [[number for _, number in run] for _, run in groups]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _extract(name: str, content: bytes) -> tuple[list[_Page], list[LeftOut]]:
    from pypdf import apply_configuration
    from pypdf.errors import DependencyError, DeprecationError, PyPdfError

    # Its warnings about odd files stay off stderr, unless the level was set.
    logger = logging.getLogger("pypdf")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
    try:
        with apply_configuration(zlib_maximum_output_length=_MAX_STREAM_BYTES):
            return _read_pages(name, content)
    except InvalidMemory:
        raise
    except (PyPdfError, DependencyError, DeprecationError, *LIBRARY_ERRORS) as exc:
        raise InvalidMemory(
            f'"{name}" cannot be read as a PDF, it may be damaged or cut off; '
            "export it again and upload the new file"
        ) from exc


def _read_pages(name: str, content: bytes) -> tuple[list[_Page], list[LeftOut]]:
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise InvalidMemory(f'"{name}" is encrypted; remove the password and upload it without one')
    if (count := len(reader.pages)) > MAX_PAGES:
        raise InvalidMemory(
            f'"{name}" has {count:,} pages, the limit is {MAX_PAGES:,}; '
            "split it and upload the parts"
        )
    pages = list(map(_read_page, reader.pages))
    has_fields = any(page.fields for page in pages)
    return pages, list(_find_besides(reader, has_fields))


def _find_besides(reader: Any, has_fields: bool) -> Iterator[LeftOut]:
    """Yield what a file holds besides its pages."""
    from pypdf.errors import PyPdfError

    try:
        if attached := sum(1 for _ in reader.attachment_list):
            yield LeftOut("attached file", attached)
        form = _entry(reader.root_object, "/AcroForm") or ()
        if "/XFA" in form and not has_fields:
            yield LeftOut("form in Adobe's XFA format")
    except (PyPdfError, *LIBRARY_ERRORS):
        yield LeftOut("damaged list of attached files")


def _read_page(page: Any) -> _Page:
    from pypdf.errors import PyPdfError

    watch = _Watch()
    text = page.extract_text(visitor_operand_before=watch, visitor_text=watch.take)
    left_out = []
    if watch.is_unreadable:
        text = watch.readable_text
        left_out.append("page with fonts that give no text")
    fields: list[str] = []
    try:
        for annotation in _entry(page, "/Annots") or ():
            left_out += _read_annotation(annotation.get_object(), fields)
    except (PyPdfError, *LIBRARY_ERRORS):
        left_out.append("page with form fields that cannot be read")
    return _Page(_clean(text), [_clean(field) for field in dict.fromkeys(fields)], left_out)


def _read_annotation(annotation: Any, fields: list[str]) -> Iterator[str]:
    """Add a filled field, or text typed on the page; yield what else the page has."""
    kind, contents = _entry(annotation, "/Subtype"), str(_entry(annotation, "/Contents") or "")
    if kind == "/FreeText" and contents.strip():
        fields.append(" ".join(contents.split()))
    elif kind not in _NO_NOTES and contents.strip():
        yield "page with comments"
    elif kind == "/Widget" and (value := _field_value(annotation)):
        named = str(annotation.get_inherited("/TU") or annotation.get_inherited("/T") or "")
        label = " ".join(re.sub(r"\[\d+\]$", "", named).split()).rstrip(" :")
        fields.append(f"{label}: {value}".removeprefix(": "))


def _field_value(widget: Any) -> str:
    """Return the value of a form field, "" for a blank one or a password."""
    kind, flags = widget.get_inherited("/FT"), int(widget.get_inherited("/Ff") or 0)
    value = widget.get_inherited("/V")
    if value is None or (kind == "/Tx" and flags & _PASSWORD) or kind == "/Sig":
        return ""
    if kind == "/Btn":
        state = str(_entry(widget, "/AS") or value)
        # Of several radio buttons the chosen one is in the state that is the field's value.
        if state != str(value) or state == "/Off" or flags & _PUSH_BUTTON:
            return ""
        # Radio buttons may be numbered, and named in a list.
        state, names = state.removeprefix("/"), widget.get_inherited("/Opt") or ()
        return str(names[int(state)]) if state.isdecimal() and int(state) < len(names) else state
    options = {
        str(option[0]): str(option[1])
        for option in widget.get_inherited("/Opt") or ()
        if isinstance(option, list) and len(option) > 1
    }
    values = value if isinstance(value, list) else [value]
    texts = [item.get_data().decode() if hasattr(item, "get_data") else item for item in values]
    return " ".join(", ".join(options.get(str(text), str(text)) for text in texts).split())


def _entry(dictionary: Any, key: str) -> Any:
    """Return the value of a key, with references resolved, or None."""
    from pypdf.generic import NullObject

    value = dictionary.get(key)
    value = None if value is None else value.get_object()
    return None if isinstance(value, NullObject) else value


class _Watch:
    """Called for each drawing operation and text of a page; finds fonts that give no letters."""

    def __init__(self) -> None:
        self._shown = self._unreadable = 0
        self._pieces: list[str] = []

    def __call__(self, operator: Any, *_operation: Any) -> None:
        self._shown += operator in (b"Tj", b"TJ", b"'", b'"')

    def take(self, text: str, _cm: Any, _tm: Any, font: Any, _size: Any) -> None:
        if text.strip() and not _is_text(text, font):
            self._unreadable += len(text.strip())
            text = "\n" if text.endswith("\n") else " "
        self._pieces.append(text)

    @property
    def is_unreadable(self) -> bool:
        """Some text on the page is in fonts that do not say which letters they show."""
        nothing = not self.readable_text.strip("\n")
        return self._unreadable > _BULLET_CHARS or (self._shown > 0 and nothing)

    @property
    def readable_text(self) -> str:
        return "".join(self._pieces)


def _is_text(text: str, font: Any) -> bool:
    """Return whether a text has letters, not the glyph numbers or names of a font without them."""
    if font is not None and "/ToUnicode" not in font:
        if _entry(font, "/Subtype") == "/Type0":
            encoding = _entry(font, "/Encoding")
            return isinstance(encoding, str) and encoding not in _UNREADABLE_ENCODINGS
        if sum(map(len, _GLYPH_NAME.findall(text))) > len(text) / 2:
            return False
    visible = text.replace("\n", "").replace(" ", "")
    odd = sum(char == "\ufffd" or unicodedata.category(char) in _NO_LETTERS for char in visible)
    return odd <= len(visible) / 2


def _clean(text: str) -> str:
    # A damaged font table gives lone surrogates, which no store accepts.
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.translate(_NO_TEXT)


def _join_pages(pages: Sequence[tuple[int, list[str]]]) -> tuple[str, list[int], list[int]]:
    """Return the text of the pages, the offset where each begins, and their numbers."""
    parts: list[str] = []
    starts, numbers = [0], [pages[0][0]]
    length, pending, width, wrapped = 0, "", 0, 0
    for number, lines in pages:
        own_width = max(map(len, lines))
        own_wrapped = sum(len(line) >= max(_NEAR * own_width, _MIN_WRAP_CHARS) for line in lines)
        for index, line in enumerate(lines):
            around = own_wrapped if index else own_wrapped + wrapped
            kept, gap = _glue(pending, line, width, around)
            parts += [kept, gap]
            length += len(kept) + len(gap)
            if not index:
                starts.append(length)
                numbers.append(number)
                width = own_width
            pending = line
        wrapped = own_wrapped
    return "".join([*parts, pending]), starts, numbers


def _bodies(texts: list[str]) -> Iterator[list[str]]:
    """Yield the lines of each page, without its number and repeated headers.

    These would interrupt sentences that continue across pages.
    """
    pages = [[" ".join(ln.split()) for ln in text.splitlines() if ln.strip()] for text in texts]
    edges = [{*lines[:2], *lines[-2:]} for lines in pages]
    counts = Counter(line for edge in edges for line in edge)
    running = {line for line, count in counts.items() if count >= max(3, len(pages) / 2)}
    shown: set[str] = set()
    for number, (lines, edge) in enumerate(zip(pages, edges, strict=True), 1):
        numbers = {
            line
            for line in edge
            if (match := _PAGE_NUMBER.fullmatch(line)) and int(match[1]) == number
        }
        hidden = numbers | (edge & running & shown)
        shown |= edge
        body = range(2, len(lines) - 2)
        yield [line for i, line in enumerate(lines) if i in body or line not in hidden]


def _glue(line: str, following: str, width: int, wrapped: int) -> tuple[str, str]:
    """Return the line to keep, and the separator before the following one.

    `wrapped` counts the lines around it that end near one width; one alone is not a paragraph.
    """
    if not line or _NUMBER.match(following):
        return line, "\n" if line else ""
    if _CUT_WORD.search(line):
        if _AND_OR.match(following):
            return line, " "
        return (line[:-1] if following[0].islower() else line), ""
    is_new = len(line) < 0.6 * width or _NEW_BLOCK.match(following)
    if wrapped < 2 or (is_new and not following[0].islower()):
        return line, "\n"
    return line, "" if _CJK.match(line[-1]) and _CJK.match(following) else " "
