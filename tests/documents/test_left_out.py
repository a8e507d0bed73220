"""What a PDF or a Word file holds besides its text: read where it can be, named where not."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from memory_core.documents import Document, add_up
from memory_core.documents.chunk import LeftOut
from tests.support.document_files import (
    W,
    blank_pdf,
    docx_of_body,
    make_docx,
    make_pdf,
    read_here,
    with_part,
)

SENTENCE = "The key of the cellar hangs behind the kitchen door of the flat."


def texts(document: Document) -> list[str]:
    return [chunk.text for chunk in document.chunks]


def named(**entries: Any) -> DictionaryObject:
    """Return a dictionary of a PDF; texts with a slash in front are names."""

    def entry(value: Any) -> Any:
        if isinstance(value, int):
            return NumberObject(value)
        if isinstance(value, str):
            return NameObject(value) if value.startswith("/") else TextStringObject(value)
        return ArrayObject(map(entry, value)) if isinstance(value, list) else value

    return DictionaryObject({NameObject(f"/{key}"): entry(value) for key, value in entries.items()})


def with_annotations(pages: list[list[str]], *annotations: DictionaryObject) -> bytes:
    """Return a PDF with these annotations on its first page."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf(pages))))
    references = [writer._add_object(annotation) for annotation in annotations]
    writer.pages[0][NameObject("/Annots")] = ArrayObject(references)
    return written(writer)


def written(writer: PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def field(kind: str, label: str, **entries: Any) -> DictionaryObject:
    return named(Subtype="/Widget", FT=kind, T=label, **entries)


# PDF


def test_pages_without_text_are_named_and_nothing_is_glued_across_them() -> None:
    pages = [["the flat of Ann is in the"], [], [], ["old town, and hers alone"], []]
    document = read_here("a.pdf", make_pdf(pages))
    assert texts(document) == ["the flat of Ann is in the", "old town, and hers alone"]
    assert [chunk.place for chunk in document.chunks] == ["page 1", "page 4"]
    assert document.left_out == ("3 pages without text (2-3, 5)",)


def test_a_scanned_page_with_a_running_head_is_without_text() -> None:
    pages = [["Handbook", SENTENCE], ["Handbook"], ["Handbook", SENTENCE], ["Handbook", "End."]]
    assert read_here("a.pdf", make_pdf(pages)).left_out == ("1 page without text (2)",)


def test_a_filled_form_gives_its_answers() -> None:
    parent = named(FT="/Btn", T="married", TU="Married?", V="/No", Ff=1 << 15)
    radio = [named(Subtype="/Widget", Parent=parent, AS=state) for state in ("/Off", "/No")]
    content = with_annotations(
        [["Name", "Allergies"]],
        field("/Tx", "form[0].name[0]", TU="Name:", V="Ruth"),
        field("/Tx", "allergies[0]", V="Cashews,\nfigs"),
        field("/Tx", "note", V=""),
        field("/Tx", "pin", V="1234", Ff=1 << 13),
        field("/Btn", "vegan", V="/Yes", AS="/Yes"),
        field("/Btn", "smoker", V="/Off", AS="/Off"),
        field("/Ch", "city", V="P", Opt=[["B", "Braga"], ["P", "Porto"]]),
        field("/Ch", "days", V=["Mon", "Tue"]),
        *radio,
        field("/Btn", "meal", V="/1", AS="/1", Opt=["meat", "vegan"]),
        named(Subtype="/FreeText", Contents="Typed on the page"),
    )
    document = read_here("a.pdf", content)
    assert texts(document) == [
        "Name\nAllergies",
        "Name: Ruth\nallergies: Cashews, figs\nvegan: Yes\ncity: Porto\ndays: Mon, Tue\n"
        "Married?: No\nmeal: vegan\nTyped on the page",
    ]
    assert document.chunks[1].place == "page 1, form"
    assert document.left_out == ()


def test_a_form_without_printed_text_is_read() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(blank_pdf(1))))
    answer = writer._add_object(field("/Tx", "name", V="Ruth"))
    writer.pages[0][NameObject("/Annots")] = ArrayObject([answer])
    document = read_here("a.pdf", written(writer))
    assert texts(document) == ["name: Ruth"]
    assert document.left_out == ("1 page without text (1)",)


def test_comments_attachments_and_broken_fields_of_a_pdf_are_named() -> None:
    writer = PdfWriter(
        clone_from=PdfReader(
            io.BytesIO(
                with_annotations(
                    [[SENTENCE]],
                    named(Subtype="/Square", Contents="wrong floor"),
                    named(Subtype="/Link", Contents="x"),
                    named(Subtype="/Widget", FT="/Tx", V="x", Ff="many"),
                )
            )
        )
    )
    writer.add_attachment("plan.txt", b"x")
    assert read_here("a.pdf", written(writer)).left_out == (
        "1 attached file",
        "1 page with comments (1)",
        "1 page with form fields that cannot be read (1)",
    )


def test_text_in_a_font_that_does_not_say_its_letters_is_named_and_not_kept() -> None:
    readable, unreadable = [make_pdf([[SENTENCE]]), make_pdf([["Nobody can copy this"]])]
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(unreadable)))
    del writer.pages[0]["/Resources"]["/Font"]["/F1"]["/ToUnicode"]  # type: ignore[index]
    writer.append(PdfReader(io.BytesIO(readable)))
    document = read_here("a.pdf", written(writer))
    assert texts(document) == [SENTENCE]
    assert document.left_out == ("1 page with fonts that give no text (1)",)


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["Dentist, Dr. Braun, phone 030 555 12", "4 Main Street, Berlin"], False),
        (["Dentist Dr. Braun, old town", "Main Street, Berlin"], False),
        (["bread", "milk", "eggs"], False),
        (["We meet in the old harbour at", "10:30 if the weather allows"], False),
        (["The flat of Ann is in the old", "Town Hall of the city, which", "is closed."], True),
    ],
)
def test_lines_of_a_pdf_are_joined_only_as_paragraphs(lines: list[str], joined: bool) -> None:
    (text,) = texts(read_here("a.pdf", make_pdf([lines])))
    assert text == (" " if joined else "\n").join(lines)


# Word


def notes_of(kind: str, text: str) -> bytes:
    return (
        f'<w:{kind}s xmlns:w="{W}"><w:{kind} w:id="2"><w:p><w:r><w:t>{text}</w:t></w:r></w:p>'
        f"</w:{kind}></w:{kind}s>"
    ).encode()


@pytest.mark.parametrize("kind", ["footnote", "endnote"])
def test_notes_follow_the_paragraph_that_refers_to_them(kind: str) -> None:
    body = (
        f'<w:p><w:r><w:t>Ruth is allergic</w:t></w:r><w:r><w:{kind}Reference w:id="2"/></w:r>'
        "<w:r><w:t>.</w:t></w:r></w:p><w:p><w:r><w:t>She likes figs.</w:t></w:r></w:p>"
    )
    content = with_part(docx_of_body(body), f"word/{kind}s.xml", notes_of(kind, "To cashews."))
    document = read_here("a.docx", content)
    note = f"{kind.capitalize()}: To cashews."
    assert texts(document) == [f"Ruth is allergic.\n\n{note}\n\nShe likes figs."]
    assert document.left_out == ()


def test_text_boxes_are_read_after_the_paragraph_they_stand_in() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>In the box</w:t></w:r></w:p></w:txbxContent>"
    body = f"<w:p><w:r><w:t>Before </w:t><w:pict>{box}</w:pict><w:t>and after</w:t></w:r></w:p>"
    assert texts(read_here("a.docx", docx_of_body(body))) == ["Before and after\n\nIn the box"]


def test_choices_in_a_form_of_word_are_named() -> None:
    fields = "<w:ffData><w:checkBox/></w:ffData><w:ffData><w:ddList/></w:ffData>"
    begin = f'<w:r><w:fldChar w:fldCharType="begin">{fields}</w:fldChar></w:r>'
    document = read_here("a.docx", docx_of_body(f"<w:p><w:r><w:t>City:</w:t></w:r>{begin}</w:p>"))
    assert (texts(document), document.left_out) == (["City:"], ("2 choices in a form",))


def test_headers_comments_and_pictures_are_named() -> None:
    def fill(document: Any) -> None:
        paragraph = document.add_paragraph(SENTENCE)
        document.add_comment(paragraph.runs, "wrong floor", "Ann")
        document.add_comment(paragraph.runs, "no, right", "Bob")
        document.sections[0].header.paragraphs[0].text = "Handbook"
        document.sections[0].footer.paragraphs[0].text = " "

    document = read_here("a.docx", make_docx(fill))
    assert texts(document) == [SENTENCE]
    assert document.left_out == ("1 header", "2 comments")


def test_a_phrase_counts_each_kind_of_thing() -> None:
    things = [LeftOut("page without text", 2, "1-2"), LeftOut("reply"), LeftOut("reply", 1_999)]
    things.append(LeftOut("page without text", 1, "9"))
    assert add_up(things) == ("3 pages without text (1-2, 9)", "2,000 replies")
