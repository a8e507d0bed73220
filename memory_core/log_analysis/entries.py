"""A line of text -> when, where, how bad, and what was said; whatever wrote it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import stamps
from .reading import LONGEST_TEXT
from .stamps import Stamp

_TIMES = ("timestamp", "@timestamp", "time", "ts", "asctime", "datetime", "date", "t")
_LEVELS = ("level", "levelname", "severity", "log.level", "lvl", "loglevel")
_TEXTS = ("message", "msg", "event", "text", "log", "body")
_INSTANCES = ("instance", "instance_id", "instanceId", "hostname", "host", "pod", "server")
_TRACES = ("exc_info", "exception", "traceback", "stack_trace", "stack", "exc_text")
_NUMBERED_LEVELS = {30: "WARNING", 40: "ERROR", 50: "CRITICAL", 60: "CRITICAL"}

# RFC 5424, and the shorter form with fewer fields; then RFC 3164.
_SYSLOG = re.compile(r"<\d{1,3}>1 (?P<time>\S+) (?P<host>\S+)(?P<rest> .*|$)", re.S)
_FIELDS = re.compile(
    r" \S{1,128} \S{1,128} \S{1,128} "
    r'(?:-|(?:\[[^\]\s]+(?: [\w.@-]+="(?:[^"\\]|\\.)*")+\]|\[[^\]\s]*@\d+\])+)(?: |$)'
)
_DASHES = re.compile(r"(?: \S{1,128}){0,2}?(?: -)+(?: |$)")
_PRIORITY = re.compile(r"<\d{1,3}>(?=[A-Z][a-z]{2} )")
_HOST_AND_TAG = re.compile(r"\s(?P<host>[\w.-]+)\s[\w./-]+(?:\[\d+\])?:\s")
_INSTANCE = re.compile(r"\s{0,2}\[(?P<name>(?=[a-z0-9-]*[0-9-])[a-z0-9][a-z0-9-]{3,60})\](?=\s)")

_BEFORE_LEVEL = (
    r"(?:\[[^\]\n]{0,64}\]\s*|[\w.$/<>-]{1,80}(?::\d+)?\s*[-|:]+\s*|\(?\d+\)?\s+|[-|:]\s*){0,5}"
)
_LEVEL = re.compile(
    rf"[\s|:-]*{_BEFORE_LEVEL}[\[(<]?"
    r"(?P<level>DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|EXCEPTION"
    r"|(?<![\w.])(?:Error|Warning|error|warning|fatal|critical)(?=:\s))"
    r"(?![\w.])[\])>]?[\s|:-]*"
)
_LOGGER = re.compile(r"[\w.]+:\s*")
_CALLER = re.compile(r"[\w.]+:[\w.<>]+:\d+\s+(?:[-|]\s+)?")
_SAME = {
    "WARN": "WARNING", "FATAL": "CRITICAL", "EXCEPTION": "ERROR", "ERR": "ERROR",
    "EMERGENCY": "CRITICAL", "ALERT": "CRITICAL",
}  # fmt: skip


@dataclass
class Entry:
    """One line: what it says without what stood in front, and where it stood.

    `formats` says what it looked like; `trace` is a traceback that came in a field of its own.
    """

    number: int
    text: str
    format: str
    stamp: Stamp | None = None
    instance: str = ""
    given_level: str = ""
    given_at: Any = None
    trace: str = ""

    def level_and_said(self) -> tuple[str, str]:
        """Return the level in capitals, empty for none, and the text without what names it."""
        text = self.text
        # Most lines have no such word; the pattern takes long to say so.
        found = _LEVEL.match(text, 0, 300) if _MAY_HAVE_LEVEL.search(text, 0, 200) else None
        if not found:
            return self.given_level, text
        level = found["level"].upper()
        return self.given_level or _SAME.get(level, level), _after_level(text, found) or text

    def at(self, now: datetime) -> tuple[datetime, bool, bool] | None:
        """Return when it was written, and whether zone and year were named."""
        if isinstance(self.given_at, (int, float)):
            try:
                return stamps.of_number(self.given_at), True, True
            except (ValueError, OverflowError, OSError):
                return None
        if isinstance(self.given_at, str):
            return stamps.of_text(self.given_at, now)
        return stamps.read(self.stamp, now) if self.stamp else None

    @property
    def timed(self) -> bool:
        return self.stamp is not None or self.given_at is not None


_MAY_HAVE_LEVEL = re.compile(
    r"DEBUG|INFO|NOTICE|WARN|ERROR|CRITICAL|FATAL|EXCEPTION|[Ee]rror:|[Ww]arning:|fatal:|critical:"
)


def _after_level(text: str, found: re.Match[str]) -> str:
    """Return the text without a level, and without the name of a logger that follows it."""
    after = text[found.end("level") : found.end("level") + 2]
    names = _LOGGER if after[:1] == ":" and not after[1:].isspace() else _CALLER
    logger = names.match(text, found.end())
    return text[logger.end() if logger else found.end() :]


def parse(number: int, line: str) -> Entry:
    """Read what stands in front of a line; the rest is its text."""
    if line.startswith("{") and line.rstrip().endswith("}"):
        entry = _of_json(number, line)
        if entry:
            return entry
    if line.startswith("<") and (found := _SYSLOG.match(line)):
        return _of_syslog(number, found)
    if line.startswith("<") and (priority := _PRIORITY.match(line)):
        line = line[priority.end() :]
    stamp = stamps.find(line)
    if stamp is None:
        return Entry(number, line[:LONGEST_TEXT], "plain")
    named = "half" in stamp.found.groupdict()
    form = "Render" if named and stamp.found["half"] else "syslog" if named else "timed"
    end, instance = stamp.end, ""
    if found := _INSTANCE.match(line, end):
        end, instance, form = found.end(), found["name"], "Render"
    elif form == "syslog" and (found := _HOST_AND_TAG.match(line, end)):
        end, instance = found.end() - 1, found["host"]
    return _own_time(Entry(number, _after(line, end), form, stamp, instance))


def _own_time(entry: Entry) -> Entry:
    """Return an entry by the time that the program wrote itself, behind that of its host."""
    first = entry.text[:1]
    if (first.isdigit() or first == "[") and (inner := stamps.find(entry.text)):
        if "zone" in (given := inner.found.groupdict()) and given["zone"]:
            entry.stamp, entry.given_at = inner, None
        entry.text = _after(entry.text, inner.end)
    return entry


def _of_syslog(number: int, found: re.Match[str]) -> Entry:
    rest = found["rest"]
    fields = _FIELDS.match(rest) or _DASHES.match(rest)
    text = rest[fields.end() :] if fields else rest[1:]
    return _own_time(
        Entry(
            number, text[:LONGEST_TEXT].lstrip("\ufeff"), "syslog", instance=found["host"],
            given_at=found["time"],
        )
    )  # fmt: skip


def _of_json(number: int, line: str) -> Entry | None:
    try:
        given = json.loads(line)
    # Deeper than Python goes is no line of a log.
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    # Render's own JSON says instance and level in a list of labels.
    labels = given.get("labels")
    if isinstance(labels, list):
        pairs = [one for one in labels if isinstance(one, dict)]
        given = {str(one.get("name")): one.get("value") for one in pairs} | given
    text = str(_first(given, _TEXTS) or "")
    at, level = _first(given, _TIMES), _first(given, _LEVELS)
    if not text and not level and at is None:
        return None
    entry = parse(number, text.strip("\n").partition("\n")[0]) if not text.startswith("{") else None
    inner = entry or Entry(number, text[:LONGEST_TEXT], "JSON lines")
    if isinstance(level, int):
        level = _NUMBERED_LEVELS.get(level, "INFO")
    name = str(level or "").upper()
    trace = _first(given, _TRACES)
    if not trace and "\n" in text and "Traceback (" in text:
        trace = text
    return Entry(
        number=number,
        text=inner.text,
        format="JSON lines",
        stamp=inner.stamp if at is None else None,
        instance=str(_first(given, _INSTANCES) or inner.instance or "")[:100],
        given_level=_SAME.get(name, name),
        given_at=at if isinstance(at, (int, float, str)) and not isinstance(at, bool) else None,
        trace=_trace(trace)[-LONGEST_TEXT:],
    )


def _first(given: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((given[name] for name in names if given.get(name) not in (None, "")), None)


def _trace(given: Any) -> str:
    if isinstance(given, dict):
        given = given.get("stacktrace") or given.get("stack") or given.get("message") or ""
    if isinstance(given, list):
        return "\n".join(map(str, given))
    return given if isinstance(given, str) else ""


def _after(line: str, end: int) -> str:
    """Return the text after a time: one or two spaces belong to the time, more are its own."""
    for _ in range(2):
        if line[end : end + 1] in (" ", "\t"):
            end += 1
    return line[end : end + LONGEST_TEXT]
