"""What an error in a log means, in plain words, and which finding of the doctor is about it.

What the doctor knows is not said again here: a rule names its kind of finding.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..aws import Saying, saying_in
from ..doctor import KINDS, Kind
from ..doctor.credentials import BY_CAUSE
from ..doctor.places import BUCKET_CAUSES

_KINDS = {one.id: one for one in KINDS}
# On S3 Vectors, by the word for the cause.
_VECTORS = {
    "denied": "vectors.E003",
    "no index": "index.E001",
    "unreachable": "vectors.E002",
    "impostor": "vectors.E002",
    "busy": "vectors.E002",
}
_FIRST_CALLS = ("GetVectorBucket", "GetIndex", "CreateVectorBucket", "CreateIndex")
_OLD_BOTO3 = "versions.E001"


class Explained(NamedTuple):
    """An explanation, empty where nothing is known, and the doctor's finding."""

    text: str = ""
    kind: Kind | None = None


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    kind_id: str = ""
    text: str = ""


def _rule(pattern: str, kind_id: str = "", text: str = "") -> _Rule:
    return _Rule(re.compile(pattern, re.I), kind_id, text)


_RULES = (
    _rule(r"Filterable metadata must have at most", "index.E003"),
    _rule(
        r"dimension of \d+, got \d+|dimensionality|query vector .{0,40}dimension"
        r"|holds \d+-dimension|dimensions? .{0,60}(?:mismatch|does not match|expected)",
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
    _rule(r"MEMORY_EMBED\w+ is ", "embedder.E001"),
    _rule(r"is set without the other; set both", "credentials.E001"),
    _rule(r"AWS_PROFILE is .{0,200}gives no credentials", "credentials.E001"),
    _rule(r"AWS_REGION is .{0,80}, but .{0,200} is in", "region.E002"),
    _rule(r"has quotation marks around its value", "settings.E002"),
    _rule(r"MEMORY_BACKEND is s3_vectors but", "settings.E004"),
    _rule(r"MEMORY_REQUIRE_PERSISTENT is set, but", "disk.E001"),
    _rule(r"\b(?:MEMORY|AWS|CHROMA|DASHBOARD|OPENAI)_[A-Z_]+ is '.{0,200}(?:set it to|use )",
          "settings.E001"),
    _rule(r"Unable to locate credentials|NoCredentialsError", "credentials.E002"),
    _rule(r"Could not connect to the endpoint URL.{0,20}s3vectors", "vectors.E002"),
    _rule(r"Could not connect to the endpoint URL|EndpointConnectionError", "bucket.E003"),
    _rule(r"openai\.\w+Error.{0,400}embed|the embedder |embeddings? .{0,80}(?:fail|error)",
          "embedder.E002"),
    _rule(r"openai\.(?:\w+Error)|Incorrect API key provided|insufficient_quota", "llm.E002"),
    _rule(r"user None has no id|is signed in, so require", "identity.W001"),
    _rule(r"user id .{1,200}(?:has no visible character|is not valid Unicode|the limit is)",
          text="A program passed something as a user's id that can be none."),
    _rule(r"No module named|cannot import name|ModuleNotFoundError|\bImportError\b",
          text="A library is not installed, or in another version: "
               "pip install -r requirements.txt."),
    _rule(r"Out of memory|\bMemoryError\b|exited with status 137|SIGKILL|signal 9\b",
          text="The host ended the program because it needed more memory than it has; "
               "what was acknowledged is stored."),
    _rule(r"Address already in use",
          text="Another program listens on the port; end it, or choose another port."),
    _rule(r"==> (?:Exited|Build failed|Deploy failed|Timed out|No open ports)",
          text="The host could not start the program; the lines before say why."),
    _rule(r"unexpected error.{0,20}, reference",
          text="A fault in the program; the traceback is for the developers."),
    _rule(r'" 5\d\d\b|HTTP/\d(?:\.\d)?"? 5\d\d',
          text="The program answered a request with an error; lines of the same time say why."),
    _rule(r"timed? ?out|TimeoutError",
          text="Something did not answer in time; look whether it lasts."),
)  # fmt: skip


def explain(text: str) -> Explained:
    """Return what is known of an error by its text."""
    if saying := saying_in(text):
        kind = _kind_of(saying)
        return Explained(saying.sentence or (kind.title + "." if kind else ""), kind)
    for rule in _RULES:
        if rule.pattern.search(text):
            kind = _KINDS[rule.kind_id] if rule.kind_id else None
            return Explained(rule.text or (kind.title + "." if kind else ""), kind)
    return Explained()


def _kind_of(saying: Saying) -> Kind | None:
    """Return the doctor's kind of finding for a cause, as its own checks would choose it."""
    if saying.cause == "old boto3":
        return _KINDS[_OLD_BOTO3]
    if kind := BY_CAUSE.get(saying.cause):
        return kind
    if saying.service == "s3vectors":
        if saying.cause == "denied" and saying.operation in _FIRST_CALLS:
            return _KINDS["vectors.E001"]
        return _KINDS.get(_VECTORS.get(saying.cause, ""))
    return BUCKET_CAUSES.get(saying.cause)
