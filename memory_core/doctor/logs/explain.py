"""What an error in a log means, in plain words, and which finding of the doctor is about it.

What the doctor knows is not said again here: a rule names its kind of finding.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ...storage.aws.errors import RULES, Call, Failure, Rule, cause_word, rule_for, translate
from ..checks.buckets import BUCKET_CAUSES
from ..checks.credentials import BY_CAUSE
from ..findings import FindingKind
from ..run import KINDS

_KINDS = {kind.id: kind for kind in KINDS}
# As botocore writes an answer, and the class of an exception of its own.
_ANSWER = re.compile(
    r"An error occurred \((?P<code>[\w.]{1,100})\)(?: [^:]{0,200}?)?when calling the "
    r"(?P<operation>\w{1,100}) operation(?: \([^)]{0,200}\))?:? ?(?P<said>.*)",
    re.S,
)
_EXCEPTION = re.compile(r"\bbotocore\.exceptions\.(?P<name>\w{1,100})(?:: (?P<said>.*))?", re.S)
# Classes that are raised, and the ones of the table that they are derived from (botocore 1.44).
DERIVED = {
    name: base
    for base, names in {
        "ConnectionError": "ConnectTimeoutError EndpointConnectionError ProxyConnectionError "
        "SSLError",
        "BotoCoreError": "InvalidProxiesConfigError",
        "HTTPClientError": "ConnectionClosedError ReadTimeoutError ResponseStreamingError",
        "SSOError": "UnauthorizedSSOTokenError SSOTokenLoadError",
    }.items()
    for name in names.split()
}
_OF_VECTORS = re.compile(r"Vector|(?:Create|Get|Delete)Index$|ListIndexes$")
_FIELD = re.compile(r"\{[\w:.]{1,40}\}")
# On S3 Vectors, by the word for the cause.
VECTOR_CAUSES = {
    "denied": "vectors.E003", "no index": "index.E001", "unreachable": "vectors.E002",
    "impostor": "vectors.E002", "busy": "vectors.E002",
}  # fmt: skip
_FIRST_CALLS = ("GetVectorBucket", "GetIndex", "CreateVectorBucket", "CreateIndex")


class Explained(NamedTuple):
    """An explanation, empty where nothing is known, and the doctor's finding."""

    text: str = ""
    kind: FindingKind | None = None


def explain(text: str) -> Explained:
    """Return what is known of an error by its text."""
    if explained := _explain_aws(text):
        return explained
    for pattern, kind_id, words in LOG_RULES:
        if pattern.search(text):
            return _explained(words, _KINDS[kind_id] if kind_id else None)
    return Explained()


def _explain_aws(text: str) -> Explained | None:
    service = "s3vectors" if re.search(r"s3vectors|S3 Vectors|\bindex\b", text) else "s3"
    if found := _ANSWER.search(text):
        code, operation = found["code"], found["operation"]
        vectors = _OF_VECTORS.search(operation)
        service = "s3vectors" if vectors else "sts" if operation == "GetCallerIdentity" else "s3"
        resource = "the index or vector bucket" if vectors else "the bucket"
        failure = Failure((code,), int(code) if code.isdigit() else 0, found["said"])
        call = Call(service, operation, resource)
    elif (found := _EXCEPTION.search(text)) and (name := found["name"]) != "ClientError":
        failure = Failure((name, DERIVED.get(name, "BotoCoreError")), 0, found["said"] or "")
        call = Call(service, "a request", "the service")
    else:
        rule = next((rule for rule, parts in _sentences() if _in_order(parts, text)), None)
        # It says itself what happened and what to do.
        return _explained("", _kind_of(rule, service, "")) if rule else None
    kind = _kind_of(rule_for(failure), call.service, call.operation)
    return _explained(f"{translate(failure, call)}.", kind)


def _explained(words: str, kind: FindingKind | None) -> Explained:
    return Explained(words or (f"{kind.title}." if kind else ""), kind)


def _kind_of(rule: Rule, service: str, operation: str) -> FindingKind | None:
    """Return the doctor's kind of finding for a failure, as its own checks would choose it."""
    cause = cause_word(rule)
    if cause == "old boto3":
        return _KINDS["versions.E001"]
    if cause in BY_CAUSE or service != "s3vectors":
        return BY_CAUSE.get(cause) or BUCKET_CAUSES.get(cause)
    if cause == "denied" and operation in _FIRST_CALLS:
        return _KINDS["vectors.E001"]
    return _KINDS.get(VECTOR_CAUSES.get(cause, ""))


@lru_cache(maxsize=1)
def _sentences() -> list[tuple[Rule, list[str]]]:
    """Return the constant parts of each sentence of the table, the longest sentence first.

    A sentence may be cut off in a log: what comes before its semicolon is enough.
    """
    rules = sorted(dict.fromkeys(RULES.values()), key=lambda rule: -len(rule.sentence))
    return [(rule, _FIELD.split(rule.sentence.split(";")[0])) for rule in rules]


def _in_order(parts: list[str], text: str) -> bool:
    """Say whether all parts stand in a text, one after the other."""
    position = 0
    for part in parts:
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part) + 1
    return True


def _rule(pattern: str, kind_id: str = "", words: str = "") -> tuple[re.Pattern[str], str, str]:
    return re.compile(pattern, re.I), kind_id, words


LOG_RULES = (
    _rule(r"Filterable metadata must have at most", "index.E003"),
    _rule(
        r"dimension of \d{1,9}, got \d{1,9}|dimensionality|query vector .{0,40}dimension"
        r"|holds \d{1,9}-dimension|dimensions? .{0,60}(?:mismatch|does not match|expected)",
        "index.E002",
    ),
    _rule(r"unsupported version of sqlite3", "versions.E002"),
    _rule(r"database is locked", "disk.I001"),
    _rule(r"disk image is malformed|file is not a database|disk I/O error|has lost the vector of",
          "disk.E003"),
    _rule(r"readonly database|\[Errno 13\]|Permission denied: ", "disk.E002"),
    _rule(r"No space left on device|\[Errno 28\]|database or disk is full", "disk.W002"),
    _rule(r"ledger entry .{1,400} is damaged|is not the name of a ledger entry", "records.E005"),
    _rule(r"not searchable yet|could not be indexed", "records.E001"),
    _rule(r"memory .{0,60}is (?:recorded|on record)", "records.E001"),
    _rule(r"MEMORY_LLM is |extraction needs a language model", "llm.E001"),
    _rule(r"MEMORY_EMBED\w{1,40} is ", "embedder.E001"),
    _rule(r"is set without the other; set both", "credentials.E001"),
    _rule(r"AWS_PROFILE is .{0,200}gives no credentials", "credentials.E001"),
    _rule(r"AWS_REGION is .{0,80}, but .{0,200} is in", "region.E002"),
    _rule(r"has quotation marks around its value", "settings.E002"),
    _rule(r"MEMORY_BACKEND is s3_vectors but", "settings.E004"),
    _rule(r"MEMORY_REQUIRE_PERSISTENT is set, but", "disk.E001"),
    _rule(r"\b(?:MEMORY|AWS|CHROMA|DASHBOARD|OPENAI)_[A-Z_]{1,60} is '.{0,200}(?:set it to|use )",
          "settings.E001"),
    _rule(r"Unable to locate credentials|NoCredentialsError", "credentials.E002"),
    _rule(r"Could not connect to the endpoint URL.{0,20}s3vectors", "vectors.E002"),
    _rule(r"Could not connect to the endpoint URL|EndpointConnectionError", "bucket.E003"),
    _rule(r"openai\.\w{1,60}Error.{0,400}embed|the embedder |embeddings? .{0,80}(?:fail|error)",
          "embedder.E002"),
    _rule(r"openai\.\w{1,60}Error|Incorrect API key provided|insufficient_quota", "llm.E002"),
    _rule(r"user None has no id|is signed in, so require", "identity.W001"),
    _rule(r"user id .{1,200}(?:has no visible character|is not valid Unicode|the limit is)",
          words="A program passed something as a user's id that can be none."),
    _rule(r"No module named|cannot import name|ModuleNotFoundError|\bImportError\b",
          words="A library is not installed, or in another version: "
               "pip install -r requirements.txt."),
    _rule(r"Out of memory|\bMemoryError\b|exited with status 137|SIGKILL|signal 9\b",
          words="The host ended the program because it needed more memory than it has; "
               "what was acknowledged is stored."),
    _rule(r"Address already in use",
          words="Another program listens on the port; end it, or choose another port."),
    _rule(r"==> (?:Exited|Build failed|Deploy failed|Timed out|No open ports)",
          words="The host could not start the program; the lines before say why."),
    _rule(r"unexpected error.{0,20}, reference",
          words="A fault in the program; the traceback is for the developers."),
    _rule(r'" 5\d\d\b|HTTP/\d(?:\.\d)?"? 5\d\d',
          words="The program answered a request with an error; lines of the same time say why."),
    _rule(r"timed? ?out|TimeoutError",
          words="Something did not answer in time; look whether it lasts."),
)  # fmt: skip
