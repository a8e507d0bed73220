"""Which rows of a table are its header, and what becomes of tables that have none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.document_files import make_docx, read_here

PEOPLE = "Alice;likes cheese;Braga\nBob;likes bread;Porto\n"


def rows(content: str) -> list[str]:
    return [chunk.text for chunk in read_here("a.csv", content.encode()).chunks]


def places(content: str) -> list[str]:
    return [chunk.place for chunk in read_here("a.csv", content.encode()).chunks]


@pytest.mark.parametrize("line", ["sep=;\r\n", "SEP=;\n", '"sep=;"\n', "\ufeffsep=;\n", ""])
def test_the_line_that_names_the_separator_is_no_row(line: str) -> None:
    content = f"{line}Name;Note;City\n{PEOPLE}"
    assert rows(content) == [
        "Name: Alice; Note: likes cheese; City: Braga",
        "Name: Bob; Note: likes bread; City: Porto",
    ]
    assert places(content) == ["row 1", "row 2"]


def test_a_separator_that_is_named_is_taken() -> None:
    assert rows("sep=|\nName|Note\nAlice|tea, figs; nuts") == ["Name: Alice; Note: tea, figs; nuts"]
    assert rows("sep=\\t\nName\tNote\nAlice\ta") == ["Name: Alice; Note: a"]


@pytest.mark.parametrize("padding", ["", ";;"])
def test_text_above_the_header_is_kept_as_it_stands(padding: str) -> None:
    above = f"Guests of the summer party{padding}\nas of May, 2025{padding}\n\n"
    content = f"{above}Name;Note;City\n{PEOPLE}"
    assert rows(content) == [
        "Guests of the summer party",
        "as of May, 2025",
        "Name: Alice; Note: likes cheese; City: Braga",
        "Name: Bob; Note: likes bread; City: Porto",
    ]
    assert places(content) == ["above the table", "above the table", "row 1", "row 2"]


def test_a_row_above_the_header_may_fill_all_columns_but_one() -> None:
    assert rows(f"Guests;;\nas of:;May, 2025;\nName;Note;City\n{PEOPLE}")[:3] == [
        "Guests",
        "as of:; May, 2025",
        "Name: Alice; Note: likes cheese; City: Braga",
    ]


@pytest.mark.parametrize(
    "content",
    [
        PEOPLE,
        "Alice;030 555 12\nBob;030 555 13\n",
        "2024-05-01;Dentist\n2024-05-02;Barber\n",
        "Alice;vegan\nBob;vegan\nCarl;vegan\nDora;meat\n",
        "ann@a.example;Braga\nbob@b.example;Porto\n",
        "Barolo;Piemont\nRioja;Spain\n",
        "Wifi;secret\nDoor;1234\nAlarm;5678\n",
        "Wine;Bottles\nBarolo;12\nRioja;3\n",
        "Alice;Braga\n",
    ],
)
def test_rows_without_a_header_are_stored_as_they_stand(content: str) -> None:
    lines = content.splitlines()
    assert rows(content) == [line.replace(";", "; ") for line in lines]
    assert places(content) == [f"row {number}" for number in range(1, len(lines) + 1)]


@pytest.mark.parametrize(
    ("header", "first", "second"),
    [
        ("Wine;Grower;Bottles", "Barolo;Ann;12", "Rioja;Bob;3"),
        ("Guest;Arrives;Room", "Alice;12 May 2025;sea", "Bob;3 to 5 June;garden"),
        ("Wine;Grower;Open?", "Barolo;Ann;yes", "Rioja;Bob;no"),
        ("Vorname;Wohnort;Telefon", "Ann;Köln;030 1", "Bob;Bonn;030 2"),
        ("first_name;favouriteFood;", "Ann;figs;", "Bob;rye;"),
        ("No;Guest", "1;Alice", "2;Bob"),
        ("First name;Last name", "Ann;Lee", "Bob;Ray"),
    ],
)
def test_a_header_is_known_by_its_words_or_by_what_differs_below(
    header: str, first: str, second: str
) -> None:
    names = header.split(";")
    assert rows("\n".join([header, first, second])) == [
        "; ".join(
            f"{name}: {value}" for name, value in zip(names, row.split(";"), strict=True) if value
        )
        for row in (first, second)
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Name;Ruth\nBirthday;12 May\nAllergy;cashews\n",
        "Name:;Ruth\nBirthday:;12 May\nAllergy:;cashews\n",
        "Field;Value\nName;Ruth\nBirthday;12 May\nAllergy;cashews\n",
    ],
)
def test_labels_name_the_values_beside_them(content: str) -> None:
    assert rows(content) == ["Name: Ruth", "Birthday: 12 May", "Allergy: cashews"]


@pytest.mark.parametrize(
    ("cells", "sentences"),
    [
        ([("Name:", "Ruth"), ("Room:", "7")], ["Name: Ruth", "Room: 7"]),
        ([("Name", "City"), ("Ruth", "Porto")], ["Name: Ruth; City: Porto"]),
        ([("Barolo", "Piemont"), ("Rioja", "Spain")], ["Barolo; Piemont", "Rioja; Spain"]),
    ],
)
def test_tables_of_word_are_read_the_same_way(
    cells: list[tuple[str, str]], sentences: list[str]
) -> None:
    assert word_rows(cells) == sentences


def test_a_row_that_word_repeats_on_each_page_is_a_header() -> None:
    cells = [("Wine", "Region"), ("Barolo", "Piemont")]
    assert word_rows(cells, repeated=True) == ["Wine: Barolo; Region: Piemont"]


def word_rows(cells: list[tuple[str, str]], *, repeated: bool = False) -> list[str]:
    def fill(document: Any) -> None:
        table = document.add_table(rows=0, cols=2)
        for row in cells:
            for cell, value in zip(table.add_row().cells, row, strict=True):
                cell.text = value
        if repeated:
            properties = table.rows[0]._tr.get_or_add_trPr()
            properties.append(properties.makeelement(properties.tag.replace("trPr", "tblHeader")))

    (chunk,) = read_here("a.docx", make_docx(fill)).chunks
    return chunk.text.split("\n")
