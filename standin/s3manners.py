"""The S3 service with the manners of another server: racing puts, listings that lose keys."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from urllib.parse import urlencode
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .control import Control
from .httpd import Request, Response
from .profiles import Profile
from .s3 import S3Service
from .s3names import bucket_and_key, s3_operation

_RACE_S = 0.005
_PAGE = 1000
_XML = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_CONDITION = "if-none-match"


class MannerlyS3:
    """Answers as the S3 of a profile does."""

    name = "s3"

    def __init__(self, service: S3Service, profile: Profile, control: Control) -> None:
        self._service = service
        self._manners = profile.manners
        self._control = control

    def operation(self, request: Request) -> str:
        """Name the operation a request asks for."""
        return s3_operation(request)

    def answer(self, request: Request) -> Response:
        """Perform the request in the profile's manner."""
        operation, manners = s3_operation(request), self._manners
        _, key = bucket_and_key(request)
        if not manners.s3_dot_slash and "./" in key:
            return self._service.refuse(request, "error500")
        if operation == "PutObject" and _CONDITION in request.headers and not manners.atomic_puts:
            return self._put(request)
        asked = dict(request.query)
        if operation == "ListObjectsV2" and manners.listing_loses and "delimiter" not in asked:
            return self._list(request, asked)
        return self._service.answer(request)

    def refuse(self, request: Request, action: str) -> Response:
        """Answer with the error of a refusing fault action, changing nothing."""
        return self._service.refuse(request, action)

    def _put(self, request: Request) -> Response:
        """Check, then put: those that check in the meantime put as well."""
        head = replace(request, method="HEAD", target=request.path, body=b"", length=0)
        if self._service.answer(head).status == 200:
            return self._service.answer(request)
        time.sleep(_RACE_S)
        named = tuple(pair for pair in request.raw_headers if pair[0].lower() != _CONDITION)
        headers = {name: value for name, value in request.headers.items() if name != _CONDITION}
        return self._service.answer(replace(request, headers=headers, raw_headers=named))

    def _list(self, request: Request, asked: dict[str, str]) -> Response:
        """List folder by folder; a page that begins within one may go on at a wrong place."""
        keys = self._keys(request, asked)
        if isinstance(keys, Response):
            return keys
        keys.sort(key=lambda key: key.split("/"))
        marker = asked.get("continuation-token") or asked.get("start-after", "")
        if marker:
            keys = self._after(keys, marker)
        limit = int(asked.get("max-keys", _PAGE))
        limit = min(limit, self._control.switches().page_size or limit)
        page, more = keys[:limit], len(keys) > limit
        listed = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="{_XML[1:-1]}">'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{listed}</ListBucketResult>"
        )
        headers = (("Content-Type", "application/xml"), ("x-amz-request-id", "STANDIN"))
        return Response(200, headers, body.encode())

    def _after(self, keys: list[str], marker: str) -> list[str]:
        folder = marker.rpartition("/")[0]
        siblings = {key[: len(folder) + 1] for key in keys if key.startswith(folder)}
        if folder and any(name[len(folder) :] < "/" for name in siblings if name != folder):
            return [
                key
                for key in keys
                if key.encode() > marker.encode() and not key.startswith(f"{folder}/")
            ]
        at = marker.split("/")
        return [key for key in keys if key.split("/") > at]

    def _keys(self, request: Request, asked: dict[str, str]) -> list[str] | Response:
        """Return every key of the prefix from the service beneath, or its refusal."""
        query = {"list-type": "2", "prefix": asked.get("prefix", "")}
        keys: list[str] = []
        while True:
            whole = replace(request, target=f"{request.path}?{urlencode(query)}")
            response = self._service.answer(whole)
            if response.status != 200:
                return response
            root = ElementTree.fromstring(response.body)
            space = _XML if root.tag.startswith(_XML) else ""
            keys += [found.text or "" for found in root.iterfind(f"{space}Contents/{space}Key")]
            token = root.findtext(f"{space}NextContinuationToken")
            if not token:
                assert all(first < second for first, second in pairwise(keys))
                return keys
            query["continuation-token"] = token
