"""What becomes of documents that can be read; the others are in test_documents_refused."""

from __future__ import annotations

import json
import random
import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_core.documents import Chunk, Document
from memory_core.documents.prose import cut
from tests.support.document_files import (
    docx_of_body,
    encrypt_pdf,
    make_docx,
    make_pdf,
    read_here,
    strict_docx,
)

GERMAN = "Die Kundin aus Köln möchte am Freitag zurückgerufen werden, weil die Straße gesperrt ist."
JAPANESE = "会議は金曜日に行われます。田中さんは東京から来ます。"
ARABIC = "العميل يفضل الاتصال به صباح يوم الجمعة."
EMOJI = "Thanks 👩‍👩‍👧 see you 🇮🇪!"


def texts(name: str, content: bytes | str) -> list[str]:
    return [chunk.text for chunk in read(name, content)]


def places(name: str, content: bytes | str) -> list[str]:
    return [chunk.place for chunk in read(name, content)]


def read(name: str, content: bytes | str) -> list[Chunk]:
    return document(name, content).chunks


def document(name: str, content: bytes | str) -> Document:
    content = content.encode() if isinstance(content, str) else content
    return read_here(name, content)


def letters(text: str) -> str:
    return "".join(text.split())


# Splitting


@pytest.mark.parametrize("markdown", [False, True])
@settings(deadline=None)
@given(
    text=st.text(st.sampled_from("ab .\n#-`*>|\r。😀\u200d\u0301") | st.characters(codec="utf-8"))
)
def test_pieces_hold_every_character_once(text: str, markdown: bool) -> None:
    pieces = list(cut(text, markdown=markdown))
    assert letters("".join(piece.text for piece in pieces)) == letters(text)
    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_word_is_cut_and_no_piece_too_long(seed: int) -> None:
    chance = random.Random(seed)
    words = chance.choices(["Wort", "naïve", "x" * 60, "(so)", "end.", "what?"], k=500)
    text = "".join(word + chance.choice([" ", "\n", ", ", "\n\n"]) for word in words)
    pieces = [piece.text for piece in cut(text)]
    assert [word for piece in pieces for word in piece.split()] == text.split()
    assert max(map(len, pieces)) <= 900


@pytest.mark.parametrize("sentence", [GERMAN, "Call back on Friday? Yes, before 9.", JAPANESE])
def test_prose_is_cut_into_whole_sentences(sentence: str) -> None:
    pieces = texts("a.txt", f"{sentence} " * 300)
    assert all(piece[-1] in ".?。" and piece[0] in "DCY会田" for piece in pieces)
    assert all(300 <= len(piece) <= 900 for piece in pieces[:-1])


def test_a_word_longer_than_a_piece_is_cut() -> None:
    assert {len(piece) for piece in texts("a.txt", "x" * 100_000)} <= set(range(1, 901))


def test_a_heading_goes_with_what_it_heads() -> None:
    markdown = "# Title\n\n## Part\n\n" + "A sentence of the part. " * 60
    assert texts("a.md", markdown)[0].startswith("# Title\n\n## Part\n\nA sentence")


# Text and Markdown


@pytest.mark.parametrize("text", [GERMAN, JAPANESE, ARABIC, EMOJI])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_text_comes_back_as_it_was(text: str, encoding: str) -> None:
    assert read("a.txt", text.encode(encoding)) == [Chunk(text, "line 1")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        ("Le client préfère être appelé le matin, à côté de l'hôtel.", "latin-1"),
        ("Клиент просит перезвонить в пятницу.", "cp1251"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (ARABIC, "cp1256"),
    ],
)
def test_older_encodings_are_recognized(text: str, encoding: str) -> None:
    assert texts("a.txt", text.encode(encoding)) == [text]


def test_a_text_names_its_lines_in_any_line_ends() -> None:
    paragraphs = ["First.", "Second. " * 50, "Third. " * 50]
    expected = ["lines 1-3", "line 5"]
    assert places("a.txt", "\n\n".join(paragraphs)) == expected
    assert places("a.txt", "\r\n\r\n".join(paragraphs)) == expected


def test_lines_are_counted_across_a_long_gap() -> None:
    assert places("a.txt", "First." + "\n" * 10_000 + "Last.") == ["line 1", "line 10001"]


def test_wrapped_lines_are_read_as_sentences() -> None:
    wrapped = textwrap.fill(f"{GERMAN} " * 20, 72)
    chunks = read("a.txt", wrapped + "\n\n- eins\n- zwei\n")
    assert chunks[0].text.startswith(f"{GERMAN} {GERMAN}")
    assert all(chunk.text.endswith("gesperrt ist.") for chunk in chunks[:-1])
    last = wrapped.count("\n") + 3
    assert chunks[-1] == Chunk("- eins\n- zwei", f"lines {last}-{last + 1}")


@pytest.mark.parametrize(
    "text",
    [
        "Dentist, Dr. Braun, phone 030 555 12\n4 Main Street, Berlin",
        "Spare key: with the neighbour, flat 3\n17 is the code of the gate",
        "Dentist Dr. Braun, with the nice waiting room\nMain Street, Berlin, second courtyard",
        "The first train to the old harbour leaves\n7:30 on every day of the week but Sunday,\n"
        "[9:15] on Sunday and on every holiday there is",
        "bread and butter for the week, the good one\nmilk\nfigs and nuts for Ann\n"
        "the long list of Bob, who is never content",
    ],
)
def test_lines_that_are_no_paragraph_stay_apart(text: str) -> None:
    assert texts("a.txt", text) == [text]
    assert texts("a.md", text) == [text]


def test_markdown_names_its_sections() -> None:
    body = "Words of it. " * 40
    markdown = f"{body}\n\n# One\n\n{body}\n\n## Two\n\n```\n# code\n```\n\n{body}"
    assert places("a.md", markdown) == ["line 1", 'section "One"', 'section "Two"']


def test_a_chunk_over_small_sections_names_the_first_and_the_last() -> None:
    assert places("a.md", "# All\n## Red\nwarm\n## Blue\ncold") == ['sections "Red" to "Blue"']


# PDF


def test_a_pdf_sentence_may_cross_pages() -> None:
    first = ["Quarterly notes", *[GERMAN] * 4, "This sentence begins on the first page, where"]
    chunks = read("a.pdf", make_pdf([first, ["it does not end.", *[GERMAN] * 8]]))
    assert "on the first page, where it does not end." in chunks[0].text
    assert [chunk.place for chunk in chunks] == ["page 1", "page 2"]


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["We bought a larger data-", "base for the archive"], "We bought a larger database for"),
        (["The files are kept in S3-", "Buckets of the firm"], "in S3-Buckets of"),
        (["Wir sahen uns die Vor-", "und Nachteile an"], "die Vor- und Nachteile"),
        (["会議は金曜日に行われます", "田中さんは東京から"], "行われます田中さん"),
        (["much    space   between", "the words of a line"], "much space between the words"),
        (["The list of the things:", "- one", "- two"], "things:\n- one\n- two"),
    ],
)
def test_pdf_lines_are_joined_as_they_are_read(lines: list[str], joined: str) -> None:
    assert joined in texts("a.pdf", make_pdf([lines]))[0]


def test_page_numbers_and_repeated_headers_do_not_interrupt_sentences() -> None:
    bodies = ["We agreed to meet again", "in the old harbour, if the", "weather allows it."]
    pages = [["Handbook", body, f"Page {n}"] for n, body in enumerate(bodies, 1)]
    assert texts("a.pdf", make_pdf(pages)) == ["Handbook\n" + " ".join(bodies)]


@pytest.mark.parametrize("text", [GERMAN, JAPANESE, "Thanks 😀 see you"])
def test_a_pdf_keeps_letters_beyond_ascii(text: str) -> None:
    assert texts("a.pdf", make_pdf([[text]])) == [text]


def test_right_to_left_text_in_a_pdf_is_read_as_it_is_spoken() -> None:
    spoken = ARABIC.removesuffix(".")
    as_drawn = spoken[::-1]
    assert texts("a.pdf", make_pdf([[as_drawn]])) == [spoken]


def test_a_pdf_encrypted_with_an_empty_password_is_read() -> None:
    assert texts("a.pdf", encrypt_pdf(make_pdf([[GERMAN]]), "")) == [GERMAN]


# Word


def test_a_word_file_is_read_in_its_order() -> None:
    def fill(document: Any) -> None:
        document.add_heading("Entscheidungen", 1)
        document.add_paragraph(GERMAN)
        document.add_paragraph("Köln", style="List Bullet")
        table = document.add_table(rows=0, cols=2)
        for row in (("Name", "Stadt"), ("田中", "東京"), ("Müller", "")):
            for cell, value in zip(table.add_row().cells, row, strict=True):
                cell.text = value
        document.add_paragraph(ARABIC)

    (chunk,) = read("a.docx", make_docx(fill))
    assert chunk.place == 'section "Entscheidungen"'
    assert chunk.text == (
        f"# Entscheidungen\n\n{GERMAN}\n\n- Köln\n\n"
        f"Name: 田中; Stadt: 東京\nName: Müller\n\n{ARABIC}"
    )


def test_a_word_file_without_headings_counts_its_parts() -> None:
    content = make_docx(lambda document: document.add_paragraph(f"{GERMAN} " * 11))
    assert places("a.docx", content) == ["part 1", "part 2", "part 3"]


def test_strict_open_xml_is_read_as_any_other_word_file() -> None:
    def fill(document: Any) -> None:
        document.add_heading("Diet", level=1)
        document.add_paragraph("Likes tea.")

    package = make_docx(fill)
    assert texts("a.docx", strict_docx(package)) == texts("a.docx", package) != []


def test_content_controls_and_insertions_are_read_and_deletions_not() -> None:
    def run(text: str, tag: str = "t") -> str:
        return f'<w:r><w:{tag} xml:space="preserve">{text}</w:{tag}></w:r>'

    content = docx_of_body(
        f"<w:sdt><w:sdtContent><w:p>{run('kept ')}<w:ins>{run('new ')}</w:ins>"
        f"<w:del>{run('old', 'delText')}</w:del><w:moveFrom>{run('moved')}</w:moveFrom>"
        f"<w:hyperlink>{run('link')}</w:hyperlink></w:p></w:sdtContent></w:sdt>"
    )
    assert texts("a.docx", content) == ["kept new link"]


def test_a_cell_over_two_columns_shifts_the_next_ones() -> None:
    def fill(document: Any) -> None:
        table = document.add_table(rows=2, cols=3)
        for cell, name in zip(table.rows[0].cells, ("Name", "Note", "City"), strict=True):
            cell.text = name
        table.cell(1, 0).merge(table.cell(1, 1)).text = "wide"
        table.cell(1, 2).text = "last"

    assert texts("a.docx", make_docx(fill)) == ["Name: wide; City: last"]


# Tables and JSON


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_row_is_a_sentence_with_its_number(delimiter: str) -> None:
    rows = [["Name", "Straße", "Note"], ["田中", "", 'says "ok"'], ["Müller", "Ring 1", "a\nb"]]
    content = "\n".join(
        delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows
    )
    assert read("a.csv", content) == [
        Chunk('Name: 田中; Note: says "ok"', "row 1"),
        Chunk("Name: Müller; Straße: Ring 1; Note: a b", "row 2"),
    ]


def test_rows_are_counted_as_a_spreadsheet_shows_them() -> None:
    assert places("a.csv", "Name\n\nAda\nBob\n") == ["row 2", "row 3"]


def test_an_unquoted_comma_in_the_last_column_stays_in_it() -> None:
    assert texts("a.csv", "Id,Note\n1,late, but well\n") == ["Id: 1; Note: late, but well"]


def test_a_long_row_is_split_and_keeps_its_number() -> None:
    chunks = read("a.csv", f"Id,Note\n1,{GERMAN.replace(',', '') * 20}\n2,x\n")
    assert [chunk.place for chunk in chunks][-2:] == ["row 1", "row 2"]
    assert max(len(chunk.text) for chunk in chunks) <= 900


@pytest.mark.parametrize(
    "shape",
    [
        ["Likes tea.", JAPANESE],
        [{"memory": "Likes tea.", "id": [1]}, {"text": JAPANESE}],
        {"results": [{"data": "Likes tea."}, {"content": JAPANESE}]},
        {"memories": ["Likes tea.", " ", JAPANESE]},
    ],
)
def test_json_lists_memories(shape: object) -> None:
    assert texts("a.json", json.dumps(shape)) == ["Likes tea.", JAPANESE]


def test_a_single_object_is_one_memory() -> None:
    assert read("a.json", '{"text": "Likes tea."}') == [Chunk("Likes tea.", "memory 1")]


def test_a_chat_keeps_who_said_what_without_the_system() -> None:
    said = {"role": "user", "content": EMOJI, "name": "Ada"}
    tool = {"role": "assistant", "content": None}
    chat = [{"role": "system", "content": "Be kind."}, said, tool]
    expected = Chunk(EMOJI, "message 2", role="user", name="Ada")
    assert read("a.json", json.dumps(chat)) == [expected]
    assert read("a.json", json.dumps({"messages": chat})) == [expected]


def test_scope_and_metadata_of_an_entry_are_kept() -> None:
    entry = {"memory": "x", "metadata": {"topic": "tea"}, "agent_id": "shop", "run_id": "r1"}
    expected = Chunk("x", "line 2", agent_id="shop", run_id="r1", metadata={"topic": "tea"})
    assert read("a.jsonl", "\n" + json.dumps(entry)) == [expected]


def test_a_memory_keeps_its_length_until_no_store_takes_it() -> None:
    assert texts("a.json", json.dumps(["x " * 5000])) == ["x " * 5000]
    assert len(texts("a.json", json.dumps(["A sentence. " * 4000]))) > 40
