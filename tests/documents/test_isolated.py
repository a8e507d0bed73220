"""What a document that means harm takes, a child process has, and the server goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from memory_core.documents import read_document
from memory_core.errors import InvalidMemory
from memory_core.model import child_process
from tests.support.child_tasks import measured
from tests.support.document_files import W, make_docx, pdf_of, spaces, with_part

MB = 1024**2
SLOW_S = 1
"""Instead of 30 seconds, which what never ends would take from each run of the tests."""

TOO_LARGE = "takes more than 200 MB of memory to read"
TOO_SLOW = "takes more than 1 second to read"


def picture(size: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(size)


def noise_without_zeros(size: int) -> bytes:
    return picture(MB)[1:].replace(b"\0", b"") * (size // MB)


def docx_of(tags: int, encoding: str) -> bytes:
    xml = f'<w:document xmlns:w="{W}"><w:body>{"<w:p/>" * tags}</w:body></w:document>'
    if encoding == "UTF-7":
        xml = xml.replace("<", "+ADw-").replace(">", "+AD4-")
    codec = "cp037" if encoding == "IBM037" else "ascii"
    part = f'<?xml version="1.0" encoding="{encoding}"?>{xml}'.encode(codec)
    if encoding == "UTF-7":
        part = part.replace(b"+ADw-?", b"<?", 1).replace(b"?+AD4-", b"?>", 1)
    return with_part(make_docx(lambda document: None), "word/document.xml", part)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "commas.csv": (lambda: b"a,b\nx" + b"," * 19 * MB, TOO_LARGE),
    "columns.csv": (lambda: b"a," * 2 * MB + b"\nx" * 8 * MB, TOO_LARGE),
    "column.csv": (lambda: b"a" * 99_000 + b"\nx" * 50_000, "gives more than 20,000 memories"),
    "picture.txt": (lambda: picture(19 * MB), "is not a text file"),
    "noise.txt": (lambda: noise_without_zeros(19 * MB), "is not a text file"),
    "headings.md": (lambda: b"# a\n" * 5 * MB, TOO_LARGE),
    "lists.json": (lambda: b"[" + b"[]," * (MB // 4) + b"[]]", "holds no text"),
    "many-lists.json": (lambda: b"[" + b"[]," * 6 * MB + b"[]]", TOO_LARGE),
    "spaces.pdf": (lambda: spaces(2_000), TOO_SLOW),
    "coded.pdf": (lambda: pdf_of(b"z" * 19 * MB + b"~>", "/ASCII85Decode", 1), TOO_LARGE),
    "tags.docx": (lambda: docx_of(1_300_000, "UTF-8"), TOO_LARGE),
    "utf7.docx": (lambda: docx_of(900_000, "UTF-7"), "cannot be read as a Word file"),
    "ebcdic.docx": (lambda: docx_of(900_000, "IBM037"), "cannot be read as a Word file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_takes_too_much_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, sentence = HOSTILE[name]
    if sentence == TOO_SLOW:
        monkeypatch.setattr(child_process, "MAX_SECONDS", SLOW_S)
    content = make()
    with measured() as peaks, pytest.raises(InvalidMemory) as caught:
        read_document(name, content)
    said = str(caught.value)
    assert said.startswith((f'"{name}" ', f'"{name}", ')), said
    assert sentence in said
    assert len(said) < 300
    # A child that is quick may end before its memory is looked at.
    assert max(peaks.children.values(), default=0) < 200 * MB
    assert peaks.grown < 20 * MB


def test_a_quadratic_row_is_read_at_once() -> None:
    (chunk,) = read_document("a.csv", b"Name,Note\nx" + b"," * 160_000).chunks
    assert chunk.text == "Name: x"


@pytest.mark.parametrize("isolate", [True, False])
def test_a_child_reads_what_is_read_here(isolate: bool) -> None:
    content = '[{"text": "Grüße", "metadata": {"n": 1}, "run_id": "7"}, "b"]'.encode()
    first, second = read_document("a.json", content, isolate=isolate).chunks
    assert (first.text, first.run_id, first.metadata) == ("Grüße", "7", {"n": 1})
    assert (second.text, second.place) == ("b", "memory 2")


def test_only_a_child_reads_unless_told_not_to() -> None:
    def children(**options: Any) -> int:
        with measured() as peaks:
            read_document("a.txt", "Grüße aus Köln.\n".encode("cp1252") * 5_000, **options)
        return len(peaks.children)

    assert (children(), children(isolate=False)) == (1, 0)
