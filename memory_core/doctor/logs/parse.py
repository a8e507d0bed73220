"""Unwrap, then read: what stands around a message is taken off layer by layer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .reader import LONGEST_DOCUMENT
from .structure import (
    LEVELS,
    MARK,
    TEXTS,
    TIMES,
    Document,
    Fields,
    is_paired,
    paired,
    structure_of,
    text_of,
)
from .times import find_time, read_time

LONGEST_TEXT = 16 * 1024
"""Characters of one message that are looked at."""

MOST_LAYERS = 8
_MOST_PREFIXES = 12
_MOST_CELLS = 100

_TRACES = "excinfo stacktrace traceback stack exctext exception".split()
_INSTANCES = (
    "instance instanceid instancename pod podname containername hostname host server logstreamname "
    "logstream"
).split()
_TRACE_HEADER = "Traceback (most recent call last):"
_SAME = {
    name: level
    for level, names in (
        ("DEBUG", "debug trace verbose"),
        ("INFO", "info information notice"),
        ("WARNING", "warning warn"),
        ("ERROR", "error err exception severe"),
        ("CRITICAL", "critical crit fatal alert emergency emerg panic"),
    )
    for name in names.split()
}

_CRI = re.compile(r"(?P<stream>stdout|stderr) (?P<part>[PF])(?::\S{1,64})? ")
_HOST_AND_TAG = re.compile(r"(?P<host>[\w.-]{1,64}) [\w./-]{1,64}(?:\[\d{1,9}\])?: ")
_PREFIXES = (
    # RFC 5424, also with fewer fields; then the priority of RFC 3164.
    re.compile(
        r"(?:\d{1,7} )?<\d{1,3}>1 (?P<time>\S{1,40}) (?P<host>\S{1,255})"
        r"(?: \S{1,128} \S{1,128} \S{1,128} (?:-|(?:\[[^\]\s]{1,64}"
        r'(?: [\w.@-]{1,64}="(?:[^"\\]|\\.){0,400}"){1,30}\]){1,9})(?: |$)'
        r"|(?: \S{1,128}){0,2}?(?: -){1,9}(?: |$)|(?: |$))\ufeff?"
    ),
    re.compile(r"<\d{1,3}>(?=[A-Z\d])"),
    # Render; kubectl --prefix; docker compose; a tag before JSON.
    re.compile(r"\s{0,2}\[(?P<render>(?=[a-z0-9-]*[0-9-])[a-z0-9][a-z0-9-]{3,60})\](?:\s{1,2}|$)"),
    re.compile(r"\[pod/(?P<host>[\w./-]{1,200})\] "),
    re.compile(r"(?P<host>[\w.-]{1,64}[-_]\d{1,4}) {1,40}\| "),
    re.compile(r"[\w.:-]{1,80}\s(?=\{\")"),
    # A program with its process: of journald and Heroku, of Fly.io.
    re.compile(
        r"(?:(?P<host>[\w.-]{1,64}) )?[\w./-]{1,64}\[(?P<process>[\w.-]{1,64})\]"
        r"(?:: |(?: [a-z]{3})? (?=\[))"
    ),
)
_MAY_HAVE_LEVEL = re.compile(
    r"DEBUG|INFO|NOTICE|WARN|ERROR|CRITICAL|FATAL|EXCEPTION|[Ee]rror:|[Ww]arning:|fatal:|critical:"
    r"|\[[a-z]"
)
_LEVEL = re.compile(
    r"[\[(<]?(?P<level>DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|EXCEPTION"
    r"|(?:[Ee]rror|[Ww]arning|fatal|critical)(?=:\s)"
    r"|(?<=\[)(?:debug|info|notice|warn|warning|error|crit|critical|fatal)(?=\s{0,9}\]))(?![\w.])"
    r"(?:\s{0,9}[\])>])?"
)
# What may stand before a level, one part at a time, and the name of a logger behind it.
_BEFORE_LEVEL = re.compile(
    r"\[[^\]\n]{0,64}\]\s{0,9}|[\w.$/<>-]{1,80}(?<=[\w>])(?::\d{1,9})?\s{0,9}[-|:]\s{0,9}"
    r"|\(?\d{1,9}\)?\s{1,9}|[-|:]\s{0,9}"
)
_LOGGER = re.compile(r":[\w.]{1,80}:\s{0,9}")
_CALLER = re.compile(r"[\w.]{1,80}:[\w.<>]{1,80}:\d{1,9}\s{1,9}(?:[-|]\s)?")


@dataclass(slots=True)
class Entry:
    """What one line says without what stood in front; `times` are all that were given."""

    number: int
    text: str = ""
    format: str = "plain"
    times: tuple[Any, ...] = ()
    instance: str = ""
    level: str = ""

    def at(self, now: datetime) -> tuple[datetime, bool, bool] | None:
        """Return when it was written, and whether zone and year were named."""
        times = [read for given in self.times if (read := read_time(given, now))]
        return next((read for read in times if read[1]), times[0] if times else None)

    def is_of(self, form: str) -> None:
        if form and self.format in ("plain", "timed"):
            self.format = form


class Unwrapper:
    """Yields what lines and documents say; keeps parts of lines until their end comes."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, str], tuple[Entry, str]] = {}

    def entries(self, document: Document) -> Iterator[Entry]:
        number, form, value = document
        return self._value(Entry(number, format=form), value, 0)

    def rest(self) -> Iterator[Entry]:
        """Yield parts whose end did not come."""
        yield from (replace(entry, text=text) for entry, text in self._begun.values())

    def _value(self, entry: Entry, value: Any, depth: int, raw: str = "") -> Iterator[Entry]:
        if depth > MOST_LAYERS or not isinstance(value, (dict, list)):
            yield from self._text(entry, value if isinstance(value, str) else str(value), depth)
            return
        if is_paired(value):
            value = paired(value)
        if isinstance(value, dict):
            yield from self._record(entry, value, depth + 1, raw)
            return
        cells = [str(cell) for cell in value[:_MOST_CELLS] if isinstance(cell, (str, int, float))]
        times = tuple(
            cell for cell in cells if (time := find_time(cell)) and time.end() == len(cell)
        )
        if 0 < len(times) < len(cells):
            # A row without a header.
            text = max(cells, key=lambda cell: (MARK.search(cell) is not None, len(cell)))
            yield from self._text(replace(entry, times=entry.times + times), text, depth + 1)
            return
        for item in value:
            yield from self._value(replace(entry), item, depth + 1)

    def _record(
        self, entry: Entry, record: dict[str, Any], depth: int, raw: str
    ) -> Iterator[Entry]:
        fields = Fields(record)
        at, level = fields.first(TIMES), fields.first(LEVELS, level_name)
        text, trace = fields.first(TEXTS, text_of), fields.first(_TRACES, text_of)
        if not (text and MARK.search(text)):
            text = next((leaf for leaf in fields.texts() if MARK.search(leaf)), text)
        entry.times += () if at is None else (at,)
        entry.instance = str(fields.first(_INSTANCES) or entry.instance)[:100]
        entry.level = level or entry.level
        if trace and trace not in (text or ""):
            header = [] if _TRACE_HEADER in trace else [_TRACE_HEADER]
            text = "\n".join([*([text] if text else []), *header, trace])
        if text:
            yield from self._text(replace(entry), text, depth, fields.first(["logtag"]))
        for page in fields.pages:
            yield from self._value(replace(entry), page, depth)
        if not text and not fields.pages:
            entry.text = (raw or json.dumps(record, ensure_ascii=False))[:LONGEST_TEXT]
            yield entry

    def _text(self, entry: Entry, text: str, depth: int, part: Any = "") -> Iterator[Entry]:
        text = text.rstrip("\r\n")
        has_level = False
        for _ in range(_MOST_PREFIXES):
            form, value = structure_of(text) if depth <= MOST_LAYERS else ("", None)
            if value is not None:
                entry.is_of(form)
                yield from self._value(entry, value, depth + 1, text)
                return
            if "\n" in text:
                for place, line in enumerate(text.split("\n")):
                    inner = replace(entry, level="" if place else entry.level)
                    yield from self._text(inner, line, depth + 1)
                return
            if (found := _CRI.match(text)) or part in ("P", "F"):
                stream, part = (found["stream"], found["part"]) if found else ("", part)
                entry.is_of("CRI")
                _, begun = self._begun.pop((entry.instance, stream), (entry, ""))
                text = (begun + text[found.end() if found else 0 :])[:LONGEST_DOCUMENT]
                if part == "P":
                    if len(self._begun) >= MOST_LAYERS:
                        self._begun.pop(next(iter(self._begun)))
                    self._begun[entry.instance, stream] = entry, text
                    return
                part = ""
            elif (rest := _without_prefix(entry, text)) is not None:
                text = rest
            elif not has_level and (level_and_rest := split_level(text)):
                has_level = True
                entry.level, text = level_and_rest
            else:
                break
        entry.text = text[:LONGEST_TEXT]
        yield entry


def split_level(text: str) -> tuple[str, str] | None:
    """Return the level at the start of a text in capitals, and what follows it."""
    # Most lines have no such word; the patterns take long to say so.
    if not _MAY_HAVE_LEVEL.search(text, 0, 200):
        return None
    position = len(text) - len(text.lstrip(" |:-\t"))
    for _ in range(6):
        if found := _LEVEL.match(text, position, 400):
            return _SAME[found["level"].lower()], _after_level(text, found)
        part = None if MARK.match(text, position) else _BEFORE_LEVEL.match(text, position, 400)
        if part is None:
            return None
        position = part.end()
    return None


def _after_level(text: str, found: re.Match[str]) -> str:
    """Return what a level announces, indented as the program wrote it."""
    if logger := _LOGGER.match(text, found.end()):
        return text[logger.end() :]
    text = text[found.end() :]
    # Programs pad a level to nine characters, with a colon to ten.
    width = max(1, 9 - len(found[0])) if found["level"] == found[0] else 1
    if (bare := text.lstrip(" \t"))[:1] in ("-", "|", ":"):
        width = width if bare[0] == ":" else 1
        text = bare[1:]
    text = text[:width].lstrip(" \t") + text[width:]
    caller = _CALLER.match(text)
    return text[caller.end() :] if caller else text


def level_name(given: Any) -> str | None:
    """Return a level in capitals, None for what is none; numbers are those of Python or syslog."""
    if isinstance(given, int) or (isinstance(given, str) and given.isdecimal() and len(given) < 3):
        number = int(given)
        if number < 8:
            return "ERROR" if number < 4 else "WARNING" if number == 4 else "INFO"
        return "ERROR" if 40 <= number < 100 else "WARNING" if number // 10 == 3 else "INFO"
    return _SAME.get(given.strip().lower()) if isinstance(given, str) else None


def _without_prefix(entry: Entry, text: str) -> str | None:
    """Return a text without what stands in front of it, None where there is nothing."""
    if time := find_time(text):
        end, half = time.end(), time.groupdict().get("half")
        entry.times += (text[:end],)
        named = text[0].isalpha()
        entry.is_of("Render" if half else "syslog" if named else "timed")
        # One or two spaces belong to the time, more are the text's own.
        end += len(text[end : end + 2]) - len(text[end : end + 2].lstrip(" \t"))
        if named and not half and (found := _HOST_AND_TAG.match(text, end)):
            entry.instance, end = found["host"], found.end()
        return text[end:]
    for pattern in _PREFIXES:
        if found := pattern.match(text):
            given = found.groupdict()
            entry.times += (given["time"],) if "time" in given else ()
            entry.is_of("Render" if "render" in given else "syslog" if "time" in given else "")
            name = given.get("host") or given.get("render") or given.get("process") or ""
            entry.instance = name if name and not name.isdigit() else entry.instance
            return text[found.end() :]
    return None
