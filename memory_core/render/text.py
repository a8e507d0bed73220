"""Text that is safe to print, and one JSON document: the helpers of every renderer."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..model.encoder import encode

_TEXT_WIDTH = 100
_HARMLESS = "\n\t\u200c\u200d"


def to_json(document: Mapping[str, Any]) -> str:
    """Return one JSON document; times are ISO 8601 in UTC."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=encode)
    # Still the same JSON, and nothing in it can steer a terminal.
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in {"Cc", "Cf"} else _escaped(char)
        for char in text
    )


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def one_line(text: str) -> str:
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= _TEXT_WIDTH else flat[: _TEXT_WIDTH - 1] + "…"


def printable(text: str) -> str:
    """Replace what could steer a terminal or turn the text around.

    Line ends, tabs and the joiners that scripts and emoji need are kept.
    """
    return "".join(
        char if char in _HARMLESS or unicodedata.category(char) not in {"Cc", "Cf"} else "\ufffd"
        for char in text
    )


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"


def visible_id(text: str) -> str:
    """Show an id as it stands, its spaces by their code point as well: no id has one."""
    return visible(text).replace(" ", "<U+0020>")


def visible(text: str) -> str:
    """Show what cannot be seen, and what looks like ASCII and is not, by its code point."""
    return "".join(
        char
        if char.isascii() and char.isprintable()
        else f"<U+{ord(char):04X}>"
        if unicodedata.category(char)[0] in "CZ"
        else f"{char}<U+{ord(char):04X}>"
        for char in text[:300]
    )
