"""Chunks of documents, what is left out of them, and the names of files."""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile

from ..model.counting import counted


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, to be saved as one memory.

    `place` locates it in words: `page 2`, `lines 10-14`, `section "Decisions"`,
    `row 17`, `line 14`, `message 3`, `memory 5`, `part 4`. Other fields are set only for
    entries of JSON files that have them, within the limits of a memory; `user_id` is the user that
    an entry or a row names, unchanged.
    """

    text: str
    place: str
    role: str | None = None
    name: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    user_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in a document that is not remembered: its noun, how many, and where."""

    what: str
    count: int = 1
    where: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """The chunks of a file in order, and what was left out: "2 pages without text (3-4)"."""

    chunks: list[Chunk]
    left_out: tuple[str, ...] = ()


# Seen with pypdf 7.1.0, python-docx 1.2.0, lxml and zipfile on damaged files: all but OSError.
# SyntaxError is lxml's, RuntimeError zipfile's for a part with a password or of an unknown method.
LIBRARY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zlib.error,
)

_TAIL = re.compile(r"(?= (?:from|in|of|with|without) )")

MAX_NAME_BYTES = 200
_LOOKED_AT_CHARS = 500
_MAX_SUFFIX_BYTES = 20

_JOINERS = "\u200c\u200d"
"""Persian spelling and compound emoji need these two; other format characters are removed."""


def add_up(left_out: Iterable[LeftOut]) -> tuple[str, ...]:
    """Return a phrase for each kind of thing left out, with its number and places."""
    counts: dict[str, int] = {}
    places: dict[str, list[str]] = {}
    for item in left_out:
        counts[item.what] = counts.get(item.what, 0) + item.count
        places.setdefault(item.what, []).extend([item.where] if item.where else [])
    phrases = []
    for what, count in counts.items():
        noun, *tail = _TAIL.split(what, maxsplit=1)
        where = f" ({', '.join(places[what])})" if places[what] else ""
        phrases.append(counted(count, noun) + "".join(tail) + where)
    return tuple(phrases)


def clean_name(name: str) -> str:
    """Return the last path component, safe to print, log and store.

    Both `/` and `\\` separate. Control, bidi and other invisible characters are removed; at most
    200 UTF-8 bytes stay, including the suffix. Never empty, and idempotent.
    """
    last = re.split(r"[/\\]", name)[-1]
    # First of all: the time to compose grows with the square of the marks on one letter.
    last = last[:_LOOKED_AT_CHARS] + last[_LOOKED_AT_CHARS:][-_LOOKED_AT_CHARS:]
    visible = "".join(char for char in last if not _is_invisible(char))
    normal = unicodedata.normalize("NFC", visible)
    tidy = _shorten(" ".join(normal.split()))
    return "unnamed" if tidy in ("", ".", "..") else tidy


def suffix_of(name: str) -> str:
    """Return the suffix in lower case with its dot, "" without one."""
    _, dot, suffix = name.rpartition(".")
    return (dot + suffix).lower() if dot else ""


def _is_invisible(char: str) -> bool:
    # Cc control, Cf format (bidi marks), Cs lone surrogates, Zl and Zp line ends.
    category = unicodedata.category(char)
    return category in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in _JOINERS


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, end = name.rpartition(".")
    suffix = dot + end
    if not stem or len(suffix.encode()) > _MAX_SUFFIX_BYTES:
        stem, suffix = name, ""
    room = MAX_NAME_BYTES - len(suffix.encode())
    return (stem.encode()[:room].decode(errors="ignore") + suffix).strip()
