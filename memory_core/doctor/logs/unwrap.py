"""Unwrap, then read: everything around a message is removed layer by layer.

A log is bytes, lines, JSON documents of several lines, and whatever these contain.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any, BinaryIO

from ...errors import InvalidLog
from ...model.counting import Progress
from ...model.limits import MAX_LOG_BYTES
from ...model.moments import LOG_TIME

MARK = re.compile(r"\[(?:Mem0|API)\]")
"""The beginning of each known line."""

TRACE_HEADER = "Traceback (most recent call last):"
MOST_LAYERS = 16
# Bytes read of a line at a time, and characters of a JSON document in several lines.
LONGEST_LINE = LONGEST_DOCUMENT = 8 * 1024 * 1024
_LONGEST_TEXT = 16 * 1024
_STEP = 1024 * 1024
# How compressed files, PDF documents and pictures begin.
_NO_TEXT = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"%PDF", b"\x89PNG", b"\xff\xd8\xff")
# Also colours that have lost their escape character.
_COLOURS = re.compile(
    r"\x1b(?:\[[0-9;:?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\|$)|[@-Z\\^_])"
    r"|\[\d{1,3}(?:;\d{1,3}){0,9}m"
)


def _by_word(lists: dict[str, str]) -> dict[str, tuple[str, int]]:
    """Map each word of some lists to the name of its list and its place in it."""
    return {
        word: (name, rank) for name, text in lists.items() for rank, word in enumerate(text.split())
    }


# Names of fields, in lower case and reduced to letters, the most telling first.
_FIELDS = _by_word({
    "text": "textpayload message msg log event text body line raw content shortmessage logentry "
            "logmessage logs data desc description detail error err reason",
    "time": "timestamp time ts asctime datetime date dt t eventtime realtimetimestamp "
            "sourcerealtimetimestamp timeunixnano timegeneratedutc timegenerated",
    "level": "level levelname severity severitytext loglevel lvl priority at status",
    "trace": "excinfo stacktrace traceback stack exctext exception",
    "instance": "instance instanceid instancename pod podname containername hostname host server "
                "logstreamname logstream",
    "part": "logtag",
})  # fmt: skip
# Levels by their words, and by the numbers of syslog and of Python.
_LEVELS = _by_word({
    "INFO": "info information notice debug trace verbose 5 6 7 10 20",
    "WARNING": "warning warn 4 30",
    "ERROR": "error err exception severe critical crit fatal alert emergency emerg panic "
             "0 1 2 3 40 50 60",
})  # fmt: skip

_NO_LETTER = re.compile(r"[^a-z]")
_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*+")
_KEY = r"[A-Za-z_@][\w.@-]{0,63}="
# A value runs to the next key, whatever quotation marks stand in it.
_PAIR = re.compile(
    rf'({_KEY})(?:"(.*?)(?:"(?=\s{{1,9}}{_KEY}|\s{{0,9}}\Z)|\Z)'
    rf"|(.*?)(?=\s{{1,9}}{_KEY}|\s{{0,9}}\Z))\s{{0,9}}",
    re.S,
)
# A row of CSV begins with a quotation mark or a time, or has a mark in a later cell.
_STRUCTURED = re.compile(
    r'\A\s*+(?:(?P<JSON>\{\s*+(?:\Z|["}])|\[\s*+(?:\Z|[\[{"\]]))'
    r'|(?P<CSV>"|\d{4}-\d\d-\d\d[T ][\d:.]{5,18}(?:Z|[+-]\d\d:?\d\d)?(?:,(?!\d{1,9}[ \]])|[;\t])'
    rf")|(?P<logfmt>{_KEY}))"
)
_MARKED = re.compile(rf'{MARK.pattern}[^"\\\n]*+')
_MARKED_CELL = re.compile(rf'\A(?:[\w.:+ -]{{0,40}}[,;\t]){{1,3}}"?{MARK.pattern}')
_DELIMITER = re.compile(r'\A[^",;\t]{1,40}([,;\t])|"([,;\t])')
# The prefixes of messages. The first group of each holds the instance.
_PREFIX = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in (
    ("CRI", r"()(?P<stream>stdout|stderr) (?P<tag>[PF])(?::\S{1,64})? "),
    # RFC 5424, or the priority of RFC 3164.
    ("syslog", r"<\d{1,3}>(?:1 (?=\S{1,40} (\S{1,255}))(?P<at>\S{1,40}) \S{1,255}"
     r"(?: (?!\[)\S{1,128}){3}(?: -| \[[\w.@-]{1,64} [^\]]{0,2000}\])?(?: |$)\ufeff?|(?=[A-Z\d]))"),
    ("Render", r"\s{0,2}\[((?=[a-z0-9-]*[0-9-])[a-z0-9][a-z0-9-]{3,60})\](?:\s{1,2}|$)"),
    ("Kubernetes", r"\[pod/([\w./-]{1,200})\] "),
    # Compose separates a given name by two blanks; a level in front of "|" is not a name.
    ("Docker", r"((?![A-Z]{1,64} )[\w.-]{1,64}+)(?:(?<=\d) {1,40}| {2,40})\| "),
    ("CloudWatch", r"((?=[A-Za-z])[\w.-]{1,64}+(?:/[\w.-]{1,64}+){2}) "),
    ("tagged", r"()[\w.:-]{1,80}+\s(?=\{\")"),
    # A program with its process, as of syslog, journald, Heroku and Fly.io.
    ("program", r"(?:([\w.-]{1,64}+) )?[\w./-]{1,64}+\[(?P<process>[\w.-]{1,64})\]"
     r"(?:: |(?: [a-z]{3})? (?=\[))"),
)))  # fmt: skip
_WORDS = "DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRIT(?:ICAL)?|FATAL"
_WORD = rf"(?:{_WORDS}|EXCEPTION|(?i:{_WORDS})(?=\s{{0,9}}[\]:]))(?![\w.])"
# Six parts may stand before a level; behind it the name of a logger, or who called it. The parts
# are looked ahead for and then taken as found, which no failure behind them can undo: a group with
# "+" behind its repeat is for that, and is matched wrongly by Python before 3.11.5 (gh-106052).
_LEVEL = re.compile(
    rf"[ |:\t-]{{0,9}}+(?=(?P<before>(?:(?!{MARK.pattern}|[\[(<]?{_WORD})"
    r"(?:\[[^\]\n]{0,64}+\]\s{0,9}+|[\w.$/<>-]{1,80}+(?<=[\w>])(?::\d{1,9})?\s{0,9}+[-|:]\s{0,9}+"
    r"|\(?\d{1,9}\)?\s{1,9}+|[-|:]\s{0,9}+)){0,6}))(?P=before)"
    rf"(?P<open>[\[(<]?)(?P<level>{_WORD})(?:\s{{0,9}}[\])>])?"
    r"(?::[\w.]{1,80}:\s{0,9}|\s{0,9}[-|](?:\s?[\w.]{1,80}:[\w.<>]{1,80}:\d{1,9}\s{1,9}(?:[-|]\s)?"
    r"|\s)?|(?<=[\])>])[ \t]?|(?:\s{0,9}:)?[ \t]{0,9})"
)


@dataclass(slots=True)
class Entry:
    """One message and what its wrapping said; `times` are all times given."""

    number: int
    text: str = ""
    format: str = ""
    times: tuple[str | int | float, ...] = ()
    instance: str = ""
    level: str = ""
    layers: int = 0


class Reader:
    """The numbered lines of one log; counts lines and bytes."""

    def __init__(self, source: BinaryIO, on_progress: Progress | None) -> None:
        self._source, self._report = source, on_progress or (lambda done, total: None)
        self.lines = self.size_bytes = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        total = 0
        if self._source.seekable():
            here = self._source.tell()
            total = self._source.seek(0, io.SEEK_END) - here
            self._source.seek(here)
        self._report(0, total)
        is_blank = is_whole = True
        for raw in self._raw_lines():
            # The rest of a line that is too long is read as a line of its own.
            self.lines += is_whole
            is_whole = len(raw) < LONGEST_LINE or raw.endswith(b"\n")
            is_blank = is_blank and raw.isspace()
            self.size_bytes += len(raw)
            if self.size_bytes % _STEP < len(raw):
                self._report(self.size_bytes, max(total, self.size_bytes))
            # Without a byte order mark; of a progress bar that was redrawn, the last state.
            line = raw.decode("utf-8", "replace").rstrip("\r\n").lstrip("\ufeff")
            line = line.rpartition("\r")[2]
            yield self.lines, _COLOURS.sub("", line) if "\x1b" in line or "[0m" in line else line
        if is_blank:
            raise InvalidLog("there is nothing in it; paste or choose the log of the backend")
        self._report(self.size_bytes, self.size_bytes)

    def _raw_lines(self) -> Iterator[bytes]:
        head = self._source.readline(LONGEST_LINE)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            # UTF-16, as some Windows programs write it.
            text = (head + self._source.read(MAX_LOG_BYTES)).decode("utf-16", "replace")
            return io.BytesIO(text.encode())
        if head.startswith(_NO_TEXT) or head.count(0) * 10 > len(head):
            raise InvalidLog("it is not text; choose the log of the backend, unpacked, as text")
        return chain([head] if head else [], iter(lambda: self._source.readline(LONGEST_LINE), b""))


def documents(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Join lines of a JSON document, which ends at a bracket below its first one."""
    block: list[str] = []
    begun = indent = size = 0
    for number, line in chain(lines, [(0, "")]):
        inner = line.lstrip()
        depth, is_closing = len(line) - len(inner) - indent, inner[:1] in ("}", "]")
        if block and (depth > 0 or (depth == 0 and is_closing)):
            block.append(line)
            size += len(line)
            # Cut after a record, so that the rest begins with a whole one.
            if depth > 0 and size < LONGEST_DOCUMENT * (1 if is_closing else 2):
                continue
            line = ""
        if block:
            yield begun, "\n".join(block)
            block = []
        if line[-1:] in ("{", "[", ",") and inner[:1] in ("{", "["):
            begun, block, indent, size = number, [line], len(line) - len(inner), len(line)
        elif line:
            yield number, line


class Unwrapper:
    """Unwraps values into entries; keeps parts of lines until their end arrives."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, str], tuple[int, str]] = {}

    def unwrap(self, entry: Entry, value: Any) -> list[Entry]:
        """Return an entry for each message in a value, without its wrapping."""
        entry.layers += 1
        if isinstance(value, dict) and entry.layers < MOST_LAYERS:
            inner = _of_record(entry, value)
        elif isinstance(value, list) and entry.layers < MOST_LAYERS:
            inner = _of_list(value)
        else:
            entry.text = str(value).rstrip("\r\n")
            inner = self._of_text(entry) if entry.layers < MOST_LAYERS else None
        if inner is None:
            # No mark is lost, not even one that is cut in two.
            behind = MARK.search(entry.text, _LONGEST_TEXT - 5)
            entry.text = entry.text[:_LONGEST_TEXT] + (behind[0] if behind else "")
            return [entry]
        # The level of a text is that of its first line.
        level = "" if isinstance(value, str) else entry.level
        entries = [entry, *(replace(entry, level=level) for _ in inner[1:])]
        pairs = zip(entries, inner, strict=False)
        return [message for each, item in pairs for message in self.unwrap(each, item)]

    def rest(self) -> list[Entry]:
        """Return parts whose end never arrived."""
        return [Entry(number, text) for number, text in self._begun.values()]

    def _of_text(self, entry: Entry) -> list[Any] | None:
        """Remove prefixes; return what is inside, None for a bare message."""
        has_level = False
        for _ in range(MOST_LAYERS):
            text = entry.text
            shape = _STRUCTURED.match(text)
            if shape and (inner := _INSIDE[shape.lastgroup or ""](text)):
                entry.format = entry.format or shape.lastgroup or ""
                return inner
            if "\n" in text:
                return text.split("\n")
            if MARK.match(text):
                break
            if match := LOG_TIME.match(text):
                entry.times += (match[0],)
                entry.format = entry.format or ("Render" if match["half"] else "")
            elif match := _PREFIX.match(text):
                entry.format = entry.format or match.lastgroup or ""
                entry.times += (match["at"],) if match["at"] else ()
                instance = match[match.re.groupindex[match.lastgroup or ""] + 1] or match["process"]
                if instance and not instance.isdigit():
                    entry.instance = instance
            elif not has_level and (match := _LEVEL.match(text)):
                has_level = True
                entry.level = _LEVELS[match["level"].lower()][0]
            else:
                return (_MARKED_CELL.match(text) and _of_row(text)) or None
            entry.text = text[match.end() :]
            if match.lastgroup == "CRI":
                key = entry.instance, match["stream"]
                entry.number, begun = self._begun.pop(key, (entry.number, ""))
                entry.text = (begun + entry.text)[:LONGEST_DOCUMENT]
                if match["tag"] == "P" and len(self._begun) < MOST_LAYERS:
                    self._begun[key] = entry.number, entry.text
                    return []
        return None


def _of_json(text: str) -> list[Any]:
    """Return the values at the start of a text and what follows; the pieces of a broken one."""
    values: list[Any] = []
    end = len(text) - len(text.lstrip())
    with suppress(ValueError, RecursionError):
        while text[end : end + 1] in ("{", "["):
            value, end = _DECODER.raw_decode(text, end)
            values.append(value)
            end = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
    if not values and (end := text.find("{", end + 1)) > 0:
        values.append(text[:end])
    return values and [*filter(None, values), *filter(None, [text[end:]])]


def _of_row(text: str) -> list[Any]:
    """Return the cells of a row of CSV, or what is in quotation marks."""
    delimiter = match[match.lastindex or 0] if (match := _DELIMITER.search(text)) else "\t"
    try:
        cells = next(csv.reader([text.rstrip(",")], delimiter=delimiter), [])
    except csv.Error:
        cells = text.split(delimiter)
    return [cells] if len(cells) > 1 else [cell for cell in cells if cell != text]


def _of_logfmt(text: str) -> list[Any]:
    pairs = {
        key[:-1]: plain or quoted.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        for key, quoted, plain in _PAIR.findall(text)
    }
    return [pairs] if len(pairs) > 1 and any(_role(name)[0] == "text" for name in pairs) else []


_INSIDE = {"JSON": _of_json, "CSV": _of_row, "logfmt": _of_logfmt}


def _of_list(items: list[Any]) -> list[Any]:
    record = _named(items)
    if isinstance(record, dict):
        return [record]
    cells = [str(cell) for cell in items if isinstance(cell, (str, int, float))]
    times = [cell for cell in cells if LOG_TIME.fullmatch(cell)]
    if 0 < len(times) < len(cells):
        # A row, whose longest cell is its text.
        longest = max((cell for cell in cells if cell not in times), key=len)
        names = {longest: "text", **dict.fromkeys(times, "time")}
        return [{names.get(str(cell), f"level{place}"): cell for place, cell in enumerate(items)}]
    if items and isinstance(items[0], dict) and isinstance(items[-1], dict):
        # Some pages have the newest record first.
        first, last = (_fields(item)[0].get("time") for item in (items[0], items[-1]))
        if first and last and type(first) is type(last) and first > last:
            return items[::-1]
    return items


def _of_record(entry: Entry, record: dict[str, Any]) -> list[Any] | None:
    fields, others = _fields(record)
    text, trace = fields.get("text", ""), fields.get("trace", "")
    entry.times += (fields["time"],) if "time" in fields else ()
    entry.instance = fields.get("instance", entry.instance)[:100]
    entry.level = fields.get("level", entry.level)
    if trace and trace not in text:
        header = "" if TRACE_HEADER in trace else TRACE_HEADER
        text = "\n".join(filter(None, (text, header, trace)))
    if text or others:
        tag = f"stderr {fields['part']} " if fields.get("part") in ("P", "F") else ""
        return [tag + text, *others] if text else others
    entry.text = str(record)
    return None if entry.layers < 3 or MARK.search(entry.text) else []


def _marks(text: str) -> set[str]:
    """Return what follows the marks in a text."""
    return set(map(str.strip, _MARKED.findall(text)))


@lru_cache(maxsize=4096)
def _role(name: str) -> tuple[str, int]:
    """Return the role of a field by its name, and the rank of that name."""
    return _FIELDS.get(_NO_LETTER.sub("", name.lower()), ("", 99))


def _fields(record: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the best value for each role, and the other texts and lists to be read.

    The best is a text with a known mark, then the least depth, then the most telling name.
    """
    best: dict[str, tuple[tuple[bool, int, int], Any]] = {}
    marked: list[str] = []
    others: list[Any] = []
    for depth, name, value in _pairs(record, others):
        role, rank = _role(name)
        is_text = isinstance(value, str)
        is_marked = is_text and MARK.search(value) is not None
        if is_marked:
            role = "text"
            marked.append(value)
        elif role == "level":
            value = _LEVELS.get(str(value).strip().lower(), ("",))[0]
        key = (not is_marked, depth, rank)
        is_fit = value not in ("", True, None) and (is_text or role in ("level", "time"))
        if role and is_fit and (role not in best or key < best[role][0]):
            best[role] = key, value
    if len(marked) > 1:
        # A text may occur twice, once in its wrapping.
        read = _marks(best["text"][1])
        for text in marked:
            if not _marks(text) <= read:
                others.append(text)
                read |= _marks(text)
    return {role: value for role, (_, value) in best.items()}, others


def _pairs(record: dict[str, Any], pages: list[Any]) -> Iterator[tuple[int, str, Any]]:
    """Yield depth, name and value of all fields; move lists of records to `pages`."""
    levels = [(0, record)]
    for depth, fields in levels:
        for name, value in fields.items():
            value = _named(value) if isinstance(value, list) else value
            if isinstance(value, dict):
                levels.append((depth + 1, value))
                value = next(iter(value.values())) if len(value) == 1 else None
            elif isinstance(value, list) and all(isinstance(item, str) for item in value):
                value = "\n".join(value)
            elif isinstance(value, list):
                pages.append(value)
            if not isinstance(value, (dict, list)):
                yield depth, name, value


def _named(items: list[Any]) -> Any:
    """Return a list of names and values, such as labels, as an object; else the list itself."""
    if not all(isinstance(item, dict) and "value" in item for item in items):
        return items
    names = (str(item.get("name") or item.get("key") or item.get("field")) for item in items)
    return dict(zip(names, (item["value"] for item in items), strict=True)) or items
