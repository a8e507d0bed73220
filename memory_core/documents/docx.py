"""Word files: headings, paragraphs, lists and tables in the order a reader sees them.

Footnotes and endnotes follow the paragraph that refers to them, text boxes the one they are
anchored in. Headers, footers, comments, pictures and embedded files are counted as left out; text
deleted in tracked changes is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from ..errors import InvalidMemory
from .archive import check_parts, read_part
from .chunk import LIBRARY_ERRORS, Chunk, LeftOut
from .prose import Heading, cut, place_in_sections
from .tables import read_rows

_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The first bytes of a Word file with a password, and of a .doc from before 2007."""

_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
"""The names of Strict Open XML (ISO/IEC 29500-1), which python-docx does not know."""
_ENCODING = re.compile(rb"""[^>]{0,200}?\sencoding\s{0,9}=\s{0,9}["'](?!(?i:utf-8|utf-16))""")

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_COMPAT = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_PARAGRAPH, _TABLE, _ROW, _CELL = (_W + tag for tag in ("p", "tbl", "tr", "tc"))
_WRAPPERS = {_W + tag for tag in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag")}
_TEXTS = (_W + "t", _MATH + "t")
_GAPS = (_W + "tab", _W + "br", _W + "cr", _PARAGRAPH)
_HYPHEN = _W + "noBreakHyphen"
_HIDDEN = (_W + "moveFrom", _W + "del", _COMPAT + "Fallback")
_BOX = _W + "txbxContent"
_NOTES = {"footnote": _W + "footnoteReference", "endnote": _W + "endnoteReference"}
_HEADER_ROW = f"{_W}trPr/{_W}tblHeader"
_UNREAD = {
    "header": re.compile(r"word/header\d*\.xml"),
    "footer": re.compile(r"word/footer\d*\.xml"),
    "comment": re.compile(r"word/comments\.xml"),
    "picture": re.compile(r"word/media/.+"),
    "chart": re.compile(r"word/charts/chart\d*\.xml"),
    "diagram": re.compile(r"word/diagrams/data\d*\.xml"),
    "embedded file": re.compile(r"word/(?:embeddings/|afchunk).+"),
}
"""Parts of a Word file that are counted and not read."""

_WITH_TEXT = re.compile(r"word/(?:footnotes|endnotes|comments|header\d*|footer\d*)\.xml")


def read_docx(name: str, content: bytes) -> Iterator[Chunk | LeftOut]:
    """Yield the chunks of a Word file; a place is its section, or a number without headings."""
    blocks, left_out = _extract(name, content)
    yield from left_out
    text, headings = _join_blocks(blocks)
    for number, piece in enumerate(cut(text, markdown=True), 1):
        place = place_in_sections(headings, text, piece) or f"part {number}"
        yield Chunk(piece.text, place)


def _extract(name: str, content: bytes) -> tuple[list[tuple[str, str]], list[LeftOut]]:
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
        # lxml 6.1 raises it, without a line number, when memory runs out.
        if isinstance(exc, SyntaxError) and not exc.lineno:
            raise MemoryError from exc
        raise InvalidMemory(
            f'"{name}" cannot be read as a Word file, it may be damaged or cut off; '
            "open it in Word, save it as .docx and upload the new file"
        ) from exc


def _safe_copy(name: str, content: bytes) -> BytesIO:
    """Rewrite the package with its XML only, each part up to the length in the zip directory.

    python-docx would unpack a part at once, even if it is much longer than declared.
    """
    copy = BytesIO()
    with ZipFile(BytesIO(content)) as source, ZipFile(copy, "w") as target:
        parts = {info.filename: info for info in source.infolist()}
        check_parts(name, source.infolist())
        for filename, info in parts.items():
            is_xml = filename.lower().endswith((".xml", ".rels"))
            blob = read_part(source, info) if is_xml else b""
            blob = _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", blob)
            # Without the zeros, the same marks are found in UTF-16.
            plain = blob.replace(b"\0", b"")
            # In UTF-7 and EBCDIC, which the parser also reads, they would not be found.
            if plain and (b"<" not in plain[:100] or _ENCODING.match(plain)):
                raise ValueError("not in UTF-8 or UTF-16")
            if b"<!DOCTYPE" in plain:
                raise InvalidMemory(
                    f'"{name}" declares XML entities, which no Word file needs; '
                    "open it in Word, save it as .docx and upload the new file"
                )
            target.writestr(filename, blob)
    return copy


def _read_blocks(package: BytesIO) -> tuple[list[tuple[str, str]], list[LeftOut]]:
    from docx import Document

    document = Document(package)
    body = _without_hidden(document.element.body)
    with ZipFile(package) as source:
        parts = {
            name: source.read(name) if _WITH_TEXT.match(name) else b"" for name in source.namelist()
        }
    kinds, notes = _style_kinds(document), _read_notes(parts)
    elements = _children(body, _PARAGRAPH, _TABLE)
    blocks = [block for element in elements for block in _blocks_of(element, kinds, notes)]
    unread = [item for what in _UNREAD for item in _count_unread(what, parts)]
    # Word draws these fields; newer ones have a text.
    choices = body.iter(_W + "checkBox", _W + "ddList")
    return blocks, unread + [LeftOut("choice in a form") for _ in choices]


def _without_hidden(root: Any) -> Any:
    for hidden in list(root.iter(*_HIDDEN)):
        hidden.getparent().remove(hidden)
    return root


def _parsed(part: bytes) -> Any:
    from docx.oxml import parse_xml

    return _without_hidden(parse_xml(part))


def _read_notes(parts: Mapping[str, bytes]) -> dict[tuple[str, str], str]:
    """Map the tags and ids of references to the text of their notes."""
    notes = {}
    for kind, reference in _NOTES.items():
        part = parts.get(f"word/{kind}s.xml")
        for note in () if part is None else _parsed(part).iter(_W + kind):
            if text := _text_of(note):
                notes[reference, note.get(_W + "id")] = f"{kind.capitalize()}: {text}"
    return notes


def _count_unread(what: str, parts: Mapping[str, bytes]) -> Iterator[LeftOut]:
    for name, part in parts.items():
        if not _UNREAD[what].fullmatch(name):
            continue
        if what == "comment":
            yield from [LeftOut(what)] * sum(1 for _ in _parsed(part).iter(_W + "comment"))
        elif what not in ("header", "footer") or _text_of(_parsed(part)):
            yield LeftOut(what)


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


def _blocks_of(
    element: Any, kinds: Mapping[str, str], notes: dict[tuple[str, str], str]
) -> Iterator[tuple[str, str]]:
    """Yield a paragraph or a table as blocks, and after it its notes and text boxes."""
    boxes = list(element.iter(_BOX))
    for box in boxes:
        box.getparent().remove(box)
    if element.tag == _TABLE:
        yield from (("row", row) for row in _table_rows(element))
    elif text := _text_of(element):
        listed = element.find(f"{_W}pPr/{_W}numPr") is not None
        yield kinds.get(element.style or "", "list" if listed else "paragraph"), text
    for reference in element.iter(*_NOTES.values()):
        # Once only: a long note may be referred to many times.
        if note := notes.pop((reference.tag, reference.get(_W + "id")), ""):
            yield "paragraph", note
    for box in boxes:
        for inner in _children(box, _PARAGRAPH, _TABLE):
            yield from _blocks_of(inner, kinds, notes)


def _text_of(element: Any) -> str:
    parts = (
        (node.text or "") if node.tag in _TEXTS else "-" if node.tag == _HYPHEN else " "
        for node in element.iter(*_TEXTS, *_GAPS, _HYPHEN)
    )
    return " ".join("".join(parts).split())


def _table_rows(table: Any) -> Iterator[str]:
    """Yield one sentence per row; the first row names the columns if it is marked, or bold."""
    rows = list(_children(table, _ROW))
    cells = [[text for cell in _children(row, _CELL) for text in _spread(cell)] for row in rows]
    marked = bool(rows) and rows[0].find(_HEADER_ROW) is not None
    bold = len(rows) > 1 and _is_bold(rows[0]) and not _is_bold(rows[1])
    yield from (row.text for row in read_rows(cells, has_header=marked or bold or None))


def _is_bold(row: Any) -> bool:
    runs = [run for run in row.iter(_W + "r") if _text_of(run)]
    return bool(runs) and all(run.find(f"{_W}rPr/{_W}b") is not None for run in runs)


def _spread(cell: Any) -> list[str]:
    """Return a cell's text, and "" for each further column it spans (63 at most, as in Word)."""
    return [_text_of(cell)] + [""] * (min(int(cell.grid_span), 63) - 1)


def _join_blocks(blocks: list[tuple[str, str]]) -> tuple[str, list[Heading]]:
    """Return the blocks as Markdown, and its headings."""
    parts: list[str] = []
    headings: list[Heading] = []
    length, previous = 0, ""
    for kind, block in blocks:
        gap = "\n" if kind == previous and kind in ("list", "row") else "\n\n" if parts else ""
        level = min(int(kind[8:]), 6) if kind.startswith("heading") else 0
        mark = "- " if kind == "list" else "#" * level + " " if level else ""
        line = gap + mark + block
        if level:
            headings.append(Heading(length + len(gap), length + len(line), block))
        parts.append(line)
        length, previous = length + len(line), kind
    return "".join(parts), headings
