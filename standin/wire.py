"""The rest-json protocol: requests to (operation, parameters), results and errors to bytes."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

from .errors import ServiceError, invalid, unknown_operation, unreadable
from .httpd import BODY_CAP_BYTES, Request, Response
from .shapes import service_model

TAGS_PATH = "/tags/"
TAG_OPERATIONS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
UNKNOWN = "UnknownOperation"
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")


def operation_of(request: Request) -> str:
    """Return the operation's name, or `UnknownOperation`."""
    if request.path.startswith(TAGS_PATH):
        return TAG_OPERATIONS.get(request.method, UNKNOWN)
    name = request.path.removeprefix("/")
    known = name in service_model().operation_names and name not in TAG_OPERATIONS.values()
    return name if request.method == "POST" and known else UNKNOWN


def region_of(request: Request) -> str:
    """Return the region a request was signed for; unsigned requests are refused."""
    found = _CREDENTIAL.search(request.headers.get("authorization", ""))
    if found is None:
        message = "Missing Authentication Token"
        raise ServiceError("MissingAuthenticationTokenException", 403, message)
    region, signing_name = found.groups()
    if signing_name != "s3vectors":
        message = "Credential should be scoped to correct service: 's3vectors'."
        raise ServiceError("InvalidSignatureException", 403, message)
    return region


def params_of(request: Request) -> dict[str, Any]:
    """Return the parameters from path, query string and body."""
    if request.length > BODY_CAP_BYTES:
        raise invalid("Request body exceeds max allowed size")
    if request.chunked:
        raise invalid("Chunked request bodies are not supported")
    operation = operation_of(request)
    if operation == UNKNOWN:
        raise unknown_operation()
    params = _body_of(request) if request.method == "POST" else {}
    if operation in TAG_OPERATIONS.values():
        params["resourceArn"] = unquote(request.path.removeprefix(TAGS_PATH))
    if operation == "UntagResource":
        params["tagKeys"] = [value for name, value in request.query if name == "tagKeys"]
    return params


def success(result: dict[str, Any]) -> Response:
    """Encode a result; an empty one has an empty body."""
    body = json.dumps(result, separators=(",", ":")).encode() if result else b""
    return Response(200, _headers(), body)


def failure(error: ServiceError) -> Response:
    """Encode an error."""
    content: dict[str, Any] = {"message": error.message}
    if error.fields:
        content["fieldList"] = [asdict(field) for field in error.fields]
    headers = (("x-amzn-errortype", error.code), *_headers())
    return Response(error.status, headers, json.dumps(content).encode())


def _headers() -> tuple[tuple[str, str], ...]:
    return (("Content-Type", "application/json"), ("x-amzn-requestid", str(uuid.uuid4())))


def _body_of(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}", parse_constant=_refuse_constant)
        _refuse_lone_surrogates(request.body, body)
    except (ValueError, RecursionError) as error:
        raise unreadable() from error
    if not isinstance(body, dict):
        raise unreadable()
    return body


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _refuse_lone_surrogates(raw: bytes, body: Any) -> None:
    # Surrogates arrive only as \u escapes; encoding every body again would be slow.
    if b"\\ud" in raw or b"\\uD" in raw:
        json.dumps(body, ensure_ascii=False).encode()
