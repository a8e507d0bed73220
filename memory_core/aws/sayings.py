"""A line of a log that AWS, boto3 or we ourselves wrote -> what kind of failure it tells of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .causes import cause_word
from .failures import RULES, Call, Failure, Rule, rule_for, translate

# As botocore writes an answer, and the class of an exception of its own.
_ANSWER = re.compile(
    r"An error occurred \((?P<code>[\w.]+)\)(?: [^:]{0,200}?)?when calling the (?P<operation>\w+) "
    r"operation(?: \([^)]*\))?:? ?(?P<said>.*)",
    re.S,
)
_EXCEPTION = re.compile(r"\bbotocore\.exceptions\.(?P<name>\w+)(?:: (?P<said>.*))?", re.S)
# Classes that are raised, and the ones of the table that they are derived from (botocore 1.44).
DERIVED = {
    "ConnectTimeoutError": "ConnectionError",
    "EndpointConnectionError": "ConnectionError",
    "InvalidProxiesConfigError": "BotoCoreError",
    "ProxyConnectionError": "ConnectionError",
    "SSLError": "ConnectionError",
    "ConnectionClosedError": "HTTPClientError",
    "ReadTimeoutError": "HTTPClientError",
    "ResponseStreamingError": "HTTPClientError",
    "UnauthorizedSSOTokenError": "SSOError",
    "SSOTokenLoadError": "SSOError",
}
_OF_VECTORS = re.compile(r"Vector|(?:Create|Get|Delete)Index$|ListIndexes$")
_FIELD = re.compile(r"\\\{\w+\\\}")


@dataclass(frozen=True, slots=True)
class Saying:
    """What a text tells of: the word for the cause, the service, the operation, our sentence."""

    cause: str
    service: str
    operation: str
    sentence: str


def saying_in(text: str) -> Saying | None:
    """Return what a text tells of AWS, None where it does not."""
    if found := _ANSWER.search(text):
        return _answered(found["code"], found["operation"], found["said"])
    if found := _EXCEPTION.search(text):
        name = found["name"]
        if name != "ClientError":
            names = (name, DERIVED.get(name, "BotoCoreError"))
            failure = Failure(names, 0, found["said"] or "")
            return _told(failure, Call(_service_in(text), "a request", "the service"))
    for rule, pattern in _sentences():
        if found := pattern.search(text):
            # It says itself what happened and what to do.
            return Saying(cause_word(rule), _service_in(text), "", "")
    return None


def _answered(code: str, operation: str, said: str) -> Saying:
    vectors = _OF_VECTORS.search(operation)
    service = "s3vectors" if vectors else "sts" if operation == "GetCallerIdentity" else "s3"
    status = int(code) if code.isdigit() else 0
    resource = "the index or vector bucket" if vectors else "the bucket"
    return _told(Failure((code,), status, said), Call(service, operation, resource))


def _told(failure: Failure, call: Call) -> Saying:
    sentence = str(translate(failure, call))
    return Saying(cause_word(rule_for(failure)), call.service, call.operation, f"{sentence}.")


def _service_in(text: str) -> str:
    return "s3vectors" if re.search(r"s3vectors|S3 Vectors|\bindex\b", text) else "s3"


@lru_cache(maxsize=1)
def _sentences() -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    """Return each sentence of the table as a pattern, the longest constant parts first."""
    rules = list(dict.fromkeys(RULES.values()))
    by_length = sorted(rules, key=lambda one: -len(_FIELD.sub("", re.escape(one.sentence))))
    # A sentence may be cut off in a log: what comes before its last field's end is enough.
    return tuple(
        (one, re.compile(_FIELD.sub(".{1,400}?", re.escape(one.sentence.split(";")[0]))))
        for one in by_length
    )
