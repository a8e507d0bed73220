"""Errors that are the same but for numbers, ids and names, with tracebacks at their last line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .entries import Entry
from .explaining import explain
from .tallies import Tally
from .values import ErrorGroup, Spot

Level = Literal["error", "warning"]

MOST_GROUPS = 300
_LONGEST_TEMPLATE = 240
_LONGEST_EXAMPLE = 600
_MOST_OPEN = 64
_LONGEST_TRACE = 2_000

_BAD = {"ERROR", "CRITICAL"}
_GOOD = {"DEBUG", "INFO", "NOTICE"}
_TRACEBACK = re.compile(r"\s*(?:[+|] )*(?:Exception Group )?Traceback \(most recent call last\):")
_CHAINED = re.compile(r"(?:During handling of the above|The above exception was the direct)")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)')
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:: |$)")
# Errors that no level and no traceback announces.
_BARE = re.compile(
    r"^\s*(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Denied|Unavailable|NotFound)(?:: |$)"
    r"|An error occurred \(\w+\)|==> (?:Exited|Out of memory|Build failed|Deploy failed|Timed out"
    r'|No open ports)|" 5\d\d\b(?: |$)|HTTP/\d(?:\.\d)?"? 5\d\d\b'
)
_MAY_BE_BARE = re.compile(
    r"Error|Exception|Denied|Unavailable|NotFound|error occurred|==> |\" 5\d\d|HTTP/"
)

_NAMED_SECRET = re.compile(
    r"(?i)((?:password|passwd|secret|token|api[-_]?key|access[-_]?key|authorization|credential|"
    r"signature|cookie)[\w-]{0,20}[\"']?\s*[=:]\s*[\"']?(?:(?:Bearer|Basic)\s+)?)([^\s\"'&,;)}\]]{4,})"
)  # fmt: skip
_BEARER = re.compile(r"(?i)\b(Bearer|Basic)\s+[\w.~+/=-]{8,}")
_IN_ADDRESS = re.compile(r"(://[^\s/:@]{1,100}:)[^\s/@]{1,200}(@)")
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*")

_PLACES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.I), "<id>"),
    (re.compile(r"[^\s'\"<>()\[\]/:;,=]+(?:@|%40)[^\s'\"<>()\[\]/:;,=]+"), "<user>"),
    (re.compile(r"\b(?:for user|for Memory:) (?:'[^']*'|\"[^\"]*\"|[^\s:;,]+)"), "for user <user>"),
    (re.compile(r"(?<!\w)(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?!\w)"), "<address>"),
    (re.compile(r"\b(?=[0-9A-HJKMNP-TV-Z]*\d)[0-9A-HJKMNP-TV-Z]{26}\b"), "<id>"),
    (re.compile(r"\b(?:0x[0-9a-f]+|(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,})\b"), "<id>"),
    (re.compile(r"(?i)(?:request[ -]?id|host[ -]?id|reference)[:= ]+[\w+/=-]+"), "request <id>"),
    (re.compile(r"(?<![\w])'[^'\n]{1,400}'(?!\w)"), "'…'"),
    (re.compile(r'(?<![\w])"[^"\n]{1,400}"(?!\w)'), '"…"'),
    (re.compile(r"(?<![A-Za-z_])\d+(?:[.,]\d+)*(?![A-Za-z_])"), "<n>"),
)  # fmt: skip


@dataclass
class _Open:
    """An error that the following lines of the same instance may belong to."""

    spot: Spot
    level: Level
    said: str
    in_trace: bool = False
    raised: str = ""
    place: str = ""
    lines: int = 0


@dataclass
class _Group:
    level: Level
    example: str
    place: str
    tally: Tally


class Errors:
    """Takes lines one by one; lines of several instances may be mixed."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._open: dict[str, _Open] = {}
        self._groups: dict[tuple[Level, str], _Group] = {}
        self.left_out = 0

    def take(self, entry: Entry, spot: Callable[[], Spot]) -> None:
        """Take a line that is none of the known ones; `spot` says where it is."""
        waiting = self._open.get(entry.instance) if self._open else None
        if waiting and self._goes_on(waiting, entry.text):
            return
        if waiting:
            self._close(entry.instance)
        level, said = _level(entry)
        if "Traceback (" in entry.text and _TRACEBACK.match(entry.text):
            self._begin(entry, _Open(spot(), "error", "", in_trace=True))
        elif level:
            opened = _Open(spot(), level, said)
            if entry.trace:
                _read_trace(opened, entry.trace)
            self._begin(entry, opened)

    def end(self) -> None:
        """Close what is open at the end of the log."""
        for instance in list(self._open):
            self._close(instance)

    def groups(self, *, backwards: bool) -> tuple[ErrorGroup, ...]:
        found = []
        for (level, template), one in self._groups.items():
            explained = explain(one.example)
            seen = one.tally.seen(backwards=backwards)
            found.append(
                ErrorGroup(
                    level, template, one.example, seen, one.place, explained.text, explained.kind
                )
            )
        return tuple(sorted(found, key=lambda one: (one.level != "error", -one.seen.count)))

    def _begin(self, entry: Entry, opened: _Open) -> None:
        if len(self._open) >= _MOST_OPEN:
            self._close(next(iter(self._open)))
        self._open[entry.instance] = opened

    def _goes_on(self, waiting: _Open, text: str) -> bool:
        """Say whether a line belongs to the error before it, and take what it adds."""
        if _TRACEBACK.match(text):
            if waiting.raised or not waiting.in_trace:
                waiting.in_trace, waiting.raised = True, ""
                return waiting.lines < _LONGEST_TRACE
            return True
        if not waiting.in_trace:
            return False
        waiting.lines += 1
        if waiting.lines > _LONGEST_TRACE:
            return False
        if _CHAINED.match(text) or not text.strip():
            return True
        if text[0] in " \t|+":
            if not waiting.raised and (frame := _FRAME.search(text)):
                waiting.place = _place(frame)
            return not waiting.raised
        if not waiting.raised and _RAISED.match(text):
            waiting.raised = text
            return True
        return False

    def _close(self, instance: str) -> None:
        one = self._open.pop(instance)
        said = one.said.strip()
        text = f"{said}: {one.raised}" if said and one.raised else one.raised or said
        if not text:
            text = "A traceback that was cut off"
        example = self.masked(text)[:_LONGEST_EXAMPLE]
        key = (one.level, template_of(example))
        if group := self._groups.get(key):
            group.tally.add(one.spot)
        elif len(self._groups) < MOST_GROUPS:
            self._groups[key] = _Group(one.level, example, one.place, Tally(one.spot, one.spot))
        else:
            self.left_out += 1

    def masked(self, text: str) -> str:
        """Return a text without secrets: those of this installation and what looks like one."""
        text = _IN_ADDRESS.sub(r"\1…\2", self._hide(text))
        text = _BEARER.sub(r"\1 …", _JWT.sub("…", text))
        return _NAMED_SECRET.sub(r"\1…", text)


def template_of(text: str) -> str:
    """Return what a text shares with others that differ in numbers, ids and names."""
    text = " ".join(text.split())
    for pattern, place in _PLACES:
        text = pattern.sub(place, text)
    return text if len(text) <= _LONGEST_TEMPLATE else text[: _LONGEST_TEMPLATE - 1] + "…"


def _level(entry: Entry) -> tuple[Level | None, str]:
    name, said = entry.level_and_said()
    if name in _BAD:
        return "error", said
    if name == "WARNING":
        return "warning", said
    if name in _GOOD and '" 5' not in said:
        return None, said
    bare = _MAY_BE_BARE.search(said, 0, 2000) and _BARE.search(said, 0, 2000)
    return "error" if bare else None, said


def _read_trace(opened: _Open, trace: str) -> None:
    lines = [line for line in trace.splitlines() if line.strip()]
    last = next((one for one in reversed(lines) if one[0] not in " \t|+"), "")
    opened.raised = "" if _TRACEBACK.match(last) else last
    frames = _FRAME.findall(trace)
    if frames:
        file, number, name = frames[-1]
        opened.place = f"{_file_name(file)}:{number} in {name}"


def _place(frame: re.Match[str]) -> str:
    return f"{_file_name(frame['file'])}:{frame['line']} in {frame['name']}"


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
