"""Translation of failures of AWS and boto3 into our errors, by the table in `errors.toml`.

Its keys are the error codes of the services, and the class names of botocore's exceptions.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ...errors import (
    AccessDenied,
    BackendError,
    BackendUnavailable,
    IndexMismatch,
    MemoryCoreError,
    SettingsError,
)
from ...model.counting import counted
from .endpoint import Endpoint

INVALID_PAGE_TOKEN = "InvalidPageToken"
"""Our name for the ValidationException of a listing that took too long."""

MISSING = "NotFoundException"
"""The code of a missing index or vector bucket."""
TOO_LARGE = "RequestTooLarge"
"""Our name for the refusal of a request for its size."""

# Operations of S3 whose permission has another name.
_ACTIONS = {
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "DeleteObjects": "DeleteObject",
    "HeadBucket": "ListBucket",
}
_REFUSED_ACTION = re.compile(r'not authorized to perform: (\S+)(?: on resource: "?([^\s"]+)"?)?')
# An answer as botocore writes it, or the class of an exception of its own.
_WRITTEN = re.compile(
    r"An error occurred \((?P<code>[\w.]{1,100})\)(?: [^:]{0,200}?)?when calling the "
    r"(?P<operation>\w{1,100}) operation(?: \([^)]{0,200}\))?:? ?(?P<said>.*)"
    r"|\bbotocore\.exceptions\.(?!ClientError\b)(?P<name>\w{1,100})(?:: (?P<reason>.*))?",
    re.S,
)
_OF_VECTORS = re.compile(r"(?:[Vv]ector|\bindex|Index)(?:es|s|Bucket|Buckets)?\b")
_LONGEST_QUOTE = 300
_ERRORS = {
    error.__name__: error
    for error in (AccessDenied, BackendError, BackendUnavailable, IndexMismatch, SettingsError)
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error response or exception; `names` are looked up in the table, most specific first."""

    names: tuple[str, ...]
    status: int
    said: str

    @property
    def code(self) -> str:
        return self.names[0]


@dataclass(frozen=True, slots=True)
class Call:
    """A request, and how long and how often it was tried; `resource` is a phrase for people."""

    service: str
    operation: str
    resource: str
    elapsed_s: float = 0.0
    endpoint: Endpoint | None = None
    attempts: int = 1

    @property
    def title(self) -> str:
        """The name of the server that was asked."""
        return (self.endpoint or Endpoint(self.service, None)).title

    @property
    def action(self) -> str:
        """The IAM action, such as `s3vectors:PutVectors`."""
        prefix = self.service.removesuffix("-runtime")
        return f"{prefix}:{_ACTIONS.get(self.operation, self.operation)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """The error to raise, and what to try first.

    `cause` names it in a word or two. `patience` is the share of the retry budget to use; with
    `renew`, new credentials may help.
    """

    error: type[MemoryCoreError]
    sentence: str
    patience: float = 0.0
    renew: bool = False
    cause: str = ""


def _read_rules() -> dict[str, tuple[Rule, list[str]]]:
    """Return the rules of `errors.toml` by their names, each with its codes."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    rules = {}
    for name, own in table.items():
        entry = {**table.get(own.pop("like", ""), {}), **own}
        codes = entry.pop("codes", "").split()
        rules[name] = Rule(**{**entry, "error": _ERRORS[entry["error"]]}), codes
    return rules


_RULES = _read_rules()
_BUSY, _BROKEN, _DENIED, _REFUSED, _S3_ALONE = (
    _RULES[name][0] for name in ("busy", "broken", "denied", "refused", "s3-alone")
)
RULES = {code: rule for rule, codes in _RULES.values() for code in codes}
"""By error code or name of a botocore exception; a base class stands for its subclasses.

The subclasses that logs name most often are listed too.
"""


def rule_for(failure: Failure) -> Rule:
    """Return the rule of a failure; for unknown codes the HTTP status decides."""
    for name in failure.names:
        if name in RULES:
            return RULES[name]
    if failure.status in (408, 429) or (failure.status >= 500 and failure.status != 501):
        return _BUSY
    return _DENIED if failure.status == 403 else _REFUSED


def translate(failure: Failure, call: Call) -> MemoryCoreError:
    """Return our error for a failure."""
    rule = rule_for(failure)
    if rule is _BUSY and failure.status == 500 and call.endpoint and call.endpoint.own:
        rule = _BROKEN
    if rule is _REFUSED and call.service == "s3vectors" and failure.said.startswith("<"):
        rule = _S3_ALONE
    action, where = call.action, call.resource
    # The service names the missing permission, which may be another than the operation's: a
    # filtered QueryVectors needs GetVectors.
    if rule is _DENIED and (named := _REFUSED_ACTION.search(failure.said)):
        action, where = named[1], named[2] or where
    said = " ".join(failure.said.split()).rstrip(".") or failure.code
    message = rule.sentence.format(
        title=call.title,
        who=call.title if call.endpoint and call.endpoint.own else "AWS",
        times="once" if call.attempts == 1 else f"{call.attempts} times",
        operation=call.operation,
        resource=call.resource,
        action=action,
        where=where,
        code=failure.code,
        said=said if len(said) <= _LONGEST_QUOTE else said[:_LONGEST_QUOTE] + "…",
        elapsed=counted(round(call.elapsed_s), "second"),
    )
    if not issubclass(rule.error, BackendError):
        return rule.error(message)
    backend = "bedrock" if call.service == "bedrock-runtime" else "s3_vectors"
    return rule.error(message, backend=backend, operation=call.operation, code=failure.code)


def translate_written(text: str) -> str:
    """Return our sentence on a failure that botocore wrote in a log, empty for any other text."""
    if not (match := _WRITTEN.search(text)):
        return ""
    code, operation = match["code"] or "", match["operation"] or "a request"
    names = (match["name"], "BotoCoreError") if match["name"] else (code,)
    status, said = int(code) if code.isdigit() else 0, match["said"] or match["reason"] or ""
    call = Call("sts" if operation == "GetCallerIdentity" else "s3", operation, "the bucket")
    if _OF_VECTORS.search(operation if code else text):
        call = Call("s3vectors", operation, "the index or vector bucket")
    return f"{translate(Failure(names, status, said), call)}."
