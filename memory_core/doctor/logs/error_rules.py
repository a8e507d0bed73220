"""Errors that are the same but for numbers, ids and names, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .explain import explain
from .known_lines import Tally
from .parse import Entry, split_level
from .report import ErrorGroup, Severity, Spot
from .structure import MARK

MOST_GROUPS = 300
_LONGEST_TEMPLATE = 240
_LONGEST_EXAMPLE = 600
_MOST_OPEN = 64
_LONGEST_TRACE = 2_000

_TRACEBACK = re.compile(
    r"[\s+|]{0,40}(?P<head>(?:Exception Group )?Traceback \(most recent call last\):)"
)
_DIGIT = re.compile(r"\d")
_CHAINED = re.compile(r"(?:During handling of the above|The above exception was the direct)")
_FRAME = re.compile(
    r'File "(?P<file>[^"]{1,400})", line (?P<line>\d{1,9}), in (?P<name><\w{1,80}>|[\w.]{1,200})'
)
_RAISED = re.compile(r"\A[A-Za-z_][\w.]*+(?:: |$)")
# Errors that no level and no traceback announces.
_EXCEPTIONS = ("Error", "Exception", "Denied", "Unavailable", "NotFound")
_BARE = re.compile(
    r"An error occurred \(\w{1,80}\)|==> (?:Exited|Out of memory|Build failed|Deploy failed"
    r'|Timed out|No open ports)|" 5\d\d\b(?: |$)|HTTP/\d(?:\.\d)?"? 5\d\d\b'
)

_SECRETS = (
    (re.compile(r"(://[^\s/:@]{1,100}:)[^\s/@]{1,200}(@)"), r"\1…\2"),
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*"), "…"),
    (re.compile(r"(?i)\b(Bearer|Basic)\s{1,9}[\w.~+/=-]{8,}"), r"\1 …"),
    (re.compile(
        r"(?i)((?:password|passwd|secret|token|api[-_]?key|access[-_]?key|authorization|credential"
        r"|signature|cookie)[\w-]{0,20}[\"']?\s{0,9}[=:]\s{0,9}[\"']?(?:(?:Bearer|Basic)\s{1,9})?)"
        r"[^\s\"'&,;)}\]]{4,}"
    ), r"\1…"),
)  # fmt: skip
_PLACES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"),
     "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.I), "<id>"),
    (re.compile(r"[^\s'\"<>()\[\]/:;,=@]{1,254}(?:@|%40)[^\s'\"<>()\[\]/:;,=]{1,254}"), "<user>"),
    (re.compile(r"\b(?:for user|for Memory:) (?:'[^']{0,400}'|\"[^\"]{0,400}\"|[^\s:;,]{1,400})"),
     "for user <user>"),
    (re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?!\w)"), "<address>"),
    (re.compile(r"\b(?=[A-Z]*+\d)[0-9A-HJKMNP-TV-Z]{26}\b"), "<id>"),
    (re.compile(r"\b(?:0x[0-9a-f]+|(?=\d*+[a-f])(?=[a-f]*+\d)[0-9a-f]{8,})\b"), "<id>"),
    (re.compile(r"(?i)(?:request[ -]?id|host[ -]?id|reference)[:= ]{1,3}[\w+/=-]{1,200}"),
     "request <id>"),
    (re.compile(r"(?<!\w)'[^'\n]{1,400}'(?!\w)"), "'…'"),
    (re.compile(r'(?<!\w)"[^"\n]{1,400}"(?!\w)'), '"…"'),
    (re.compile(r"(?<![A-Za-z_\d])\d++(?:[.,]\d++)*+(?![A-Za-z_])"), "<n>"),
)  # fmt: skip


@dataclass(slots=True)
class _Open:
    """An error that the following lines of the same instance may belong to."""

    spot: Spot
    level: Severity
    said: str
    in_trace: bool = False
    prefix: str = ""
    raised: str = ""
    place: str = ""
    lines: int = 0


class Errors:
    """Takes lines one by one; lines of several instances may be mixed."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._open: dict[str, _Open] = {}
        self._groups: dict[tuple[Severity, str], tuple[str, str, Tally]] = {}
        self.left_out = 0

    def take(self, entry: Entry, spot: Callable[[], Spot]) -> bool:
        """Take a line that is none of the known ones; say whether it belongs to an error."""
        waiting = self._open.get(entry.instance)
        if waiting and _continues(waiting, entry.text):
            return True
        if waiting:
            self._close(entry.instance)
        level, said = _severity(entry)
        if level:
            if len(self._open) >= _MOST_OPEN:
                self._close(next(iter(self._open)))
            trace = _TRACEBACK.search(entry.text, 0, 400)
            prefix = (
                _DIGIT.sub("0", entry.text[: trace.start("head")])
                if trace and trace.start()
                else ""
            )
            said = "" if trace else said
            self._open[entry.instance] = _Open(spot(), level, said, trace is not None, prefix)
        return level is not None

    def groups(self) -> tuple[ErrorGroup, ...]:
        """Close what is open at the end of the log, and return all errors."""
        for instance in list(self._open):
            self._close(instance)
        groups = [
            ErrorGroup(level, template, example, tally.seen(), place, *explain(example))
            for (level, template), (example, place, tally) in self._groups.items()
        ]
        return tuple(sorted(groups, key=lambda group: (group.level != "error", -group.seen.count)))

    def _close(self, instance: str) -> None:
        error = self._open.pop(instance)
        parts = [part for part in (error.said.strip(), error.raised) if part]
        example = self._masked(": ".join(parts) or "A traceback that was cut off")
        key = (error.level, _template_of(example))
        tally = Tally(error.spot, error.spot)
        if key in self._groups:
            self._groups[key][2].add(tally)
        elif len(self._groups) < MOST_GROUPS:
            self._groups[key] = (example, error.place, tally)
        else:
            self.left_out += 1

    def _masked(self, text: str) -> str:
        """Return a text without secrets: those of this installation and what looks like one."""
        text = self._hide(text)
        for pattern, shown in _SECRETS:
            text = pattern.sub(shown, text)
        return text[:_LONGEST_EXAMPLE]


def _continues(error: _Open, text: str) -> bool:
    """Say whether a line belongs to the error before it, and take what it adds."""
    if error.prefix and _DIGIT.sub("0", text[: len(error.prefix)]) == error.prefix:
        # What nobody knows stands before each line.
        text = text[len(error.prefix) :]
    if _TRACEBACK.match(text):
        if error.raised or not error.in_trace:
            error.in_trace, error.raised = True, ""
        return error.lines < _LONGEST_TRACE
    error.lines += 1
    if not error.in_trace or error.lines > _LONGEST_TRACE:
        return False
    if _CHAINED.match(text) or not text.strip():
        return True
    if error.raised:
        return False
    if text[0] in " \t|+":
        if frame := _FRAME.search(text):
            file = frame["file"].replace("\\", "/").rpartition("/")[2]
            error.place = f"{file}:{frame['line']} in {frame['name']}"
        return True
    error.raised = text if _RAISED.match(text) else ""
    return bool(error.raised)


def _template_of(text: str) -> str:
    """Return what a text shares with others that differ in numbers, ids and names."""
    text = " ".join(text.split())
    for pattern, place in _PLACES:
        text = pattern.sub(place, text)
    return text if len(text) <= _LONGEST_TEMPLATE else text[: _LONGEST_TEMPLATE - 1] + "…"


def _severity(entry: Entry) -> tuple[Severity | None, str]:
    level, said = entry.level, entry.text
    if MARK.search(said, 0, 400):
        level, said = split_level(MARK.sub("", said).lstrip()) or (level, said)
    if level in ("ERROR", "CRITICAL") or _TRACEBACK.search(said, 0, 400):
        return "error", said
    if level == "WARNING":
        return "warning", said
    if level and '" 5' not in said:
        return None, said
    raised = _RAISED.match(said.lstrip())
    is_error = raised and raised[0].rstrip(": ").rpartition(".")[2].endswith(_EXCEPTIONS)
    return "error" if is_error or _BARE.search(said, 0, 2000) else None, said
