"""Unwrap, then read: all that stands around a message is taken off layer by layer."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any

from .reader import LONGEST_DOCUMENT, MARK

LONGEST_TEXT = 16 * 1024
"""Characters of one message that are looked at."""

MOST_LAYERS = 12
_MOST_FAILURES = 20
_MOST_DEPTH = 8
_TRACE_HEADER = "Traceback (most recent call last):"


def _by_word(lists: dict[str, str]) -> dict[str, tuple[str, int]]:
    """Return for each word of some lists the name of its list, and its place in it."""
    return {
        word: (name, rank) for name, text in lists.items() for rank, word in enumerate(text.split())
    }


# Names of fields in lower case and without anything but letters, the most telling first.
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
_LEVELS = _by_word({
    "DEBUG": "debug trace verbose 7 10",
    "INFO": "info information notice 5 6 20",
    "WARNING": "warning warn 4 30",
    "ERROR": "error err exception severe critical crit fatal alert emergency emerg panic "
             "0 1 2 3 40 50 60",
})  # fmt: skip
"""Levels by their words, and by the numbers of syslog and of Python."""

_WORD_CHARACTER = re.compile(r"\w")
_NO_LETTER = re.compile(r"[^a-z]")

_DECODER = json.JSONDecoder()
_OPENING = re.compile(r"\A\s*+\[|\{")
_JSON_START = re.compile(r'\A\s*+(?:\{\s*+(?:\Z|["}])|\[\s*+(?:\Z|[\[{"\]]))')
_JSON_LINE = re.compile(
    r'\A\s*+(?:["{}\],]|\[\s*+(?:\Z|[\[{"\]])|-?\d[\d.eE+-]*+,?\s*+\Z'
    r"|(?:true|false|null),?\s*+\Z)"
)
_KEY = r"[A-Za-z_@][\w.@-]{0,63}="
# A value runs to the next key, whatever quotation marks stand in it.
_PAIR = re.compile(
    rf'({_KEY})(?:"(.*?)(?:"(?=\s{{1,9}}{_KEY}|\s{{0,9}}\Z)|\Z)'
    rf"|(.*?)(?=\s{{1,9}}{_KEY}|\s{{0,9}}\Z))\s{{0,9}}",
    re.S,
)
_STRUCTURED = re.compile(rf'{_JSON_START.pattern}|\A\s*+(?:"|{_KEY})')

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTH, _CLOCK = f"(?:{'|'.join(_MONTHS)})", r"\d{1,2}:\d\d:\d\d"
_NAMED = rf"{_MONTH}\s{{1,2}}\d{{1,2}},?\s(?:\d{{4}},?\s)?{_CLOCK}"
_TIME = re.compile(
    rf"\[?(?:(?P<stamp>\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}|\d\d/{_MONTH}/\d{{4}}:{_CLOCK}|{_NAMED})"
    r"(?:[.,](?P<part>\d{1,9}))?(?:\s?(?P<half>[AaPp][Mm]\b))?"
    r"(?:\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?"
    r"|(?P<epoch>1\d{9}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?)(?=\s|$)"
    rf"|{_CLOCK}(?:[.,]\d{{1,6}})?(?=[\s\]]))\]?[ \t]{{0,2}}"
)
# Any of these may stand in front of a message; the name without its number is the form.
_PREFIX = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in (
    ("CRI", r"(?P<stream>stdout|stderr) (?P<tag>[PF])(?::\S{1,64})? "),
    ("timed", _TIME.pattern),
    # RFC 5424; then the priority of RFC 3164.
    ("syslog1", r"<\d{1,3}>1 (?P<at>\S{1,40}) (?P<host1>\S{1,255})(?: (?!\[)\S{1,128}){3}"
     r"(?: -| \[[\w.@-]{1,64} [^\]]{0,2000}\])?(?: |$)\ufeff?"),
    ("syslog2", r"<\d{1,3}>(?=[A-Z\d])"),
    ("Render",
     r"\s{0,2}\[(?P<host2>(?=[a-z0-9-]*[0-9-])[a-z0-9][a-z0-9-]{3,60})\](?:\s{1,2}|$)"),
    ("Kubernetes", r"\[pod/(?P<host3>[\w./-]{1,200})\] "),
    ("Docker", r"(?P<host4>[\w.-]{1,64}+)(?<=\d) {1,40}\| "),
    ("CloudWatch", r"(?P<host5>(?=[A-Za-z])[\w.-]{1,64}+(?:/[\w.-]{1,64}+){2}) "),
    # A tag before JSON; a program with its process, as of journald, Heroku and Fly.io.
    ("tagged", r"[\w.:-]{1,80}+\s(?=\{\")"),
    ("syslog3", r"(?:(?P<host6>[\w.-]{1,64}+) )?[\w./-]{1,64}+\[(?P<host7>[\w.-]{1,64})\]"
     r"(?:: |(?: [a-z]{3})? (?=\[))"),
)))  # fmt: skip
_HOSTS = [name for name in _PREFIX.groupindex if name.startswith("host")]
_WORDS = "DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRIT(?:ICAL)?|FATAL"
_WORD = rf"(?:{_WORDS}|EXCEPTION|(?i:{_WORDS})(?=\s{{0,9}}[\]:]))(?![\w.])"
# Six parts may stand before a level; behind it the name of a logger, or who called it.
_LEVEL = re.compile(
    rf"[ |:\t-]{{0,9}}+(?:(?!{MARK.pattern}|[\[(<]?{_WORD})(?:\[[^\]\n]{{0,64}}+\]\s{{0,9}}+"
    r"|[\w.$/<>-]{1,80}+(?<=[\w>])(?::\d{1,9})?\s{0,9}+[-|:]\s{0,9}+|\(?\d{1,9}\)?\s{1,9}+"
    rf"|[-|:]\s{{0,9}}+)){{0,6}}+(?P<open>[\[(<]?)(?P<level>{_WORD})(?:\s{{0,9}}[\])>])?"
    r"(?::[\w.]{1,80}:\s{0,9}|\s{0,9}[-|](?:\s?[\w.]{1,80}:[\w.<>]{1,80}:\d{1,9}\s{1,9}(?:[-|]\s)?"
    r"|\s)?|(?<=[\])>])[ \t]?|(?:\s{0,9}:)?[ \t]{0,9})"
)


@dataclass(slots=True)
class Entry:
    """One message and what was told around it; `times` are all that were given."""

    number: int
    text: str = ""
    format: str = "plain"
    times: tuple[str | int | float, ...] = ()
    instance: str = ""
    level: str = ""

    def at(self, now: datetime) -> tuple[datetime, bool] | None:
        """Return when it was written, and whether a zone was named."""
        times = [read for given in self.times if (read := read_time(given, now))]
        return next((read for read in times if read[1]), times[0] if times else None)

    def is_of(self, form: str) -> None:
        if self.format in ("plain", "timed"):
            self.format = form


def documents(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[Entry, Any, str]]:
    """Yield entries to be filled, the values to unwrap, and the texts these were made from."""
    header: list[str] = []
    delimiter = ","
    for form, number, text in _blocks(lines):
        if form == "JSON":
            begun = end = 0
            for start, after, value in chain(_values(text), [(len(text), len(text), None)]):
                between = text[end:start]
                if MARK.search(between) or (value is None and _WORD_CHARACTER.search(between)):
                    place = number + text.count("\n", begun, end)
                    for offset, line in enumerate(between.split("\n")):
                        yield Entry(place + offset), line, line
                number += text.count("\n", begun, start)
                if value is not None:
                    yield Entry(number, format=form), value, text[start:after]
                begun, end = start, after
        elif form == "CSV" and header:
            cells = _cells(text, delimiter)
            cells[len(header) - 1 :] = [delimiter.join(cells[len(header) - 1 :])]
            yield Entry(number, format=form), dict(zip(header, cells, strict=False)), text
        elif form == "CSV":
            header, delimiter = _cells(text), max(",;\t", key=text.count)
        else:
            yield Entry(number), text, text


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[str, int, str]]:
    """Join lines that belong together: of a JSON document, of a quoted cell."""
    form, begun, block, size, quotes = "", 0, [""], 0, 0
    is_csv: bool | None = None
    for number, line in chain(lines, [(0, "")]):
        if form == "JSON":
            # Cut behind a record, so that the rest begins with a whole one.
            is_full = size > LONGEST_DOCUMENT * (1 if block[-1].strip() in ("}", "},") else 2)
            goes_on = not is_full and _JSON_LINE.match(line) is not None
        else:
            goes_on = form == "CSV" and quotes % 2 == 1 and size <= LONGEST_TEXT
        if number and line and goes_on:
            block.append(line)
            size, quotes = size + len(line), quotes + line.count('"')
            continue
        if form:
            yield form, begun, "\n".join(block)
        form = "JSON" if _JSON_START.match(line) else ""
        if is_csv is None and line.strip():
            is_csv = not form and _is_header(_cells(line))
        form = "CSV" if is_csv and line else form
        begun, block, size, quotes = number, [line], len(line), line.count('"')
        if line and not form:
            yield "", number, line


def _values(text: str) -> Iterator[tuple[int, int, Any]]:
    """Yield JSON values in a text, even one that is cut off, with their beginnings and ends."""
    end = failures = 0
    while failures < _MOST_FAILURES and (opening := _OPENING.search(text, end)):
        try:
            value, end = _DECODER.raw_decode(text, opening.end() - 1)
        except (ValueError, RecursionError):
            value, failures, end = None, failures + 1, opening.end()
        if value:
            yield opening.end() - 1, end, value


def _cells(text: str, delimiter: str = "") -> list[str]:
    """Return the cells of a row of CSV; the delimiter is by default the most frequent."""
    delimiter = delimiter or max(",;\t", key=text.count)
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return text.split(delimiter)


def _is_header(names: list[str]) -> bool:
    roles = {_role(name)[0] for name in names if len(name) < 60}
    return len(names) > 1 and "text" in roles and bool(roles & {"time", "level"})


class Unwrapper:
    """Unwraps values into entries; keeps parts of lines until their end comes."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, str], tuple[Entry, str]] = {}

    def unwrap(self, entry: Entry, value: Any, raw: str = "", depth: int = 0) -> Iterator[Entry]:
        """Yield an entry for each message in a value, whatever is wrapped around it."""
        if depth > MOST_LAYERS or not isinstance(value, (dict, list)):
            yield from self._text(entry, str(value), depth)
        elif isinstance(value := _paired(value), dict):
            yield from self._record(entry, value, raw, depth + 1)
        else:
            cells = [str(cell) for cell in value if isinstance(cell, (str, int, float))]
            times = tuple(cell for cell in cells if _TIME.fullmatch(cell))
            if 0 < len(times) < len(cells):
                # A row without a header.
                value = [max(cells, key=lambda cell: (MARK.search(cell) is not None, len(cell)))]
            for item in value:
                inner = replace(entry, times=entry.times + times)
                yield from self.unwrap(inner, item, depth=depth + 1)

    def rest(self) -> Iterator[Entry]:
        """Yield parts whose end did not come."""
        yield from (replace(entry, text=text) for entry, text in self._begun.values())

    def _record(
        self, entry: Entry, record: dict[str, Any], raw: str, depth: int
    ) -> Iterator[Entry]:
        fields, pages = _fields(record)
        text, trace = fields.get("text", ""), fields.get("trace", "")
        entry.times += (fields["time"],) if "time" in fields else ()
        entry.instance = str(fields.get("instance", entry.instance))[:100]
        entry.level = fields.get("level", entry.level)
        if trace and trace not in text:
            header = "" if _TRACE_HEADER in trace else _TRACE_HEADER
            text = "\n".join(filter(None, (text, header, trace)))
        if text:
            tag = f"stderr {fields['part']} " if fields.get("part") in ("P", "F") else ""
            yield from self.unwrap(replace(entry) if pages else entry, tag + text, depth=depth)
        for page in pages:
            yield from self.unwrap(replace(entry), page, depth=depth)
        if not text and not pages and (raw or MARK.search(raw := str(record))):
            yield replace(entry, text=raw[:LONGEST_TEXT])

    def _text(self, entry: Entry, text: str, depth: int) -> Iterator[Entry]:
        text = text.rstrip("\r\n")
        has_level = False
        for _ in range(MOST_LAYERS):
            if _STRUCTURED.match(text) and depth <= MOST_LAYERS:
                form, value = _structure_of(text)
                if value:
                    entry.is_of(form)
                    yield from self.unwrap(entry, value, text, depth + 1)
                    return
            if "\n" in text:
                for place, line in enumerate(text.split("\n")):
                    inner = replace(entry, level="" if place else entry.level)
                    yield from self._text(inner, line, depth + 1)
                return
            if MARK.match(text):
                break
            if match := _PREFIX.match(text):
                text = text[match.end() :]
                if match.lastgroup == "timed":
                    entry.times += (match[0],)
                    entry.is_of("Render" if match["half"] else "timed")
                    continue
                entry.is_of((match.lastgroup or "").rstrip("123"))
                entry.times += (match["at"],) if match["at"] else ()
                host = next(filter(None, match.group(*_HOSTS)), "")
                entry.instance = entry.instance if host.isdigit() else host or entry.instance
                if tag := match["tag"]:
                    key = entry.instance, match["stream"]
                    entry, begun = self._begun.pop(key, (entry, ""))
                    text = (begun + text)[:LONGEST_DOCUMENT]
                    if tag == "P":
                        if len(self._begun) >= MOST_LAYERS:
                            oldest, part = self._begun.pop(next(iter(self._begun)))
                            yield replace(oldest, text=part)
                        self._begun[key] = entry, text
                        return
            elif not has_level and (level_and_rest := split_level(text)):
                has_level = True
                entry.level, text = level_and_rest
            else:
                break
        entry.text = text[:LONGEST_TEXT]
        yield entry


def _structure_of(text: str) -> tuple[str, Any]:
    """Return the form and value of a text that is structured by itself, else None as its value."""
    bare = text.strip().rstrip(",")
    if bare[0] in "{[":
        values = [value for _, _, value in _values(bare)]
        return "JSON lines", values[0] if len(values) == 1 else values
    if bare[0] == '"':
        cells = _cells(bare, "," if '","' in bare else "\t")
        return ("CSV", cells) if len(cells) > 1 else ("quoted", cells[0] if bare[1:] else None)
    pairs = {
        key[:-1]: plain or quoted.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        for key, quoted, plain in _PAIR.findall(bare)
    }
    is_logfmt = len(pairs) > 1 and any(_role(name)[0] == "text" for name in pairs)
    return "logfmt", pairs if is_logfmt else None


@lru_cache(maxsize=4096)
def _role(name: str) -> tuple[str, int]:
    """Return what a field of that name holds, and how telling the name is for that."""
    return _FIELDS.get(_NO_LETTER.sub("", name.lower()), ("", 99))


def _fields(record: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the best value for each role, and the lists of records in a record.

    A text with a known mark is best, then the least depth, then the most telling name.
    """
    best: dict[str, tuple[tuple[bool, int, int], Any]] = {}
    pages = []
    level = [record]
    for depth in range(_MOST_DEPTH):
        inner: list[dict[str, Any]] = []
        for name, value in (pair for fields in level for pair in fields.items()):
            if isinstance(value, (dict, list)):
                value = _paired(value)
                inner += [value] if isinstance(value, dict) else []
                if isinstance(value, dict) and len(value) == 1:
                    value = next(iter(value.values()))
                elif isinstance(value, list) and all(isinstance(item, str) for item in value):
                    value = "\n".join(value)
                elif isinstance(value, list):
                    pages.append(value)
            role, rank = _role(name)
            is_marked = isinstance(value, str) and MARK.search(value) is not None
            if is_marked:
                role = "text"
            elif role == "level":
                value = _LEVELS.get(str(value).strip().lower(), (None,))[0]
            elif not isinstance(value, (str, int, float) if role == "time" else str):
                continue
            key = (not is_marked, depth, rank)
            if role and value not in (None, "", True) and (role not in best or key < best[role][0]):
                best[role] = key, value
        level = inner
    return {role: value for role, (_, value) in best.items()}, pages


def _paired(value: Any) -> Any:
    """Return names with their values, as of labels, as an object, and anything else as it is."""
    try:
        pairs = {
            item.get("name") or item.get("key") or item["field"]: item["value"] for item in value
        }
    except (AttributeError, KeyError, TypeError):
        return value
    return {str(name): inner for name, inner in pairs.items()} or value


def split_level(text: str) -> tuple[str, str] | None:
    """Return the level at the start of a text, and the text behind it."""
    match = _LEVEL.match(text)
    return (_LEVELS[match["level"].lower()][0], text[match.end() :]) if match else None


@lru_cache(maxsize=1024)
def read_time(given: str | int | float, now: datetime) -> tuple[datetime, bool] | None:
    """Return a time in UTC, and whether its zone was named; None for what is no time.

    Numbers are seconds since 1970, or thousandths, millionths and so on.
    """
    match = _TIME.match(given.strip()) if isinstance(given, str) else None
    if match and match["stamp"]:
        return _read_stamp(match, now)
    try:
        seconds = float(match["epoch"] if match else given)
        while 1e11 <= abs(seconds) < 1e30:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC), True
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _read_stamp(match: re.Match[str], now: datetime) -> tuple[datetime, bool] | None:
    *date, hour, minute, second = re.findall(r"\d+|[A-Z][a-z]+", match["stamp"])
    year = next((part for part in date if len(part) == 4), "")
    name = next((part for part in date if part.isalpha()), "")
    month = _MONTHS.index(name) + 1 if name else int(date[1])
    day = int(next(part for part in reversed(date) if part not in (year, name)))
    if half := match["half"]:
        hour = f"{int(hour) % 12 + 12 * (half.lower() == 'pm')}"
    zone, fraction = match["zone"] or "", (match["part"] or "")[:6]
    rest = f"T{hour:0>2}:{minute}:{second}.{fraction:0<6}{zone if zone[:1] in '+-' else ''}"
    # Of the 29th of February there is not one every year.
    for number in [int(year)] if year else range(now.year + 1, now.year - 5, -1):
        with suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(f"{number:04}-{month:02}-{day:02}{rest}")
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
            if year or at <= now + timedelta(days=1):
                return at, bool(zone)
    return None
