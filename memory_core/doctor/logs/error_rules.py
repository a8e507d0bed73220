"""Errors that are the same but for numbers, ids and names, and what they mean.

What the doctor knows is not repeated here: a rule names its kind of finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ...storage.aws.errors import Call, Failure, translate
from ..findings import FindingKind
from ..run import KINDS
from .report import ErrorGroup, Seen, Severity, Spot
from .unwrap import MARK, TRACE_HEADER, Entry, split_level

MOST_GROUPS = 300
_LONGEST_TEMPLATE = 240
_LONGEST_EXAMPLE = 600
_MOST_OPEN = 64

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
# The name of a secret is kept, and what stands behind it is not.
_SECRET = re.compile(
    r"(?i)(://[^\s/:@]{1,100}:)[^\s/@]{1,200}(?=@)|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*"
    r"|(\b(?:Bearer|Basic)\s{1,9})[\w.~+/=-]{8,}|((?:password|passwd|secret|token|api[-_]?key"
    r"|access[-_]?key|authorization|credential|signature|cookie)[\w-]{0,20}[\"']?\s{0,9}[=:]"
    r"\s{0,9}[\"']?(?:(?:Bearer|Basic)\s{1,9})?)[^\s\"'&,;)}\]]{4,}"
)
_PLACES = tuple((re.compile(pattern), place) for pattern, place in (
    (r"[^\s'\"<>()\[\]/:;,=@]{1,254}(?:@|%40)[^\s'\"<>()\[\]/:;,=]{1,254}", "<user>"),
    (r"\b(?:for user|for Memory:) (?:'[^']{0,400}'|\"[^\"]{0,400}\"|[^\s:;,]{1,400})",
     "for user <user>"),
    (r"(?i)(?:request[ -]?id|host[ -]?id|reference)[:= ]{1,3}[\w+/=-]{1,200}", "request <id>"),
    (r"\b(?=[a-f-]{0,40}+\d)[0-9a-f-]{8,64}\b", "<n>"),
    (r"(?<!\w)'[^'\n]{1,400}'(?!\w)", "'…'"),
    (r'(?<!\w)"[^"\n]{1,400}"(?!\w)', '"…"'),
    (r"(?<![A-Za-z_\d])\d\w*+(?:[.,:+-]\w++)*+", "<n>"),
))  # fmt: skip
# An answer as botocore writes it, or the class of an exception of its own.
_AWS = re.compile(
    r"An error occurred \((?P<code>[\w.]{1,100})\)(?: [^:]{0,200}?)?when calling the "
    r"(?P<operation>\w{1,100}) operation(?: \([^)]{0,200}\))?:? ?(?P<said>.*)"
    r"|\bbotocore\.exceptions\.(?!ClientError\b)(?P<name>\w{1,100})(?:: (?P<reason>.*))?",
    re.S,
)
_OF_VECTORS = re.compile(r"(?:[Vv]ector|\bindex|Index)(?:es|s|Bucket|Buckets)?\b")

# The pattern of an error, and its kind of finding or a sentence.
LOG_RULES = tuple((re.compile(pattern, re.I), meaning) for meaning, pattern in (
    ("credentials.E004", r"the clock of this machine is wrong"),
    ("vectors.E001", r"AWS refused s3vectors:(?:Get|Create)(?:VectorBucket|Index) "),
    ("vectors.E003", r"AWS refused s3vectors:"),
    ("bucket.E002", r"AWS refused s3:"),
    ("credentials.E003", r"AWS credentials have expired"),
    ("credentials.E002", r"not accept the credentials|no AWS credentials|Unable to locate credent"),
    ("vectors.E002", r"Vectors could not|(?:to|than) Amazon S3 Vectors|endpoint URL.{0,20}s3vec"),
    ("bucket.E003", r"(?:S3|STS) could not|to (?:Amazon S3|AWS STS) broke|to the endpoint URL"),
    ("bucket.E001", r"create the bucket, or correct AWS_S3_BUCKET"),
    ("index.E001", r"MEMORY_VECTOR_BUCKET, MEMORY_INDEX and AWS_REGION, or make it"),
    ("bucket.E004", r"other than Amazon S3 answered"),
    ("versions.E001", r"installed boto3 is too old"),
    ("index.E003", r"Filterable metadata must have at most"),
    ("index.E002", r"dimension.{0,60}(?:got \d|match|expected)|vector .{0,40}dimension|\d-dimensi"),
    ("versions.E002", r"unsupported version of sqlite3"),
    ("disk.I001", r"database is locked"),
    ("disk.E003", r"disk image is malformed|file is not a database|disk I/O error|has lost the ve"),
    ("disk.E002", r"readonly database|\[Errno 13\]|Permission denied: "),
    ("disk.W002", r"No space left on device|\[Errno 28\]|database or disk is full"),
    ("records.E001", r"not searchable yet|not be indexed|memory .{0,60}is (?:recorded|on record)"),
    ("llm.E001", r"MEMORY_LLM is |extraction needs a language model"),
    ("embedder.E001", r"MEMORY_EMBED\w{1,40} is "),
    ("settings.E001", r"\b(?:MEMORY|AWS|CHROMA|DASHBOARD|OPENAI)_[A-Z_]{1,60} is '.{0,200}set it"),
    ("embedder.E002", r"openai\.\w{1,60}Error.{0,400}embed|the embedder |embeddings? .{0,80}fail"),
    ("llm.E002", r"openai\.\w{1,60}Error|Incorrect API key provided|insufficient_quota"),
    ("identity.W001", r"user None has no id|is signed in, so require"),
    ("A library is not installed, or in another version: pip install -r requirements.txt.",
     r"No module named|cannot import name|ModuleNotFoundError|\bImportError\b"),
    ("The host ended the program because it needed more memory than it has.",
     r"Out of memory|\bMemoryError\b|exited with status 137|SIGKILL|signal 9\b"),
    ("The host could not start the program; the lines before say why.",
     r"==> (?:Exited|Build failed|Deploy failed|Timed out|No open ports)"),
    ("The program answered a request with an error; lines of the same time say why.",
     r'" 5\d\d\b|HTTP/\d(?:\.\d)?"? 5\d\d'),
    ("Something did not answer in time; check if it lasts.", r"timed? ?out|TimeoutError"),
))  # fmt: skip
_KINDS = {kind.id: kind for kind in KINDS}


def explain(text: str) -> tuple[str, FindingKind | None]:
    """Return what is known of an error by its text, and the doctor's finding."""
    translated = _translate_aws(text)
    rules = (meaning for pattern, meaning in LOG_RULES if pattern.search(translated or text))
    kind = _KINDS.get(meaning := next(rules, ""))
    return translated or (f"{kind.title}." if kind else meaning), kind


def _translate_aws(text: str) -> str:
    """Return our own sentence on a failure of AWS or botocore, empty for any other text."""
    if not (match := _AWS.search(text)):
        return ""
    code, operation = match["code"] or "", match["operation"] or "a request"
    names = (match["name"], "BotoCoreError") if match["name"] else (code,)
    status, said = int(code) if code.isdigit() else 0, match["said"] or match["reason"] or ""
    call = Call("sts" if operation == "GetCallerIdentity" else "s3", operation, "the bucket")
    if _OF_VECTORS.search(operation if code else text):
        call = Call("s3vectors", operation, "the index or vector bucket")
    return f"{translate(Failure(names, status, said), call)}."


@dataclass(slots=True)
class _Open:
    """An error that the following lines of the same instance may belong to."""

    spot: Spot
    level: Severity
    text: str
    in_trace: bool = False
    raised: str = ""
    place: str = ""

    def takes(self, text: str) -> bool:
        """Add a line; return False if it does not belong to this error."""
        if _TRACEBACK.match(text):
            if self.raised or not self.in_trace:
                self.in_trace, self.raised = True, ""
            return True
        if not self.in_trace:
            return False
        if _CHAINED.match(text) or not text.strip():
            return True
        if self.raised:
            return False
        if text[0] in " \t|+":
            if frame := _FRAME.search(text):
                self.place = "{}:{} in {}".format(*frame.groups())
            return True
        self.raised = text if _RAISED.match(text) else ""
        return bool(self.raised)


class Errors:
    """Takes lines one by one; lines of several instances may be mixed."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._open: dict[str, _Open] = {}
        self._groups: dict[tuple[Severity, str], tuple[str, str, Seen]] = {}

    def take(self, entry: Entry, spot: Callable[[], Spot]) -> bool:
        """Take a line that is none of the known ones; return True if it belongs to an error."""
        waiting = self._open.get(entry.instance)
        if waiting and waiting.takes(entry.text):
            return waiting.level == "error"
        if waiting:
            self._close(entry.instance)
        level, text = _severity(entry)
        if level:
            if len(self._open) >= _MOST_OPEN:
                self._close(next(iter(self._open)))
            in_trace = TRACE_HEADER in text[:400]
            text = "" if in_trace else text
            self._open[entry.instance] = _Open(spot(), level, text, in_trace)
        return level == "error"

    def groups(self) -> tuple[ErrorGroup, ...]:
        """Close what is open at the end of the log, and return all errors."""
        for instance in list(self._open):
            self._close(instance)
        groups = [
            ErrorGroup(level, template, example, seen, place, *explain(example))
            for (level, template), (example, place, seen) in self._groups.items()
        ]
        return tuple(sorted(groups, key=lambda group: (group.level != "error", -group.seen.count)))

    def _close(self, instance: str) -> None:
        error = self._open.pop(instance)
        text = ": ".join(filter(None, (error.text.strip(), error.raised)))
        shown = self._hide(text or "A traceback that was cut off")
        example = _SECRET.sub(r"\1\2\3…", shown)[:_LONGEST_EXAMPLE]
        template = " ".join(example.split())
        for pattern, place in _PLACES:
            template = pattern.sub(place, template)
        if len(template) > _LONGEST_TEMPLATE:
            template = template[: _LONGEST_TEMPLATE - 1] + "…"
        key, seen = (error.level, template), Seen(error.spot, error.spot)
        if key in self._groups:
            self._groups[key][2].add(seen)
        elif len(self._groups) < MOST_GROUPS:
            self._groups[key] = example, error.place, seen


def _severity(entry: Entry) -> tuple[Severity | None, str]:
    level, text = entry.level, entry.text
    if MARK.search(text, 0, 400):
        level, text = split_level(MARK.sub("", text).lstrip()) or (level, text)
    if level == "ERROR" or TRACE_HEADER in text[:400]:
        return "error", text
    if level == "WARNING":
        return "warning", text
    if level and '" 5' not in text:
        return None, text
    raised = _RAISED.match(text.lstrip())
    is_error = raised and raised[0].rstrip(": ").rpartition(".")[2].endswith(_EXCEPTIONS)
    return "error" if is_error or _BARE.search(text, 0, 2000) else None, text
