"""Tables as sentences: each row names its columns, if their names are certain."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import StringIO
from itertools import chain, islice, repeat
from typing import NamedTuple

from ..errors import InvalidMemory
from ..model.foreign_record import TEXTS, owner_of, spelling
from .chunk import Chunk
from .prose import TARGET_CHARS, cut, decode

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 50
_MAX_NAME_CHARS = 60
_SEPARATOR_LINE = re.compile(r'"?sep=(.|\\t)"?[ ,;\t]*\n', re.I)
_IDENTIFIER = re.compile(r"[A-Za-z]+(?:_[A-Za-z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]+)+|\w+ I[Dd]")
_DATA = re.compile(
    r"[^\w\s]*\d[\d\s.,:/%'()+-]*(?:[\w€$£%]{1,3}\.?)?|"
    r"\d{1,2}\.?(?: ?(?:-|\u2013|to|bis) ?\d{1,2}\.?)? \w{3,9}\.?(?:,? \d{2,4})?|"
    r"[^\s@]{1,64}@[^\s@]{1,255}\.\w{1,20}|https?://\S+|"
    r"true|false|yes|no|ja|nein|oui|non|sí|sim|x",
    re.I,
)
"""A number, date, time, phone number, amount, e-mail or web address, or a choice of two."""

_NAMES = frozenset(
    """
    name nickname first middle last surname forename firstname lastname title note notes comment
    comments remark text date time day month year city town village country state region street
    address zip postcode phone telephone mobile fax email e-mail mail id nr no number amount price
    total sum quantity count unit category type kind status priority description detail details
    subject topic key value field label property attribute question answer memory fact user
    person contact customer company organization department position url link website age
    birthday birthdate gender language allergies allergy diet relation observation item product
    color size score rank task who what where when why how from to since until due owner deadline
    start begin end role team wer was wo wann bis von
    vorname nachname familienname stadt ort land straße strasse hausnummer plz adresse datum uhrzeit
    tag monat jahr telefon handy notiz notizen bemerkung bemerkungen beschreibung betrag preis menge
    anzahl kategorie typ titel thema frage antwort wert feld merkmal geburtstag geburtsdatum kunde
    firma beruf alter sprache nom prénom prenom ville pays rue adresse téléphone courriel remarque
    montant prix quantité catégorie titre question réponse valeur champ nombre apellido apellidos
    ciudad país calle dirección teléfono correo fecha hora nota notas precio cantidad categoría
    título pregunta respuesta valor campo nome cognome sobrenome cidade città endereço indirizzo
    telefone telefono data preço prezzo quantidade quantità categoria titolo domanda risposta valore
    """.split()
)
"""Names of columns, in the languages of most tables."""

_LABEL_NAMES = set("field key label property attribute feld merkmal campo champ".split())
_VALUE_NAMES = set("value answer wert valor valeur valore".split())


class TableRow(NamedTuple):
    """A row as a text, numbered 0 above the table. A memory names its owner."""

    number: int
    text: str
    owner: str | None = None


class _Layout(NamedTuple):
    """How a table is read: the number of rows above it, the names of its columns, its width.

    Without names a row is stored as it is; with `labelled`, its first cell names the second.
    """

    above: int
    names: Sequence[str]
    width: int
    labelled: bool = False

    def sentence(self, row: Sequence[str], delimiter: str) -> str:
        if self.names or self.labelled or self.width == 1:
            row = _fit(row, self.width, delimiter)
        cells = _tidy(row)
        if self.labelled and all(cells[:2]) and len(cells) > 1:
            return f"{cells[0].rstrip(' :')}: {cells[1]}"
        return _sentence(() if self.labelled else self.names, cells)


def read_csv(name: str, content: bytes) -> Iterator[Chunk]:
    """Yield one chunk per row, several for a row of more than 900 characters.

    Row 1 is the first below the header, or the first of all without a header.
    """
    text = decode(name, content)
    delimiter = ""
    if separator := _SEPARATOR_LINE.match(text):
        delimiter = separator[1].replace("\\t", "\t")
        text = text[separator.end() :]
    # csv.Sniffer takes letters for delimiters when columns are few.
    delimiter = delimiter or max(_DELIMITERS, key=partial(_fitness, text))
    row = None
    for row in read_rows(_rows(name, text, delimiter), delimiter):
        place = f"row {row.number}" if row.number else "above the table"
        yield from (Chunk(part, place, user_id=row.owner) for part in _parts(row.text))
    if row is None and text.strip(f"{delimiter}\n "):
        raise InvalidMemory(
            f'"{name}" has a header and no rows below it; add rows and upload it again'
        )


def read_rows(
    rows: Iterable[Sequence[str]], delimiter: str = " ", has_header: bool | None = None
) -> Iterator[TableRow]:
    """Yield each row with its text: `column: value; column: value`.

    Empty cells are left out. Without `has_header`, the rows show whether the first one names the
    columns.
    """
    remaining = iter(rows)
    sample = list(islice(remaining, _SAMPLE_ROWS))
    layout = _layout([_tidy(row) for row in sample], has_header)
    first = layout.above + bool(layout.names)
    are_memories = any(spelling(column) in TEXTS for column in layout.names)
    for number, row in enumerate(chain(sample, remaining), 1 - first):
        owner = None
        if number <= 0:
            text = "" if layout.names and number == 0 else _sentence((), _tidy(row))
        else:
            text = layout.sentence(row, delimiter)
            if are_memories:
                owner = owner_of(dict(zip(layout.names, row, strict=False)))
        if text:
            yield TableRow(max(number, 0), text, owner)


def _tidy(row: Sequence[str]) -> list[str]:
    return [" ".join(cell.split()) for cell in row]


def _sentence(names: Sequence[str], cells: Sequence[str]) -> str:
    # As long as the row, however long the header is.
    pairs = zip(chain(names, repeat("")), cells, strict=False)
    return "; ".join(f"{column}: {value}" if column else value for column, value in pairs if value)


def _layout(sample: Sequence[Sequence[str]], has_header: bool | None) -> _Layout:
    lengths = [len(row) for row in sample if any(row)]
    if not lengths:
        return _Layout(0, (), 0)
    widths = Counter(lengths)
    width = max(widths, key=lambda columns: (widths[columns], columns > 1))
    if width == 1 and lengths[-1] == lengths[-2:][0] > 1:
        width = lengths[-1]  # there may be more rows above a short table than in it
    # Rows of text above a table fill few of its columns.
    least = max(2, width - 1) if width > 1 else 1
    filled = [sum(map(bool, row)) >= min(least, width) for row in sample]
    above = filled.index(True) if True in filled and not has_header else 0
    # Rows of text may fill all columns but one, as does a header whose first column has no name.
    full = next((at for at, row in enumerate(sample) if sum(map(bool, row)) == width), 0)
    if not has_header and full > above and _is_header(sample[full], sample[full + 1 :], width):
        above = full
    head, body = sample[above], [row for row in sample[above + 1 :] if any(row)]
    if _is_pair_of_names(head):
        return _Layout(above, head, width, labelled=True)
    if has_header is None or max(map(len, head)) > TARGET_CHARS[1]:
        has_header = _is_header(head, body, width)
        if width == 2 and _is_labelled([head, *body], has_header):
            return _Layout(above, (), width, labelled=True)
    return _Layout(above, head, len(head)) if has_header else _Layout(above, (), width)


def _is_header(head: Sequence[str], body: Sequence[Sequence[str]], width: int) -> bool:
    """Return whether a row certainly names the columns: by known names, or unlike all below."""
    cells = [cell for cell in head if cell]
    if len(set(cells)) < len(cells) or max(map(len, cells), default=0) > _MAX_NAME_CHARS:
        return False
    if any(_is_data(cell) and not _is_name(cell) for cell in cells):
        return False
    columns = [[row[at] for row in body if at < len(row) and row[at]] for at in range(width)]
    if any(cell in column for cell, column in zip(head, columns, strict=False) if cell):
        return False
    known = sum(map(_is_name, cells))
    if known > len(cells) / 3 or (known and not body):
        return True
    # Of two columns the first may name what the second says: "Door; 1234".
    return width != 2 and any(
        _differs(column) for cell, column in zip(head, columns, strict=False) if cell
    )


def _differs(column: Sequence[str]) -> bool:
    """Return whether a column holds data or few repeated values, unlike a name above it."""
    if len(column) > 1 and sum(map(_is_data, column)) >= 0.8 * len(column):
        return True
    return len(column) > 7 and len(set(column)) <= len(column) / 4


def _is_labelled(rows: Sequence[Sequence[str]], has_header: bool) -> bool:
    """Return whether a table of two columns has labels in the first."""
    labels = [row[0] for row in rows if len(row) > 1 and row[0]]
    if len(set(labels)) < len(labels) or len(labels) < 2:
        return False
    colons = sum(label.endswith(":") for label in labels)
    known = sum(map(_is_name, labels))
    if has_header and all(map(_is_name, rows[0])):
        return False
    return colons > len(labels) / 2 or (known >= 2 and known >= len(labels) / 3)


def _is_pair_of_names(head: Sequence[str]) -> bool:
    """Return whether it is the header of such a table: "Field" and "Value"."""
    names = [cell.casefold() for cell in head]
    return len(names) == 2 and names[0] in _LABEL_NAMES and names[1] in _VALUE_NAMES


def _is_name(cell: str) -> bool:
    words = cell.rstrip(" :*").casefold()
    if words in _NAMES or _IDENTIFIER.fullmatch(cell):
        return True
    return " " in words and words[0].isalpha() and all(word in _NAMES for word in words.split())


def _is_data(cell: str) -> bool:
    return len(cell) <= _MAX_NAME_CHARS and _DATA.fullmatch(cell) is not None


def _fitness(text: str, delimiter: str) -> tuple[bool, int, int]:
    """Rate a delimiter by the rows that it splits into the same number of cells."""
    try:
        rows = list(islice(csv.reader(StringIO(text), delimiter=delimiter), _SAMPLE_ROWS))
    except csv.Error:
        return False, 0, 0
    widths = Counter(len(row) for row in rows if row) or Counter([0])
    width = max(widths, key=lambda columns: (columns > 1 and widths[columns], columns))
    return width > 1, widths[width], width


def _rows(name: str, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(StringIO(text), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as exc:
        raise InvalidMemory(
            f'"{name}" is not readable as CSV at line {reader.line_num} ({exc}); '
            "check the quotes around that line and upload it again"
        ) from exc


def _fit(row: Sequence[str], width: int, delimiter: str) -> list[str]:
    """Join cells beyond the header into the last column: an unquoted comma in a note."""
    end = len(row)
    while end > width and not row[end - 1].strip():
        end -= 1
    return [*row[: width - 1], delimiter.join(row[width - 1 : end])]


def _parts(text: str) -> list[str]:
    return [text] if len(text) <= TARGET_CHARS[1] else [piece.text for piece in cut(text)]
