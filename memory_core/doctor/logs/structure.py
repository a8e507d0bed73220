"""Text that is structured: JSON, CSV, logfmt, entries of journald -> Python's own values."""

from __future__ import annotations

import base64
import csv
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeGuard

from .reader import LONGEST_DOCUMENT

_MOST_FAILURES = 20
_MOST_LINES = 200
_LINE_COST = 64
_MOST_NODES = 400
_MOST_DEPTH = 8
_MOST_GROWTH = 64

MARK = re.compile(r"\[(?:Mem0|API)\]")

# Names of fields in lower case and without anything but letters; the first of them counts.
TEXTS = (
    "textpayload message msg log event text body line raw content shortmessage logentry "
    "logmessage logs data desc description detail error err reason"
).split()
TIMES = (
    "timestamp time ts asctime datetime date dt t eventtime realtimetimestamp "
    "sourcerealtimetimestamp timeunixnano timegeneratedutc timegenerated"
).split()
LEVELS = "level levelname severity severitytext loglevel lvl priority at status".split()
_NO_LETTER = re.compile(r"[^a-z]")
_PAIR_NAMES = {"name", "key", "field"}

_DECODER = json.JSONDecoder()
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.S)
_JSON_LINE = re.compile(
    r'\A\s*+(?:\{\s*+(?:$|["{}])|\[\s*+(?:$|[\[{"\]])|["}\],]|-?\d[\d.eE+-]*+,?\s*+$'
    r"|(?:true|false|null),?\s*+$)"
)
_KEY = re.compile(r"[A-Za-z_@][\w.@-]{0,63}=")
_NEXT_KEY = re.compile(r"\s{1,9}(?=[A-Za-z_@][\w.@-]{0,63}=)|\s{0,9}$")
_BASE64 = re.compile(r"\AH4sI[A-Za-z0-9+/]{20,}+={0,2}$")

Document = tuple[int, str, Any]
"""The number of its first line, the name of its form, and its value."""


def documents(lines: Iterable[tuple[int, str]]) -> Iterator[Document]:
    """Join lines that are one value: a JSON document, a row of CSV, an entry of journald."""
    numbered = iter(lines)
    delimiter, header = ",", None
    begun = False
    for number, line in numbered:
        if not begun and line.strip():
            begun, delimiter = True, max(",;\t", key=line.count)
            if header := _header(line, delimiter):
                continue
        if header:
            quotes, block = line.count('"'), [line]
            while quotes % 2 and len(block) < _MOST_LINES and (following := next(numbered, None)):
                quotes += following[1].count('"')
                block.append(following[1])
            cells = _cells("\n".join(block), delimiter)
            cells[len(header) - 1 :] = [delimiter.join(cells[len(header) - 1 :])]
            yield number, "CSV", dict(zip(header, cells, strict=False))
        elif line.startswith("__CURSOR="):
            block = [line]
            while (following := next(numbered, None)) and following[1]:
                block = [*block, following[1]][:_MOST_LINES]
            yield number, "journald", dict(pair.split("=", 1) for pair in block if "=" in pair)
        elif line[:1] in "{[ \t" and _depth(line) > 0 and _JSON_LINE.match(line):
            yield from _document(number, line, numbered)
        elif line:
            yield number, "plain", line


def _document(number: int, line: str, numbered: Iterator[tuple[int, str]]) -> Iterator[Document]:
    """Yield a JSON document of several lines; of one that is too long or cut off, its objects."""
    block, depth, size = [line], _depth(line), len(line)
    for _, line in numbered:
        block.append(line)
        size += len(line) + _LINE_COST
        depth += _depth(line)
        if size > LONGEST_DOCUMENT and (read := _objects(text := "\n".join(block)))[0]:
            yield number, "JSON", read[0]
            rest = text[read[1] :].lstrip(", \n")
            block, size, depth = [rest], len(rest), sum(map(_depth, rest.split("\n")))
        elif depth <= 0 or size > LONGEST_DOCUMENT or not _JSON_LINE.match(line):
            break
    value = read_json("\n".join(block).rstrip(", "))
    if value is not None:
        yield number, "JSON", value
    else:
        yield from ((place, "plain", line) for place, line in enumerate(block, number))


def _depth(line: str) -> int:
    """Return how many brackets a line opens, less those that it closes."""
    bare = _STRING.sub("", line) if '"' in line else line
    return bare.count("{") + bare.count("[") - bare.count("}") - bare.count("]")


def read_json(text: str) -> Any:
    """Return the value of a JSON text; of one that is cut off, its objects; None for any other."""
    try:
        return _DECODER.decode(text)
    # Deeper than Python goes is no line of a log.
    except (ValueError, RecursionError):
        return _objects(text)[0] or None if _JSON_LINE.match(text) else None


def _objects(text: str) -> tuple[list[dict[str, Any]], int]:
    """Return the objects that stand whole in a text, and where the last of them ends."""
    values: list[dict[str, Any]] = []
    end = start = failures = 0
    while failures < _MOST_FAILURES and (start := text.find("{", start)) >= 0:
        try:
            value, start = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            failures, start = failures + 1, start + 1
        else:
            values.append(value)
            failures, end = 0, start
    return values, end


def _header(line: str, delimiter: str) -> list[str] | None:
    names = _cells(line, delimiter) if line.lstrip()[:1] not in "{[" else []
    known = {_letters(name) for name in names if len(name) < 60}
    return names if len(names) > 1 and known & {*TEXTS} and known & {*TIMES, *LEVELS} else None


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def structure_of(text: str) -> tuple[str, Any]:
    """Return the form and value of a text that is structured by itself, else None as its value."""
    bare = text.strip().rstrip(",")
    first, last = bare[:1], bare[-1:]
    if first in ("{", "[") and _JSON_LINE.match(bare):
        return "JSON lines", read_json(bare)
    if first == last == '"' and len(bare) > 1:
        cells = _cells(bare, "," if '","' in bare else "\t")
        value = read_json(bare) if len(cells) < 2 else cells
        return (
            ("CSV", cells) if len(cells) > 1 else ("quoted", bare[1:-1] if value is None else value)
        )
    if bare.startswith("H4sI") and _BASE64.match(bare):
        try:
            most = min(LONGEST_DOCUMENT, _MOST_GROWTH * len(bare))
            unpacked = zlib.decompressobj(31).decompress(base64.b64decode(bare), most)
        except (ValueError, zlib.error):
            return "", None
        return "CloudWatch", unpacked.decode("utf-8", "replace")
    pairs = _logfmt(bare) if _KEY.match(bare) else {}
    return ("logfmt", pairs) if len(pairs) > 1 and is_record(pairs) else ("", None)


def _logfmt(text: str) -> dict[str, str]:
    """Return pairs of key=value; a value runs to the next key, whatever quotes stand in it."""
    pairs: dict[str, str] = {}
    position = 0
    while found := _KEY.match(text, position):
        start = end = found.end()
        behind = None if text[start : start + 1] == '"' else _NEXT_KEY.search(text, start)
        while behind is None and (end := text.find('"', end + 1)) >= 0:
            behind = _NEXT_KEY.match(text, end + 1)
        value = text[start : behind.start() if behind else len(text)]
        if value[:1] == '"':
            value = value.strip('"').replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        pairs[found[0][:-1]] = value
        position = behind.end() if behind else len(text)
    return pairs


@lru_cache(maxsize=4096)
def _letters(name: str) -> str:
    return _NO_LETTER.sub("", name.lower())


class Fields:
    """The fields of a record, each at its least depth, and lists of records in it."""

    def __init__(self, record: dict[str, Any], nesting: int = 0) -> None:
        self._nesting = nesting
        self._fields: dict[str, tuple[int, Any]] = {}
        self.pages: list[Any] = []
        level = [record]
        for depth in range(_MOST_DEPTH):
            level = [
                inner
                for given in level[:_MOST_NODES]
                for name, value in list(given.items())[:_MOST_NODES]
                if (inner := self._take(_letters(name), value, depth))
            ]

    def first(self, names: Iterable[str], read: Any = None) -> Any:
        """Return the value of the first name at the least depth that can be read."""
        values = [
            (
                self._fields[name][0],
                place,
                read(self._fields[name][1]) if read else self._fields[name][1],
            )
            for place, name in enumerate(names)
            if name in self._fields
        ]
        return min((value for value in values if value[2] is not None), default=(0, 0, None))[2]

    def texts(self) -> Iterator[str]:
        return filter(None, (text_of(value) for _, value in self._fields.values()))

    def _take(self, name: str, value: Any, depth: int) -> dict[str, Any] | None:
        """Take a field; return an object whose own fields are to be taken."""
        if is_paired(value):
            value = paired(value)
        if isinstance(value, (list, dict)) and len(value) == 1:
            only = next(iter(value.values() if isinstance(value, dict) else value))
            if isinstance(only, (str, int, float)):
                self._fields.setdefault(name, (depth, only))
        if isinstance(value, dict):
            return value
        if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
            if self._nesting < _MOST_DEPTH and (
                isinstance(value[0], list)
                or is_record(value[0], self._nesting + 1)
                or MARK.search(str(value))
            ):
                self.pages.append(value)
        elif value not in (None, "", []):
            self._fields.setdefault(name, (depth, value))
        return None


def is_record(value: dict[str, Any], nesting: int = 0) -> bool:
    """Say whether an object has a text, or a list of objects that have."""
    fields = Fields(value, nesting)
    return bool(fields.pages) or fields.first(TEXTS, text_of) is not None


def is_paired(given: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Say whether it is a list of names with values, as of labels."""
    return (
        isinstance(given, list)
        and bool(given)
        and all(
            isinstance(pair, dict) and "value" in pair and not _PAIR_NAMES.isdisjoint(pair)
            for pair in given
        )
    )


def paired(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        str(pair[name]): pair["value"] for pair in pairs for name in _PAIR_NAMES if name in pair
    }


def text_of(given: Any) -> str | None:
    """Return a text, also one in lines or in bytes, as journald gives it."""
    if isinstance(given, list) and all(isinstance(item, str) for item in given):
        return "\n".join(given)
    if isinstance(given, list) and all(isinstance(item, int) and 0 <= item < 256 for item in given):
        return bytes(given).decode("utf-8", "replace")
    return given if isinstance(given, str) else None
