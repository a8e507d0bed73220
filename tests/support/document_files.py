"""Real files for the tests of documents, made by the libraries that people's programs use."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence

from docx import Document as WordFile
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
)

from memory_core.documents import Document, read_document

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def read_here(name: str, content: bytes) -> Document:
    """Read a document without a child process, which would take most of the time of a test."""
    return read_document(name, content, isolate=False)


def make_pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """Return a PDF with these lines on its pages, in a font that has every character."""
    letters = sorted({char for lines in pages for line in lines for char in line})
    writer = PdfWriter()
    font = writer._add_object(_font(writer, letters))
    for lines in pages:
        page = writer.add_blank_page(595, 842)
        shown = "".join(f"<{_codes(line, letters)}> Tj T* " for line in lines)
        stream = _stream(f"BT /F1 11 Tf 14 TL 50 800 Td {shown}ET")
        page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    return _written(writer)


def encrypt_pdf(content: bytes, password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(password, "owner", algorithm="AES-256")
    return _written(writer)


def blank_pdf(pages: int) -> bytes:
    """Return a PDF of pages without text, as a scanner makes them."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(595, 842)
    return _written(writer)


def make_docx(fill: Callable[..., object]) -> bytes:
    """Return the Word file that `fill` wrote into a new document."""
    document = WordFile()
    fill(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return _zipped(_parts(buffer.getvalue()))


def docx_of_body(body: str, declaration: str = "", encoding: str = "utf-8") -> bytes:
    """Return a Word file whose main part has this XML for its body."""
    xml = f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
    part = (f'<?xml version="1.0" encoding="{encoding}"?>' + declaration + xml).encode(encoding)
    return with_part(make_docx(lambda document: None), "word/document.xml", part)


def strict_docx(package: bytes) -> bytes:
    """Return a Word file with the names of Strict Open XML, as Word saves it on request.

    ISO/IEC 29500-1 has `http://purl.oclc.org/ooxml/X/Y` where Word's own form of 2006 has
    `http://schemas.openxmlformats.org/X/2006/Y`; what is about the package stays.
    """
    transitional = rb"http://schemas\.openxmlformats\.org/((?!package|markup)\w+)/2006/"
    return _zipped(
        {
            name: re.sub(transitional, rb"http://purl.oclc.org/ooxml/\1/", part)
            for name, part in _parts(package).items()
        }
    )


def with_part(package: bytes, name: str, part: bytes) -> bytes:
    """Return the zip with one of its parts replaced or added."""
    parts = _parts(package)
    parts.pop(name, None)
    return _zipped({**parts, name: part})


def _parts(package: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def _zipped(parts: dict[str, bytes]) -> bytes:
    """Return a zip of these parts, the same whatever the time is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, part in parts.items():
            zipped.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _font(writer: PdfWriter, letters: list[str]) -> DictionaryObject:
    descendant = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/CIDFontType2"),
            NameObject("/BaseFont"): NameObject("/Test"),
            NameObject("/DW"): NumberObject(500),
        }
    )
    return DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type0"),
            NameObject("/BaseFont"): NameObject("/Test"),
            NameObject("/Encoding"): NameObject("/Identity-H"),
            NameObject("/DescendantFonts"): ArrayObject([writer._add_object(descendant)]),
            NameObject("/ToUnicode"): writer._add_object(_stream(_unicode_map(letters))),
        }
    )


def _unicode_map(letters: list[str]) -> str:
    rows = "\n".join(
        f"<{code:04x}> <{char.encode('utf-16-be').hex()}>" for code, char in enumerate(letters, 1)
    )
    return (
        "begincmap\n1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
        f"{len(letters)} beginbfchar\n{rows}\nendbfchar\nendcmap"
    )


def _codes(line: str, letters: list[str]) -> str:
    return "".join(f"{letters.index(char) + 1:04x}" for char in line)


def _stream(text: str) -> DecodedStreamObject:
    stream = DecodedStreamObject()
    stream.set_data(text.encode())
    return stream


def _written(writer: PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def pdf_of(stream: bytes, coding: str, pages: int) -> bytes:
    """Return a PDF whose pages all show this stream."""
    writer, content = PdfWriter(), StreamObject()
    content._data = stream
    content[NameObject("/Filter")] = NameObject(coding)
    shown = writer._add_object(content)
    for _ in range(pages):
        page = writer.add_blank_page(595, 842)
        page[NameObject("/Contents")] = shown
        fonts = DictionaryObject({NameObject("/Font"): DictionaryObject()})
        page[NameObject("/Resources")] = fonts
    return _written(writer)


def spaces(pages: int) -> bytes:
    """Return a PDF whose pages show 25 MB of blanks each."""
    return pdf_of(zlib.compress(b" " * 24_900_000), "/FlateDecode", pages)
