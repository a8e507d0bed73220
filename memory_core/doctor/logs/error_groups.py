"""Errors of a log, grouped if only numbers, ids and names differ, and what they mean."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ...storage.aws.errors import translate_written
from ..findings import FindingKind
from ..run import KINDS
from .report import ErrorGroup, Seen, Severity
from .unwrap import MARK, TRACE_HEADER, Entry, Unwrapper

MOST_GROUPS = 300
_LONGEST_TEMPLATE = 240
_LONGEST_EXAMPLE = 600
_MOST_OPEN = 64
# Limits of a traceback.
_MOST_LINES = 100
_LONGEST_LINE = 2000

_TRACEBACK = re.compile(r"[\s+|]{0,40}(?:Exception Group )?Traceback \(most recent call last\):")
_CHAINED = re.compile(r"(?:During handling of the above|The above exception was the direct)")
_FRAME = re.compile(
    r'File "(?:[^"]{0,400}[\\/])?([^"\\/]{1,200})", line (\d{1,9}), in (<\w{1,80}>|[\w.]{1,200})'
)
_RAISED = re.compile(r"\A[A-Za-z_][\w.]*+(?:: |$)")
# Errors that no level and no traceback announces.
_EXCEPTIONS = ("Error", "Exception", "Denied", "Unavailable", "NotFound")
_BARE = re.compile(
    r"An error occurred \(\w{1,80}\)|==> (?:Exited|Out of memory|Build failed|Deploy failed"
    r'|Timed out|No open ports)|" 5\d\d\b(?: |$)|HTTP/\d(?:\.\d)?"? 5\d\d\b'
)
# The placeholders in a template, for the parts in which errors differ.
_PLACES = {
    "for user <user>": r"\bfor (?:user|Memory:) [^\s:;,'\"]{1,400}",
    "<user>": r"[^\s'\"<>()\[\]/:;,=@]{1,254}(?:@|%40)[^\s'\"<>()\[\]/:;,=]{1,254}",
    "request <id>": r"(?i:request[ -]?id|host[ -]?id|reference)[:= ]{1,3}[\w+/=-]{1,200}",
    "<n>": r"\b(?=[a-f-]{0,40}+\d)[0-9a-f-]{8,64}\b|(?<![A-Za-z_\d])\d\w*+(?:[.,:+-]\w++)*",
    "'…'": r"(?<!\w)'[^'\n]{1,400}'(?!\w)",
    '"…"': r'(?<!\w)"[^"\n]{1,400}"(?!\w)',
}
_VARIABLE = re.compile("|".join(f"({pattern})" for pattern in _PLACES.values()))
# The meaning of errors that no finding of the doctor covers.
_SENTENCES = {
    r"No module named|cannot import name|ModuleNotFoundError|\bImportError\b":
        "A library is not installed, or in another version: pip install -r requirements.txt.",
    r"Out of memory|\bMemoryError\b|exited with status 137|SIGKILL|signal 9\b":
        "The host ended the program because it needed more memory than it has.",
    r"==> (?:Exited|Build failed|Deploy failed|Timed out|No open ports)":
        "The host could not start the program; the lines before may say why.",
    r'" 5\d\d\b|HTTP/\d(?:\.\d)?"? 5\d\d':
        "The program answered a request with an error; lines of the same time may say why.",
    r"timed? ?out|TimeoutError": "Something did not answer in time; check whether it recurs.",
}  # fmt: skip
_MEANINGS: tuple[tuple[re.Pattern[str], str, FindingKind | None], ...] = (
    *((re.compile(kind.log_pattern, re.I), f"{kind.title}.", kind)
      for kind in KINDS if kind.log_pattern),
    *((re.compile(pattern, re.I), sentence, None) for pattern, sentence in _SENTENCES.items()),
)  # fmt: skip


def explain(text: str) -> tuple[str, FindingKind | None]:
    """Return the explanation of an error, and the doctor's finding about it."""
    ours = translate_written(text)
    meanings = (
        (ours or sentence, kind)
        for pattern, sentence, kind in _MEANINGS
        if pattern.search(ours or text)
    )
    return next(meanings, (ours, None))


@dataclass(slots=True)
class _Open:
    """An error, and the lines of the traceback that belong to it, the last of a long one."""

    seen: Seen
    level: Severity
    text: str
    trace: deque[str]

    @property
    def raised(self) -> str:
        return self.trace[-1] if self.trace and _RAISED.match(self.trace[-1]) else ""

    def takes(self, text: str) -> bool:
        """Add a line; return False if it does not belong to this error."""
        if self.trace and not text.strip():
            return True
        is_inner = not self.raised and (text[:1] in (" ", "\t", "|", "+") or _RAISED.match(text))
        if _TRACEBACK.match(text) or (self.trace and (is_inner or _CHAINED.match(text))):
            self.trace.append(text[:_LONGEST_LINE])
            return True
        return False


class Errors:
    """Groups errors from lines taken one by one; lines of several instances may be mixed."""

    def __init__(self, place: Callable[[Entry], Seen], hide: Callable[[str], str]) -> None:
        self._place, self._hide = place, hide
        self._open: dict[str, _Open] = {}
        self._groups: dict[tuple[Severity, str], ErrorGroup] = {}

    def take(self, entry: Entry) -> bool:
        """Take a line that is not a known one; return True if it belongs to an error."""
        waiting = self._open.get(entry.instance)
        if waiting and waiting.takes(entry.text):
            return waiting.level == "error"
        if waiting:
            self._close(entry.instance)
        level, text = _severity(entry)
        if level:
            if len(self._open) >= _MOST_OPEN:
                self._close(next(iter(self._open)))
            trace = deque([text] if TRACE_HEADER in text[:400] else [], _MOST_LINES)
            text = "" if trace else text.strip()
            self._open[entry.instance] = _Open(self._place(entry), level, text, trace)
        return level == "error"

    def groups(self) -> tuple[ErrorGroup, ...]:
        """Close all open errors at the end of the log, and return all groups, the largest first."""
        for instance in list(self._open):
            self._close(instance)
        groups = self._groups.values()
        return tuple(sorted(groups, key=lambda group: (group.level != "error", -group.seen.count)))

    def _close(self, instance: str) -> None:
        error = self._open.pop(instance)
        text = ": ".join(filter(None, (error.text, error.raised))) or "A traceback that was cut off"
        example = self._hide(text)[:_LONGEST_EXAMPLE]
        words, line = ["", *_PLACES], " ".join(example.split())
        template = _VARIABLE.sub(lambda variable: words[variable.lastindex or 0], line)
        if len(template) > _LONGEST_TEMPLATE:
            template = template[: _LONGEST_TEMPLATE - 1] + "…"
        frames = _FRAME.findall("\n".join(error.trace))
        place = "{}:{} in {}".format(*frames[-1]) if frames else ""
        if group := self._groups.get((error.level, template)):
            group.seen.add(error.seen)
        elif len(self._groups) < MOST_GROUPS:
            self._groups[error.level, template] = ErrorGroup(
                error.level, template, example, error.seen, place, *explain(example)
            )


def _severity(entry: Entry) -> tuple[Severity | None, str]:
    level, text = entry.level, entry.text
    if MARK.search(text, 0, 400):
        behind, *_ = [*Unwrapper().unwrap(Entry(0), MARK.sub("", text).lstrip()), entry]
        level, text = (behind.level, behind.text) if behind.level else (level, text)
    if level == "ERROR" or TRACE_HEADER in text[:400]:
        return "error", text
    if level == "WARNING":
        return "warning", text
    if level and '" 5' not in text:
        return None, text
    raised = _RAISED.match(text.lstrip())
    is_error = raised and raised[0].rstrip(": ").rpartition(".")[2].endswith(_EXCEPTIONS)
    return "error" if is_error or _BARE.search(text, 0, 2000) else None, text
