"""Word files: headings, paragraphs, lists and tables in the order a reader sees them.

Headers, footers, footnotes and comments are not read; text deleted in tracked changes is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from ..errors import InvalidMemory
from .chunk import LIBRARY_ERRORS, Chunk
from .prose import Heading, cut, place_in_sections
from .tables import sentence

MAX_UNZIPPED_BYTES = 100 * 1024 * 1024
_MAX_PARTS = 10_000
_MAX_TAGS = 4_000_000
_MAX_HEADER_CHARS = 300
_STEP_BYTES = 64 * 1024

_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The beginning of a Word file with a password, and of a .doc of before 2007."""

_ENCODING = re.compile(rb"""[^>]{0,200}?\sencoding\s{0,9}=\s{0,9}["']([\w.-]{1,40})""")

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_COMPAT = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_PARAGRAPH, _TABLE, _ROW, _CELL = (_W + tag for tag in ("p", "tbl", "tr", "tc"))
_WRAPPERS = {_W + tag for tag in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag")}
_TEXTS = (_W + "t", _MATH + "t")
_GAPS = (_W + "tab", _W + "br", _W + "cr", _PARAGRAPH)
_HYPHEN = _W + "noBreakHyphen"
_HIDDEN = (_W + "moveFrom", _W + "del", _COMPAT + "Fallback")


def read_docx(name: str, content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a Word file; a place is its section, or a count without headings."""
    text, headings = _join_blocks(_extract(name, content))
    for number, piece in enumerate(cut(text, markdown=True), 1):
        place = place_in_sections(headings, text, piece) or f"part {number}"
        yield Chunk(piece.text, place)


def _extract(name: str, content: bytes) -> list[tuple[str, str]]:
    """Return the kind ("heading 2", "list", "row", "paragraph") and text of each block."""
    from docx.opc.exceptions import OpcError

    if content.startswith(_OLE2):
        raise InvalidMemory(
            f'"{name}" is encrypted or in the format of Word before 2007; '
            "save it as .docx without a password and upload that"
        )
    try:
        return _read_blocks(_safe_copy(name, content))
    except InvalidMemory:
        raise
    except (OpcError, *LIBRARY_ERRORS) as exc:
        # What lxml 6.1 raises where it gets no memory: it names no line.
        if isinstance(exc, SyntaxError) and not exc.lineno:
            raise MemoryError from exc
        raise InvalidMemory(
            f'"{name}" cannot be read as a Word file, it may be damaged or cut off; '
            "open it in Word, save it as .docx and upload the new file"
        ) from exc


def _safe_copy(name: str, content: bytes) -> BytesIO:
    """Rewrite the package with its XML only, each part as long as the zip directory says.

    python-docx would unpack a part at once, however much longer than declared it is.
    """
    copy, tags = BytesIO(), 0
    with ZipFile(BytesIO(content)) as source, ZipFile(copy, "w") as target:
        parts = {info.filename: info for info in source.infolist()}
        _check_parts(name, source.infolist())
        for filename, info in parts.items():
            is_xml = filename.lower().endswith((".xml", ".rels"))
            blob = _read_part(source, info) if is_xml else b""
            tags += _count_tags(name, blob)
            if tags > _MAX_TAGS:
                raise InvalidMemory(
                    f'"{name}" has more than {_MAX_TAGS:,} XML tags, the limit for one document; '
                    "split it and upload the parts"
                )
            target.writestr(filename, blob)
    return copy


def _check_parts(name: str, infos: list[ZipInfo]) -> None:
    size = sum(info.file_size for info in infos)
    if size > MAX_UNZIPPED_BYTES or len(infos) > _MAX_PARTS:
        raise InvalidMemory(
            f'"{name}" unpacks to {size:,} bytes in {len(infos):,} parts, the limits are '
            f"{MAX_UNZIPPED_BYTES:,} and {_MAX_PARTS:,}; split it and upload the parts"
        )
    # zipfile unpacks other methods without a bound; Word uses none of them.
    if strange := [i.filename for i in infos if i.compress_type not in (ZIP_STORED, ZIP_DEFLATED)]:
        raise NotImplementedError(f"compression of {strange[0]}")


def _read_part(source: ZipFile, info: ZipInfo) -> bytes:
    with source.open(info) as part:
        return b"".join(iter(lambda: part.read(_STEP_BYTES), b""))


def _count_tags(name: str, blob: bytes) -> int:
    # Without the zeros UTF-16 shows it too.
    plain = blob.replace(b"\0", b"")
    declared = _ENCODING.match(plain)
    # In UTF-7 and EBCDIC, which the parser knows too, tags are not to be seen.
    if plain and (
        b"<" not in plain[:100]
        or (declared and not declared[1].lower().startswith((b"utf-8", b"utf-16")))
    ):
        raise ValueError("not in UTF-8 or UTF-16")
    if b"<!DOCTYPE" in plain:
        raise InvalidMemory(
            f'"{name}" declares XML entities, which no Word file needs; '
            "open it in Word, save it as .docx and upload the new file"
        )
    return blob.count(b"<")


def _read_blocks(package: BytesIO) -> list[tuple[str, str]]:
    from docx import Document

    document = Document(package)
    body: Any = document.element.body
    for hidden in list(body.iter(*_HIDDEN)):
        hidden.getparent().remove(hidden)
    kinds = _style_kinds(document)
    elements = _children(body, _PARAGRAPH, _TABLE)
    return [block for element in elements for block in _blocks_of(element, kinds)]


def _style_kinds(document: Any) -> dict[str, str]:
    """Map style ids to "heading 1".."heading 9" and "list"; Word keeps English names inside."""
    kinds = {}
    for style in document.styles:
        name = (style.name or "").lower()
        if name == "title":
            kinds[style.style_id] = "heading 1"
        elif name.startswith("heading ") and name[8:].isdecimal():
            kinds[style.style_id] = name
        elif name.startswith("list "):
            kinds[style.style_id] = "list"
    return kinds


def _children(parent: Any, *tags: str) -> Iterator[Any]:
    """Yield the children of these tags, also those inside content controls and insertions."""
    for child in parent:
        if child.tag in tags:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _children(child, *tags)


def _blocks_of(element: Any, kinds: dict[str, str]) -> Iterator[tuple[str, str]]:
    if element.tag == _TABLE:
        yield from (("row", row) for row in _table_rows(element))
    elif text := _text_of(element):
        listed = element.find(f"{_W}pPr/{_W}numPr") is not None
        yield kinds.get(element.style or "", "list" if listed else "paragraph"), text


def _text_of(element: Any) -> str:
    parts = []
    for node in element.iter(*_TEXTS, *_GAPS, _HYPHEN):
        if node.tag in _TEXTS:
            parts.append(node.text or "")
        else:
            parts.append("-" if node.tag == _HYPHEN else " ")
    return " ".join("".join(parts).split())


def _table_rows(table: Any) -> Iterator[str]:
    """Yield a sentence a row; the first row names the columns if it looks like names."""
    rows = [list(_children(row, _CELL)) for row in _children(table, _ROW)]
    header: list[str] = []
    if len(rows) > 1 and len(rows[0]) > 1:
        names = [name for cell in rows[0] for name in [_text_of(cell)] * _span(cell)]
        header = names if sum(map(len, names)) <= _MAX_HEADER_CHARS else []
    for row in rows[1:] if header else rows:
        if text := sentence(header, [text for cell in row for text in _padded(cell)]):
            yield text


def _padded(cell: Any) -> list[str]:
    return [_text_of(cell)] + [""] * (_span(cell) - 1)


def _span(cell: Any) -> int:
    """Return how many columns a cell covers; Word draws up to 63."""
    return max(1, min(int(cell.grid_span), 63))


def _join_blocks(blocks: list[tuple[str, str]]) -> tuple[str, list[Heading]]:
    """Return the blocks as Markdown and where its headings are."""
    parts: list[str] = []
    headings: list[Heading] = []
    length, previous = 0, ""
    for kind, block in blocks:
        gap = "\n" if kind == previous and kind in ("list", "row") else "\n\n" if parts else ""
        line = gap + _mark(kind) + block
        if kind.startswith("heading"):
            headings.append(Heading(length + len(gap), length + len(line), block))
        parts.append(line)
        length, previous = length + len(line), kind
    return "".join(parts), headings


def _mark(kind: str) -> str:
    if kind == "list":
        return "- "
    if kind.startswith("heading"):
        return "#" * min(int(kind.split()[1]), 6) + " "
    return ""
