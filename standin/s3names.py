"""Names for S3 requests: the operation, after botocore's model, and the IAM action."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session

from .httpd import Request

IAM_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
}
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class _Pattern:
    name: str
    query: frozenset[str]
    headers: frozenset[str]

    def fits(self, query: set[str], headers: frozenset[str]) -> bool:
        return self.query <= query and self.headers <= headers


def s3_operation(request: Request) -> str:
    """Return the operation's name: of all that fit, the one that asks for most."""
    return _operation(request.method, request.target, frozenset(request.headers))


@lru_cache(maxsize=1024)
def _operation(method: str, target: str, headers: frozenset[str]) -> str:
    """Find the name once for all that ask for it while a request is answered."""
    request = Request(method, target, {})
    bucket, key = bucket_and_key(request)
    depth = 2 if key else int(bool(bucket))
    pairs = request.query
    query = {name for name, _ in pairs} | {f"{name}={value}" for name, value in pairs}
    fitting = [p for p in _patterns()[method, depth] if p.fits(query, headers)]
    best = max(fitting, key=lambda p: len(p.query) + len(p.headers), default=None)
    return best.name if best else "UnknownOperation"


def iam_action(operation: str) -> str:
    """Return the IAM action an operation needs, such as s3:ListBucket."""
    return f"s3:{IAM_ACTIONS.get(operation, operation)}"


def bucket_and_key(request: Request) -> tuple[str, str]:
    """Return the bucket and key of a path-style request, empty when not given."""
    bucket, _, key = request.path.lstrip("/").partition("/")
    return unquote(bucket), unquote(key)


def resource_arn(request: Request) -> str:
    """Return the ARN of the bucket or object of a request."""
    bucket, key = bucket_and_key(request)
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket or '*'}"


@cache
def _patterns() -> Mapping[tuple[str, int], list[_Pattern]]:
    """Map methods and depths (0 for the service, 1 for a bucket, 2 for an object) to operations."""
    model = botocore.session.get_session().get_service_model("s3")
    found = defaultdict[tuple[str, int], list[_Pattern]](list)
    for name in model.operation_names:
        operation = model.operation_model(name)
        uri = urlsplit(operation.http["requestUri"])
        members = operation.input_shape.members if operation.input_shape else {}
        required = operation.input_shape.required_members if operation.input_shape else []
        places = [members[member].serialization for member in required]
        depth = len([part for part in uri.path.split("/") if part])
        found[operation.http["method"], depth].append(
            _Pattern(
                name=name,
                query=_query_of(uri.query) | _named(places, "querystring"),
                headers=frozenset(n.lower() for n in _named(places, "header")),
            )
        )
    return found


def _query_of(query: str) -> frozenset[str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    # x-id only repeats the operation's name, and not every client sends it.
    return frozenset(f"{n}={v}" if v else n for n, v in pairs if n != "x-id")


def _named(places: list[dict[str, str]], location: str) -> frozenset[str]:
    return frozenset(p["name"] for p in places if p.get("location") == location)
