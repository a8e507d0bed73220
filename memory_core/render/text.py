"""Text that is safe to print, aligned tables, and JSON: the helpers of every renderer."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from ..model.encoder import encode

_TEXT_WIDTH = 100
_NUMBER_WIDTH = 8
_HARMLESS = "\n\t\u200c\u200d"
_WORD_OR_CHARACTER = re.compile(r"[\w\u0300-\u036f]+|.", re.DOTALL)
_WRITTEN_TOGETHER = frozenset(("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "IDEOGRAPHIC"))


def to_json(document: Mapping[str, Any]) -> str:
    """Return one JSON document; times are ISO 8601 in UTC."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=encode)
    # The same JSON, with nothing in it that controls a terminal.
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in {"Cc", "Cf"} else _escaped(char)
        for char in text
    )


def fields(value: object, keys: str) -> dict[str, Any]:
    """Return attributes in the form of JSON, in this order: `key`, or `key=path.to.attribute`."""
    paths = (part.partition("=") for part in keys.split())
    return {key: encode(attrgetter(path or key)(value)) for key, _, path in paths}


def table(rows: Iterable[Sequence[str | int]], header: Sequence[str] = ()) -> list[str]:
    """Return rows as aligned lines: numbers to the right, words to the left."""
    cells = [list(row) for row in rows]
    if not cells:
        return []
    numeric = [any(isinstance(cell, int) for cell in column) for column in zip(*cells, strict=True)]
    lines = [
        [f"{cell:,}" if isinstance(cell, int) else cell for cell in line]
        for line in ([list(header)] if header else []) + cells
    ]
    widths = [
        max(_NUMBER_WIDTH if number else 0, *map(len, column))
        for number, column in zip(numeric, zip(*lines, strict=True), strict=True)
    ]
    align = [str.rjust if number else str.ljust for number in numeric]
    return [
        "  "
        + "  ".join(map(lambda put, cell, width: put(cell, width), align, line, widths)).rstrip()
        for line in lines
    ]


def first_of(lines: Sequence[str], limit: int = 20) -> list[str]:
    """Return the first lines, and how many are left out."""
    left = len(lines) - limit
    return [*lines[:limit], *([f"  and {left:,} more; --json lists all"] if left > 0 else [])]


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def one_line(text: str) -> str:
    """Return printable text as a single line of limited length."""
    line = flat(text)
    return line if len(line) <= _TEXT_WIDTH else line[: _TEXT_WIDTH - 1] + "…"


def flat(text: str) -> str:
    """Return printable text as a single line."""
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """Replace characters that could control a terminal or reverse the text.

    Line ends, tabs and the joiners that scripts and emoji need are kept.
    """
    return "".join(
        char if char in _HARMLESS or unicodedata.category(char) not in {"Cc", "Cf"} else "\ufffd"
        for char in text
    )


def visible_id(text: str) -> str:
    """Show a stored id, with its spaces by code point too: no canonical id has any."""
    return visible(text).replace(" ", "<U+0020>")


def visible(text: str) -> str:
    """Show invisible characters, and letters of another script within a word, by code points."""
    if text.isascii() and text.isprintable():
        return text[:300]
    return "".join(map(_visible_word, _WORD_OR_CHARACTER.findall(text[:300])))


def _visible_word(word: str) -> str:
    scripts = [_script(char) for char in word]
    usual = max(
        filter(None, scripts), key=lambda it: (scripts.count(it), it == "LATIN"), default=""
    )
    return "".join(
        char
        if char == " " or (char.isprintable() and script in ("", usual))
        else f"{char if char.isprintable() else ''}<U+{ord(char):04X}>"
        for char, script in zip(word, scripts, strict=True)
    )


def _script(char: str) -> str:
    """Return the script of a letter or digit, empty for other characters and ASCII digits."""
    if char.isascii() or not char.isalnum():
        return "LATIN" if char.isalpha() else ""
    name = re.split("[ -]", unicodedata.name(char, ""))[0]
    return "CJK" if name in _WRITTEN_TOGETHER else name


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"
