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
from .parse import Entry, split_level
from .reader import MARK
from .report import ErrorGroup, Seen, Severity, Spot

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

_KINDS = {kind.id: kind for kind in KINDS}
# An answer as botocore writes it, or the class of an exception of its own.
_AWS = re.compile(
    r"An error occurred \((?P<code>[\w.]{1,100})\)(?: [^:]{0,200}?)?when calling the "
    r"(?P<operation>\w{1,100}) operation(?: \([^)]{0,200}\))?:? ?(?P<said>.*)"
    r"|\bbotocore\.exceptions\.(?!ClientError\b)(?P<name>\w{1,100})(?:: (?P<reason>.*))?",
    re.S,
)
# Classes that are raised, and the ones of the table that they are derived from (botocore 1.44).
DERIVED = {
    **dict.fromkeys(("ConnectTimeoutError", "EndpointConnectionError"), "ConnectionError"),
    **dict.fromkeys(("SSLError", "ProxyConnectionError"), "ConnectionError"),
    **dict.fromkeys(("ConnectionClosedError", "ReadTimeoutError"), "HTTPClientError"),
    **dict.fromkeys(("SSOTokenLoadError", "UnauthorizedSSOTokenError"), "SSOError"),
    "ResponseStreamingError": "HTTPClientError",
}
_OF_VECTORS = re.compile(r"Vector|(?:Create|Get|Delete)Index$|ListIndexes$")

# The pattern of an error, and its kind of finding or a sentence.
LOG_RULES = tuple((re.compile(pattern, re.I), meaning) for pattern, meaning in (
    (r"the clock of this machine is wrong", "credentials.E004"),
    (r"AWS refused s3vectors:(?:Get|Create)(?:VectorBucket|Index) ", "vectors.E001"),
    (r"AWS refused s3vectors:", "vectors.E003"),
    (r"AWS refused s3:", "bucket.E002"),
    (r"AWS credentials have expired", "credentials.E003"),
    (r"does not accept the credentials|no AWS credentials could be had"
     r"|Unable to locate credentials|NoCredentialsError", "credentials.E002"),
    (r"Vectors could not|(?:to|than) Amazon S3 Vectors|endpoint URL.{0,20}s3vectors",
     "vectors.E002"),
    (r"(?:S3|STS) could not|to (?:Amazon S3|AWS STS) broke|connect to the endpoint URL",
     "bucket.E003"),
    (r"create the bucket, or correct AWS_S3_BUCKET", "bucket.E001"),
    (r"MEMORY_VECTOR_BUCKET, MEMORY_INDEX and AWS_REGION, or make it", "index.E001"),
    (r"and this installation keeps its ledger in", "index.E005"),
    (r"vector files of collection .{1,400} are damaged", "disk.E004"),
    (r"other than Amazon S3 answered", "bucket.E004"),
    (r"installed boto3 is too old", "versions.E001"),
    (r"Filterable metadata must have at most", "index.E003"),
    (r"dimension.{0,60}(?:got \d|match|expected)|query vector .{0,40}dimension|\d-dimension",
     "index.E002"),
    (r"unsupported version of sqlite3", "versions.E002"),
    (r"database is locked", "disk.I001"),
    (r"disk image is malformed|file is not a database|disk I/O error|has lost the vector of",
     "disk.E003"),
    (r"readonly database|\[Errno 13\]|Permission denied: ", "disk.E002"),
    (r"No space left on device|\[Errno 28\]|database or disk is full", "disk.W002"),
    (r"ledger entry .{1,400} is damaged|is not the name of a ledger entry", "records.E005"),
    (r"not searchable yet|could not be indexed|memory .{0,60}is (?:recorded|on record)",
     "records.E001"),
    (r"MEMORY_LLM is |extraction needs a language model", "llm.E001"),
    (r"MEMORY_EMBED\w{1,40} is ", "embedder.E001"),
    (r"is set without the other; set both|AWS_PROFILE is .{0,200}gives no credentials",
     "credentials.E001"),
    (r"lies in another region|AWS_REGION is .{0,80}, but .{0,200} is in", "region.E002"),
    (r"has quotation marks around its value", "settings.E002"),
    (r"MEMORY_BACKEND is s3_vectors but", "settings.E004"),
    (r"MEMORY_REQUIRE_PERSISTENT is set, but", "disk.E001"),
    (r"\b(?:MEMORY|AWS|CHROMA|DASHBOARD|OPENAI)_[A-Z_]{1,60} is '.{0,200}(?:set it to|use )",
     "settings.E001"),
    (r"openai\.\w{1,60}Error.{0,400}embed|the embedder |embeddings? .{0,80}(?:fail|error)",
     "embedder.E002"),
    (r"openai\.\w{1,60}Error|Incorrect API key provided|insufficient_quota", "llm.E002"),
    (r"user None has no id|is signed in, so require", "identity.W001"),
    (r"user id .{1,200}(?:has no visible character|is not valid Unicode|the limit is)",
     "A program passed something as a user's id that can be none."),
    (r"No module named|cannot import name|ModuleNotFoundError|\bImportError\b",
     "A library is not installed, or in another version: pip install -r requirements.txt."),
    (r"Out of memory|\bMemoryError\b|exited with status 137|SIGKILL|signal 9\b",
     "The host ended the program because it needed more memory than it has; "
     "what was acknowledged is stored."),
    (r"==> (?:Exited|Build failed|Deploy failed|Timed out|No open ports)",
     "The host could not start the program; the lines before say why."),
    (r"unexpected error.{0,20}, reference",
     "A fault in the program; the traceback is for the developers."),
    (r'" 5\d\d\b|HTTP/\d(?:\.\d)?"? 5\d\d',
     "The program answered a request with an error; lines of the same time say why."),
    (r"timed? ?out|TimeoutError", "Something did not answer in time; check if it lasts."),
))  # fmt: skip


def explain(text: str) -> tuple[str, FindingKind | None]:
    """Return what is known of an error by its text, and the doctor's finding."""
    translated = _translate_aws(text)
    rules = (meaning for pattern, meaning in LOG_RULES if pattern.search(translated or text))
    meaning = next(rules, "")
    kind = _KINDS.get(meaning)
    return translated or (f"{kind.title}." if kind else meaning), kind


def _translate_aws(text: str) -> str:
    """Return our own sentence on a failure of AWS or botocore, empty for any other text."""
    match = _AWS.search(text)
    if not match:
        return ""
    if name := match["name"]:
        failure = Failure((name, DERIVED.get(name, "BotoCoreError")), 0, match["reason"] or "")
        service = "s3vectors" if re.search(r"s3vectors|S3 Vectors|\bindex\b", text) else "s3"
        return f"{translate(failure, Call(service, 'a request', 'the service'))}."
    code, operation = match["code"], match["operation"]
    failure = Failure((code,), int(code) if code.isdigit() else 0, match["said"])
    if _OF_VECTORS.search(operation):
        call = Call("s3vectors", operation, "the index or vector bucket")
    else:
        call = Call("sts" if operation == "GetCallerIdentity" else "s3", operation, "the bucket")
    return f"{translate(failure, call)}."


@dataclass(slots=True)
class _Open:
    """An error that the following lines of the same instance may belong to."""

    spot: Spot
    level: Severity
    text: str
    in_trace: bool = False
    raised: str = ""
    place: str = ""


class Errors:
    """Takes lines one by one; lines of several instances may be mixed."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._open: dict[str, _Open] = {}
        self._groups: dict[tuple[Severity, str], tuple[str, str, Seen]] = {}
        self.left_out = False

    def take(self, entry: Entry, spot: Callable[[], Spot]) -> bool:
        """Take a line that is none of the known ones; return True if it belongs to an error."""
        waiting = self._open.get(entry.instance)
        if waiting and _continues(waiting, entry.text):
            return waiting.level == "error"
        if waiting:
            self._close(entry.instance)
        level, text = _severity(entry)
        if level:
            if len(self._open) >= _MOST_OPEN:
                self._close(next(iter(self._open)))
            error = self._open[entry.instance] = _Open(spot(), level, text)
            if _TRACEBACK.search(text, 0, 400):
                error.in_trace, error.text = True, ""
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
        example = self._hide(text or "A traceback that was cut off")
        for pattern, shown in _SECRETS:
            example = pattern.sub(shown, example)
        example = example[:_LONGEST_EXAMPLE]
        key = error.level, _template_of(example)
        seen = Seen(error.spot, error.spot)
        if key in self._groups:
            self._groups[key][2].add(seen)
        elif len(self._groups) < MOST_GROUPS:
            self._groups[key] = example, error.place, seen
        else:
            self.left_out = True


def _continues(error: _Open, text: str) -> bool:
    """Add a line to the error before it; return False if it does not belong to that."""
    if _TRACEBACK.match(text):
        if error.raised or not error.in_trace:
            error.in_trace, error.raised = True, ""
        return True
    if not error.in_trace:
        return False
    if _CHAINED.match(text) or not text.strip():
        return True
    if error.raised:
        return False
    if text[0] in " \t|+":
        if frame := _FRAME.search(text):
            error.place = "{}:{} in {}".format(*frame.groups())
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
    level, text = entry.level, entry.text
    if MARK.search(text, 0, 400):
        level, text = split_level(MARK.sub("", text).lstrip()) or (level, text)
    if level == "ERROR" or _TRACEBACK.search(text, 0, 400):
        return "error", text
    if level == "WARNING":
        return "warning", text
    if level and '" 5' not in text:
        return None, text
    raised = _RAISED.match(text.lstrip())
    is_error = raised and raised[0].rstrip(": ").rpartition(".")[2].endswith(_EXCEPTIONS)
    return "error" if is_error or _BARE.search(text, 0, 2000) else None, text
