"""Moto as an application of our HTTP server.

Moto's own server needs Flask and Flask-CORS, which moto does not install by itself. This
does what moto's proxy does instead, and so needs neither of them nor a second port. Moto looks
its handlers up anew for every request; here it is done once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, cached_property
from io import BytesIO
from itertools import count
from typing import Any
from urllib.parse import unquote_to_bytes

from moto import backends
from moto.backend_index import backend_url_patterns
from moto.core import DEFAULT_ACCOUNT_ID, responses
from moto.core.base_backend import BackendDict
from moto.core.exceptions import HTTPException
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.core.request import Request as MotoRequest
from moto.s3.responses import S3Response

from .httpd import Request, Response

S3_HOST = "s3.amazonaws.com"
S3VECTORS_HOST = "s3vectors.us-east-1.api.aws"
REPLACED = frozenset({"host", "transfer-encoding", "x-moto-account-id"})
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "server", "content-length"})

Answer = tuple[int, dict[str, str], str | bytes]
Handler = Callable[[Any, str, Any], Answer]


class MotoApp:
    """One of moto's services, in an account that keeps stand-ins of a process apart."""

    def __init__(self, host: str, account: str):
        self._host = host
        self._account = account
        self._handlers = _handlers(host)

    def __call__(self, request: Request) -> Response:
        return _response(request, *self._answer(request))

    def _answer(self, sent: Request) -> Answer:
        address = f"http://{self._host}{sent.target.partition('?')[0]}"
        for pattern, handle in self._handlers:
            if pattern.match(address):
                request = _Request(self._environ(sent))
                try:
                    return handle(request, request.raw_url, request.headers)
                except HTTPException as exc:
                    return exc.code or 500, dict(exc.get_headers()), exc.get_body()
        return 404, {}, b""

    def _environ(self, sent: Request) -> dict[str, Any]:
        """Return what moto's `Request.from_primitives` makes of a request, in half the time."""
        path, _, query = sent.target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": sent.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": path,
            "REQUEST_URI": path,
            "SERVER_NAME": self._host,
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(sent.body),
            PRESERVED_HEADER_NAMES_ENVIRON_KEY: {},
        }
        for name, value in sent.raw_headers:
            if name.lower() not in REPLACED:
                key = environ_key_for_header(name)
                environ[key] = f"{environ[key]}, {value}" if key in environ else value
                if should_preserve_original_header_name(name):
                    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY][key] = name
        environ |= {"HTTP_HOST": self._host, "HTTP_X_MOTO_ACCOUNT_ID": self._account}
        environ["CONTENT_LENGTH"] = str(len(sent.body))
        return environ


class _Request(MotoRequest):
    """A request whose address, which moto asks for four times, is put together once."""

    raw_url = cached_property(MotoRequest.raw_url.fget)  # type: ignore[assignment]


@cache
def _handlers(host: str) -> list[tuple[re.Pattern[str], Handler]]:
    """Return moto's handlers of the service that a host belongs to, by the addresses they take."""
    address = f"http://{host}/"
    service = next(name for name, pattern in backend_url_patterns if pattern.match(address))
    found: Any = backends.get_backend(service)  # type: ignore[call-overload]
    backend = found["global"]
    if isinstance(found, BackendDict):
        regions = found[DEFAULT_ACCOUNT_ID]
        backend = regions["us-east-1" if "us-east-1" in regions else "aws"]
    return [(re.compile(url), handle) for url, handle in backend.urls.items()]


def _response(
    request: Request, status: int, headers: dict[str, str], body: str | bytes
) -> Response:
    content = body.encode() if isinstance(body, str) else body
    kept = [(name, str(value)) for name, value in headers.items()]
    # A HEAD answer tells the length of the body it does not have.
    drop = HOP_BY_HOP - ({"content-length"} if request.method == "HEAD" else set())
    kept = [(name, value) for name, value in kept if name.lower() not in drop]
    return Response(status, tuple(kept), content)


_numbers = count(1)


def _number(headers: dict[str, str]) -> str:
    """Give an answer an id that tells it from others; moto draws its 52 letters by lot."""
    headers["x-amzn-requestid"] = number = f"STANDIN{next(_numbers)}"
    return number


# By the one host that is asked, the bucket is in the path.
S3Response.subdomain_based_buckets = staticmethod(lambda request: False)  # type: ignore[method-assign]
responses.gen_amzn_requestid_long = _number
