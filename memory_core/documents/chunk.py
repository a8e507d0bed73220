"""Chunks of documents, and the names of files."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, to be saved as one memory.

    `place` locates it in words: `page 2`, `lines 10-14`, `section "Decisions"`,
    `row 17`, `line 14`, `message 3`, `memory 5`, `part 4`. The rest is set only for entries of
    JSON files that carry it, and has passed the limits of a memory.
    """

    text: str
    place: str
    role: str | None = None
    name: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


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

MAX_NAME_BYTES = 200
_LOOKED_AT_CHARS = 500
_MAX_SUFFIX_BYTES = 20

_JOINERS = "\u200c\u200d"
"""Persian spelling and compound emoji need these two; every other format character goes."""


def clean_name(name: str) -> str:
    """Return the last path component, safe to print, to log and to keep.

    Both `/` and `\\` separate. Control, bidi and other invisible characters are removed; at most
    200 UTF-8 bytes stay, the suffix among them. Never empty, and stable when repeated.
    """
    last = re.split(r"[/\\]", name)[-1]
    # Before anything else: time to compose grows with the square of the marks on one letter.
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
