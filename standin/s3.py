"""The S3 service: moto, corrected and made durable.

Requests that change something are let in one at a time. That makes put-if-absent atomic,
which moto's check-then-put is not, and lets each change reach the disk before its answer.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from .control import Control
from .errors import denied_text
from .httpd import Request, Response
from .moto_app import MotoApp
from .s3listing import MEMBERS, list_objects
from .s3names import READ_METHODS, bucket_and_key, iam_action, resource_arn, s3_operation
from .s3state import S3State

LISTINGS = {
    "ListObjects": "max-keys",
    "ListObjectsV2": "max-keys",
    "ListObjectVersions": "max-keys",
    "ListParts": "max-parts",
    "ListMultipartUploads": "max-uploads",
}
REFUSALS = {
    "throttle": (503, "SlowDown", "Please reduce your request rate."),
    "error500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "error503": (503, "ServiceUnavailable", "Service is unable to handle request."),
    "timeout408": (400, "RequestTimeout", "Idle connections will be closed."),
    "quota402": (403, "QuotaExceeded", "Your request exceeds a quota."),
    "expired": (400, "ExpiredToken", "The provided token has expired."),
    "wrong_region": (
        400,
        "AuthorizationHeaderMalformed",
        "The authorization header is malformed; the region is wrong.",
    ),
}


class S3Service:
    """Answers S3 requests."""

    name = "s3"

    def __init__(self, moto: MotoApp, state: S3State, control: Control):
        self._moto = moto
        self._state = state
        self._control = control
        self._changing = threading.Lock()

    def operation(self, request: Request) -> str:
        """Name the operation a request asks for."""
        return s3_operation(request)

    def answer(self, request: Request) -> Response:
        """Perform the request, or answer with its error."""
        operation = s3_operation(request)
        refusal = self._refusal(request, operation)
        if refusal is not None:
            return refusal
        request = self._limited(request, operation)
        if operation == "ListObjectsV2":
            return self._list(request)
        if request.method in READ_METHODS:
            return self._hide_missing(request, self._moto(request))
        with self._changing:
            response = self._moto(request)
            if response.status < 300:
                self._state.keep(request, operation)
            return response

    def refuse(self, request: Request, action: str) -> Response:
        """Answer with the error of a refusing fault action, changing nothing."""
        if action == "deny":
            return _denied(request, s3_operation(request))
        return _error(request, *REFUSALS[action])

    def _refusal(self, request: Request, operation: str) -> Response | None:
        switches = self._control.switches()
        bucket, _ = bucket_and_key(request)
        if bucket in switches.foreign_buckets:
            if operation == "CreateBucket":
                message = "The requested bucket name is not available."
                return _error(request, 409, "BucketAlreadyExists", message)
            return _error(request, 403, "AccessDenied", "Access Denied")
        if switches.denies(iam_action(operation)) or switches.denies(f"s3:{operation}"):
            return _denied(request, operation)
        return None

    def _list(self, request: Request) -> Response:
        bucket, asked = self._state.bucket(bucket_and_key(request)[0]), dict(request.query)
        if bucket is None or not asked.keys() <= MEMBERS:
            return self._moto(request)
        return list_objects(bucket, asked)

    def _limited(self, request: Request, operation: str) -> Request:
        limit, name = self._control.switches().page_size, LISTINGS.get(operation)
        if limit is None or name is None:
            return request
        query = dict(request.query)
        query[name] = str(min(limit, int(query.get(name, limit))))
        return replace(request, target=f"{request.path}?{urlencode(query)}")

    def _hide_missing(self, request: Request, response: Response) -> Response:
        """Who may not list a bucket is told 403, not 404, of a missing object."""
        _, key = bucket_and_key(request)
        if response.status == 404 and key and self._control.switches().denies("s3:ListBucket"):
            return _denied(request, "ListObjectsV2")
        return response


def _denied(request: Request, operation: str) -> Response:
    message = denied_text(iam_action(operation), f'"{resource_arn(request)}"')
    return _error(request, 403, "AccessDenied", message)


def _error(request: Request, status: int, code: str, message: str) -> Response:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>"
        f"<Resource>{escape(request.path)}</Resource><RequestId>STANDIN</RequestId></Error>"
    )
    # The answer to HEAD has no body, and so no code but the status.
    content = b"" if request.method == "HEAD" else body.encode()
    headers = (("Content-Type", "application/xml"), ("x-amz-request-id", "STANDIN"))
    return Response(status, headers, content)
