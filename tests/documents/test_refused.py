"""Which documents are refused, in which words; names; and that nothing else is ever raised."""

from __future__ import annotations

import io
import json
import logging
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_core import documents
from memory_core.documents import SUPPORTED_SUFFIXES, clean_name
from memory_core.errors import InvalidMemory
from tests.support.document_files import (
    blank_pdf,
    docx_of_body,
    encrypt_pdf,
    make_docx,
    make_pdf,
    read_here,
    with_part,
)

PDF = make_pdf([["Likes tea."], ["And coffee."]])
DOCX = make_docx(lambda document: document.add_paragraph("Likes tea."))
OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def refusal(name: str, content: bytes | str) -> str:
    content = content.encode() if isinstance(content, str) else content
    with pytest.raises(InvalidMemory) as caught:
        read_here(name, content)
    return str(caught.value)


def is_read_or_refused(name: str, content: bytes) -> bool:
    """Whether there are chunks or a sentence about the file; all else is raised."""
    try:
        return bool(read_here(name, content).chunks)
    except InvalidMemory as exc:
        return str(exc).startswith(f'"{name}"')


@pytest.mark.parametrize(
    ("name", "content", "what", "do"),
    [
        ("a.txt", "", "is empty (0 bytes)", "check the file"),
        ("a.txt", " \n\t\r\n", "holds no text", "something to remember"),
        ("a.json", "[]", "holds no text", "something to remember"),
        ("a.exe", "x", "is of a type that cannot be read", ", ".join(SUPPORTED_SUFFIXES)),
        ("a", "x", "is of a type that cannot be read", ".docx"),
        ("a.txt", "x" * (20 * 1024**2 + 1), "20,971,521 bytes, the limit is 20,971,520", "split"),
        ("a.txt", b"\0\1\2" * 99, "is not a text file", "save it as UTF-8"),
        ("a.txt", bytes(range(1, 256)) * 9, "is not a text file", "save it as UTF-8"),
        ("a.txt", "Käse, Öl und Brüh".encode()[:-3] + b"\xff", "broken character at byte", "UTF-8"),
        ("a.pdf", "not a pdf", "cannot be read as a PDF", "export it again"),
        ("a.pdf", PDF[:300], "cannot be read as a PDF", "export it again"),
        ("a.pdf", partial(encrypt_pdf, PDF, "secret"), "is encrypted", "remove the password"),
        ("a.pdf", partial(blank_pdf, 1), "(a scan)", "text recognition"),
        ("a.pdf", partial(blank_pdf, 2001), "2,001 pages, the limit is 2,000", "split it"),
        ("a.docx", "not a zip", "cannot be read as a Word file", "save it as .docx"),
        ("a.docx", DOCX[:-400], "cannot be read as a Word file", "save it as .docx"),
        ("a.docx", OLE2, "is encrypted or in the format of Word before", "without a password"),
        ("a.docx", docx_of_body("<w:p/>"), "holds no text", "something to remember"),
        ("a.csv", 'a,b\n1,"2\n3,4\n', "not readable as CSV at line 3", "check the quotes"),
        ("a.csv", "Name;Stadt\n", "has a header and no rows", "add rows"),
        ("a.json", '["a",\n"b"', "not valid JSON (line 2, column 4", "correct it"),
        ("a.json", "[NaN]", "memory 1 has a shape that is not supported", "use a list of texts"),
        ("a.json", "[" * 100_000, "nested too deeply", "a list of texts"),
        ("a.json", "42", "the file has a shape that", '"memory", "text", "data" or "content"'),
        ("a.json", '["a", {"b": 1}]', "memory 2 has a shape that", '"role" and "content"'),
        ("a.json", '["\\ud800"]', "memory 1: the text has a broken character", "decoded"),
        ("a.jsonl", '"a"\n\n{"text": }', "not valid JSON (line 3, column 10", "correct it"),
        ("a.jsonl", '"a"\n[7]', "line 2 has a shape that", "use a list"),
        ("a.jsonl", "9" * 5000, "not valid JSON (line 1: Exceeds", "correct it"),
        (
            "a.json",
            '[{"text": "x", "metadata": {"a": {}}}]',
            "memory 1: metadata 'a'",
            "use text, a number",
        ),
        ("a.json", '[{"text": "x", "run_id": "a b"}]', "memory 1: run_id 'a b'", "without spaces"),
    ],
)
def test_a_refusal_says_what_which_and_what_to_do(
    name: str, content: bytes | str | partial[bytes], what: str, do: str
) -> None:
    # Encryption draws its salts by chance, and many pages take long: such a file is made here.
    sentence = refusal(name, content() if isinstance(content, partial) else content)
    assert f'"{name}"' in sentence
    assert what in sentence
    assert do in sentence
    assert len(sentence) < 300
    assert "\n" not in sentence


def test_a_refusal_names_the_file_by_its_clean_name() -> None:
    assert refusal("/etc/\u202epas\nswd", "x").startswith('"passwd" is of a type')


def test_more_chunks_than_the_limit_are_refused() -> None:
    assert "more than 20,000 memories" in refusal("a.csv", "a\n" + "x\n" * 20_001)
    assert len(read_here("a.csv", b"a\n" + b"x\n" * 20_000).chunks) == documents.MAX_CHUNKS


def test_pypdf_keeps_quiet_about_odd_files(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read_here("a.pdf", PDF.replace(b"startxref\n1", b"startxref\n2"))
    assert caplog.records == []


# Word files that mean harm


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = with_part(DOCX, "word/media/image1.png", bytes(101 * 1024**2))
    assert len(bomb) < 200_000
    assert "unpacks to 106,7" in refusal("a.docx", bomb)


@pytest.mark.parametrize("name", ["a.zip", "a.docx"])
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_a_part_that_is_compressed_in_another_way_is_named(name: str, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("word/document.xml"), b"<x/>", method)
    said = refusal(name, buffer.getvalue())
    assert "has 'word/document.xml' in a compression format that is not supported; pack" in said


def test_a_part_longer_than_the_directory_says_is_not_unpacked_whole() -> None:
    bomb = _understate(with_part(DOCX, "word/styles.xml", bytes(50 * 1024**2)), 50 * 1024**2)
    tracemalloc.start()
    assert "cannot be read as a Word file" in refusal("a.docx", bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 10 * 1024**2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_entities_are_refused(encoding: str) -> None:
    laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    body = "<w:p><w:r><w:t>&b;</w:t></w:r></w:p>"
    assert "declares XML entities" in refusal("a.docx", docx_of_body(body, laughs, encoding))


def test_a_cell_that_claims_a_billion_columns_is_read() -> None:
    wide = '<w:tcPr><w:gridSpan w:val="999999999"/></w:tcPr>'
    cell = f"<w:tc>{wide}<w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>"
    content = docx_of_body(f"<w:tbl><w:tr>{cell}</w:tr></w:tbl>")
    assert [chunk.text for chunk in read_here("a.docx", content).chunks] == ["x"]


def test_deep_nesting_in_a_word_file_is_refused() -> None:
    deep = "<w:sdt><w:sdtContent>" * 5000 + "<w:p/>" + "</w:sdtContent></w:sdt>" * 5000
    assert "cannot be read as a Word file" in refusal("a.docx", docx_of_body(deep))


# Damage


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", PDF),
        ("a.pdf", partial(encrypt_pdf, PDF, "")),
        ("a.docx", DOCX),
        ("a.docx", docx_of_body("<w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>")),
        ("a.json", json.dumps([{"text": "é", "metadata": {"a": 1}}, "b"]).encode()),
        ("a.jsonl", b'{"text": "x"}\n"y"\n'),
        ("a.csv", 'Name;Note\n"Ü";"b"\n'.encode()),
    ],
)
def test_a_damaged_file_gives_chunks_or_invalid_memory(
    name: str, content: bytes | partial[bytes]
) -> None:
    chance = random.Random(name)
    intact = content() if isinstance(content, partial) else content
    for _ in range(60):
        assert is_read_or_refused(name, _damage(intact, chance))


@pytest.mark.parametrize("part", ["word/document.xml", "word/styles.xml", "[Content_Types].xml"])
def test_a_damaged_part_gives_chunks_or_invalid_memory(part: str) -> None:
    chance = random.Random(part)
    with zipfile.ZipFile(io.BytesIO(DOCX)) as package:
        intact = package.read(part)
    for _ in range(15):
        assert is_read_or_refused("a.docx", with_part(DOCX, part, _damage(intact, chance)))


@settings(max_examples=150, deadline=None)
@given(suffix=st.sampled_from(SUPPORTED_SUFFIXES), content=st.binary() | st.text().map(str.encode))
def test_any_bytes_give_chunks_or_invalid_memory(suffix: str, content: bytes) -> None:
    assert is_read_or_refused("a" + suffix, content)


def _understate(package: bytes, size_bytes: int) -> bytes:
    """Return the zip with this size, and its checksum, lied down to a thousand bytes."""
    told = struct.pack("<L", 1000)
    checksum = struct.pack("<L", zlib.crc32(bytes(1000)))
    honest = struct.pack("<L", zlib.crc32(bytes(size_bytes)))
    return package.replace(struct.pack("<L", size_bytes), told).replace(honest, checksum)


def _damage(content: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return content[: chance.randrange(len(content))]
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 3, 10])):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


# Names and imports


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\ada\\Bericht März.pdf", "Bericht März.pdf"),
        ("invoice\u202efdp.txt\0\n", "invoicefdp.txt"),
        ("a/", "unnamed"),
        ("..", "unnamed"),
        ("ü" * 300 + ".docx", "ü" * 97 + ".docx"),
    ],
)
def test_a_name_is_cleaned(raw: str, clean: str) -> None:
    assert clean_name(raw) == clean


@given(st.text(st.characters(codec=None)))
def test_a_clean_name_is_short_printable_and_stays_as_it_is(raw: str) -> None:
    name = clean_name(raw)
    assert 0 < len(name.encode()) <= 200
    assert not {"/", "\\", "\n", "\u202e"} & set(name)
    assert clean_name(name) == name


def test_the_suffix_is_read_in_any_case() -> None:
    assert read_here("NOTES.TXT", b"Likes tea.").chunks
    suffixes = (".txt", ".md", ".pdf", ".docx", ".csv", ".json", ".jsonl", ".zip")
    assert suffixes == SUPPORTED_SUFFIXES


def test_the_libraries_wait_until_they_are_needed() -> None:
    heavy = ("pypdf", "docx", "lxml", "semantic_text_splitter", "charset_normalizer")
    code = f"import sys, memory_core.documents; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
