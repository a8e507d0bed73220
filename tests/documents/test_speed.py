"""No reader of documents takes longer than in proportion to the file, whatever is in it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from memory_core.documents import read_document
from memory_core.errors import InvalidMemory
from tests.support.document_files import W, docx_of_body, pdf_of, with_part
from tests.support.proportion import is_in_proportion

QUICK_S = 0.02


def pdf(stream: str) -> bytes:
    return pdf_of(zlib.compress(stream.encode()), "/FlateDecode", 1)


def table(rows: int, cells: int, first: str = "") -> bytes:
    cell = "<w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>"
    return docx_of_body(f"<w:tbl>{first}{f'<w:tr>{cell * cells}</w:tr>' * rows}</w:tbl>")


def wide_row(cells: int) -> str:
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="63"/></w:tcPr><w:p/></w:tc>'
    return f"<w:tr>{cell * cells}</w:tr>"


# By a size in bytes, about.
FILES: dict[str, Callable[[int], bytes | str]] = {
    "commas.csv": lambda size: "a,b\nx" + "," * size,
    "commas-last.csv": lambda size: "a,b\n" + ("x,,,,,,,,\n" * (size // 9)),
    "semicolons.csv": lambda size: "a;b\n" + "x;y\n" * (size // 4),
    "header.csv": lambda size: "a," * 7_000 + "\n" + "x\n" * (size // 8),
    "quote.csv": lambda size: 'a,b\n"' + "x\n" * (size // 2),
    "quotes.csv": lambda size: 'a,b\n"x' + '""' * (size // 2) + '",y\n',
    "cell.csv": lambda size: "a,b\nx," + "y " * (size // 2) + "\n",
    "blanks.csv": lambda size: "a,b\n" + " \n" * (size // 2) + "x,y\n",
    "letters.txt": lambda size: "x" * size,
    "digits.txt": lambda size: "5" * size,
    "spaces.txt": lambda size: "x" + " " * size + "x",
    "lines.txt": lambda size: "\n" * size + "x",
    "short-lines.txt": lambda size: "a b\n" * (size // 4),
    "paragraphs.txt": lambda size: "a\n\n" * (size // 3),
    "marks.txt": lambda size: "a" + "\u0301\u0323" * (size // 4),
    "returns.txt": lambda size: "a\r" * (size // 2),
    "latin.txt": lambda size: ("Grüße\n" * (size // 6)).encode("cp1252"),
    "headings.md": lambda size: "# a\n" * (size // 4),
    "marks.md": lambda size: "#" * size,
    "fences.md": lambda size: "```\n" * (size // 4),
    "brackets.md": lambda size: "[" * size,
    "stars.md": lambda size: "*a " * (size // 3),
    "quotes.md": lambda size: "> " * (size // 2),
    "bars.md": lambda size: "|a" * (size // 2) + "\n" + "|-" * (size // 2),
    "title.md": lambda size: "# " + "a " * (size // 2),
    "notes.docx": lambda size: with_part(
        docx_of_body(
            "<w:p>" + '<w:r><w:footnoteReference w:id="2"/></w:r>' * (size // 60) + "</w:p>"
        ),
        "word/footnotes.xml",
        f'<w:footnotes xmlns:w="{W}"><w:footnote w:id="2"><w:p><w:r><w:t>{"x " * (size // 2)}'
        "</w:t></w:r></w:p></w:footnote></w:footnotes>".encode(),
    ),
    "agents.json": lambda size: json.dumps(
        {
            "agents": [{"block_ids": ["b"]}] * (size // 60),
            "blocks": [{"id": "a", "value": "x"}] * (size // 60),
        }
    ),
    "texts.json": lambda size: json.dumps(["x"] * (size // 5)),
    "text.json": lambda size: json.dumps(["x " * (size // 2)]),
    "escapes.json": lambda size: '["' + "\\n" * (size // 2) + 'x"]',
    "keys.json": lambda size: json.dumps({str(key): key for key in range(size // 10)}),
    "lists.json": lambda size: "[" + "[]," * (size // 3) + "[]]",
    "open.json": lambda size: "[" * size,
    "blanks.json": lambda size: " " * size + '["x"]',
    "texts.jsonl": lambda size: '"x"\n' * (size // 4),
    "blanks.jsonl": lambda size: "\n" * size + '"x"',
    "spaces.pdf": lambda size: pdf("BT " + " " * size + "ET"),
    "operations.pdf": lambda size: pdf("BT " + "T* " * (size // 3) + "ET"),
    "texts.pdf": lambda size: pdf("BT /F1 9 Tf " + "(x) Tj T* " * (size // 10) + "ET"),
    "text.pdf": lambda size: pdf("BT /F1 9 Tf (" + "x" * size + ") Tj ET"),
    "states.pdf": lambda size: pdf("q " * (size // 2)),
    "arrays.pdf": lambda size: pdf("BT [" + "[" * 50 + "1 " * (size // 2) + "] TJ ET"),
    "open.pdf": lambda size: b"%PDF-1.7\n" + b"1 0 obj\n" * (size // 8),
    "paragraphs.docx": lambda size: docx_of_body("<w:p/>" * (size // 6)),
    "runs.docx": lambda size: docx_of_body(
        "<w:p>" + "<w:r><w:t>x</w:t></w:r>" * (size // 24) + "</w:p>"
    ),
    "removed.docx": lambda size: docx_of_body("<w:p><w:del/></w:p>" * (size // 19)),
    "rows.docx": lambda size: table(size // 55, 1, wide_row(size // 55)),
    "cells.docx": lambda size: table(2, size // 100),
}

STAMP = "08.08.19, 13:25 - "
CHATS: dict[str, Callable[[int], bytes | str]] = {
    "whatsapp.txt": lambda size: f"{STAMP}Ann: hi\n" * (size // 26),
    "one-message.txt": lambda size: f"{STAMP}Ann: hi\n{STAMP}Bob: " + "on\n" * (size // 3),
    "stamps.txt": lambda size: f"{STAMP}Ann: hi\n{STAMP}Bob: hi\n" + "1.1.1" * (size // 5),
    "typed.txt": lambda size: "user: hi\nassistant: ho\n" + "on\n" * (size // 3),
    "slack.json": lambda size: json.dumps(
        [{"type": "message", "ts": "1", "text": "<@U1>" * 3, "user": "U1"}] * (size // 70)
    ),
    "marks.json": lambda size: json.dumps(
        [{"type": "message", "ts": "1", "text": "<" * size, "user": "U1"}]
    ),
    "title.json": lambda size: json.dumps(
        {"name": "T " * (size // 2), "chat_messages": [{"text": "x"}] * (size // 80)}
    ),
    "telegram.json": lambda size: json.dumps(
        {"messages": [{"type": "message", "date": "x", "text": ["a"] * (size // 5)}]}
    ),
    "branch.json": lambda size: json.dumps([{"mapping": branch(size // 60)}]),
    "branches.json": lambda size: json.dumps([{"mapping": branch(0, size // 60)}]),
}


def branch(length: int, beside: int = 0) -> dict[str, Any]:
    """Return the messages of a chat, one below the other and beside each other."""
    said = {"author": {"role": "user"}, "content": {"parts": ["x"]}}
    parents = {str(at): str(at - 1) for at in range(length)}
    parents |= {f"b{at}": "0" for at in range(beside)}
    return {key: {"parent": parent, "message": said} for key, parent in parents.items()}


@pytest.mark.parametrize("name", FILES | CHATS)
def test_no_reader_is_superlinear(name: str) -> None:
    def make(size: int) -> bytes:
        content = (FILES | CHATS)[name](size)
        return content.encode() if isinstance(content, str) else content

    def read(content: bytes) -> None:
        with suppress(InvalidMemory):
            read_document(name, content, isolate=False)

    assert is_in_proportion(read, make, 12_500, QUICK_S)
