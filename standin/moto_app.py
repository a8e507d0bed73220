"""Moto as an application of our HTTP server.

Moto's own server needs Flask and Flask-CORS, which moto does not install by itself. This
enters moto where its proxy does instead, and so needs neither of them nor a second port.
"""

from __future__ import annotations

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import BotocoreStubber

from .httpd import Request, Response

S3_HOST = "s3.amazonaws.com"
S3VECTORS_HOST = "s3vectors.us-east-1.api.aws"
REPLACED = frozenset({"host", "transfer-encoding", "x-moto-account-id"})
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "server", "content-length"})


class MotoApp:
    """One of moto's services, in an account that keeps stand-ins of a process apart."""

    def __init__(self, host: str, account: str):
        self._host = host
        self._account = account
        self._moto = BotocoreStubber()

    def __call__(self, request: Request) -> Response:
        headers = HTTPHeaders()
        for name, value in request.raw_headers:
            if name.lower() not in REPLACED:
                headers.add_header(name, value)
        headers["Host"] = self._host
        headers["x-moto-account-id"] = self._account
        answer = self._moto.process_request(
            AWSPreparedRequest(
                method=request.method,
                url=f"http://{self._host}{request.target}",
                headers=headers,
                body=request.body,
                stream_output=False,
            )
        )
        return _response(request, *(answer or (404, {}, b"")))


def _response(
    request: Request, status: int, headers: dict[str, str], body: str | bytes
) -> Response:
    content = body.encode() if isinstance(body, str) else body
    kept = [(name, str(value)) for name, value in headers.items()]
    # A HEAD answer tells the length of the body it does not have.
    drop = HOP_BY_HOP - ({"content-length"} if request.method == "HEAD" else set())
    kept = [(name, value) for name, value in kept if name.lower() not in drop]
    return Response(status, tuple(kept), content)
