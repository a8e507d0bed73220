"""The S3 Vectors service with the manners of another server: requests and answers bent."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from .control import Control
from .errors import ServiceError
from .httpd import Request, Response
from .profiles import Manners, Profile
from .service import S3VectorsService
from .wire import failure, operation_of

Params = dict[str, Any]

_NEEDS_ROWS = frozenset({"GetVectors", "ListVectors", "QueryVectors", "DeleteVectors"})
_CREATES = frozenset({"CreateIndex", "CreateVectorBucket"})
_TAGGING = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})
_MANY: Final = 1000
_PAGE: Final = 500


class MannerlyVectors:
    """Answers as the service of a profile does; one request at a time changes something."""

    name = "s3vectors"

    def __init__(
        self,
        service: S3VectorsService,
        profile: Profile,
        has_bucket: Callable[[str], bool],
        control: Control,
    ) -> None:
        self._service = service
        self._profile = profile
        self._manners = profile.manners
        self._has_bucket = has_bucket
        self._control = control
        self._schemas: dict[str, dict[str, type]] = {}
        self._lock = threading.Lock()

    def operation(self, request: Request) -> str:
        """Name the operation a request asks for."""
        return operation_of(request)

    def answer(self, request: Request) -> Response:
        """Perform the request in the profile's manner."""
        if self._manners == Manners(classic=self._manners.classic):
            return self._service.answer(request)
        try:
            return self._dressed(self._answer(request))
        except ServiceError as error:
            return self._dressed(failure(error))

    def refuse(self, request: Request, action: str) -> Response:
        """Answer with the error of a refusing fault action, changing nothing."""
        return self._dressed(self._service.refuse(request, action))

    def _answer(self, request: Request) -> Response:
        operation, manners = operation_of(request), self._manners
        if request.length > manners.body_bytes:
            raise ServiceError("RequestTooLarge", manners.body_status, "request entity too large")
        if operation in _TAGGING:
            if not manners.tags:
                raise ServiceError("NotImplemented", 501, "tagging is not implemented")
            return self._service.answer(request)
        try:
            params = json.loads(request.body or b"{}")
        except ValueError:
            return self._service.answer(request)
        self._check(operation, params)
        bare = manners.empty_fails and operation in _NEEDS_ROWS and "indexName" in params
        if bare and self._schema_of(request, params) is None:
            raise ServiceError("InternalFailure", 500, "table was not found")
        bend = getattr(self, f"_{operation}", None)
        return bend(request, params) if bend else self._service.answer(request)

    def _check(self, operation: str, params: Params) -> None:
        manners = self._manners
        if not manners.arns and any(name.endswith("Arn") for name in params):
            raise ServiceError("ValidationException", 400, "resources are named, not by ARN")
        if not manners.tags and params.get("tags"):
            raise ServiceError("ValidationException", 400, "tags are not supported")
        if len(params.get("indexName", "")) > manners.index_name:
            raise ServiceError("ValidationException", 400, "the name of the index is too long")

    def _CreateVectorBucket(self, request: Request, params: Params) -> Response:
        manners, name = self._manners, str(params.get("vectorBucketName"))
        shared = self._has_bucket(name)
        if manners.vector_bucket == "unshared" and shared:
            raise ServiceError("InternalFailure", 500, "a bucket of that name exists")
        if manners.vector_bucket == "shared" and not shared:
            raise ServiceError("NoSuchBucket", 404, "there is no bucket of that name")
        return self._created(request, manners.bucket_again)

    def _CreateIndex(self, request: Request, params: Params) -> Response:
        self._schemas.pop(_place(params), None)
        return self._created(request, self._manners.exists)

    def _created(self, request: Request, again: int) -> Response:
        response = self._service.answer(request)
        if response.status != 409 or again == 409:
            return response
        if again == 200:
            return Response(200, response.headers[1:], b"{}")
        raise ServiceError("InternalFailure", again, "already exists")

    def _GetIndex(self, request: Request, _: Params) -> Response:
        response = self._service.answer(request)
        if response.status == 200:
            answer = json.loads(response.body)
            for name in self._manners.index_lacks:
                answer["index"].pop(name, None)
            response = replace(response, body=json.dumps(answer).encode())
        return response

    def _DeleteIndex(self, request: Request, params: Params) -> Response:
        self._schemas.pop(_place(params), None)
        return self._service.answer(request)

    def _PutVectors(self, request: Request, params: Params) -> Response:
        manners, place = self._manners, _place(params)
        names = {name for row in params.get("vectors", ()) for name in row.get("metadata", {})}
        for name in sorted(names):
            if not re.fullmatch(manners.key_pattern, name, re.S):
                raise ServiceError("InvalidArgument", 400, f"metadata key {name} is not allowed")
        with self._lock:
            if manners.fixed_schema:
                self._fit_schema(request, params, place)
                request = _with(request, "PutVectors", params)
            response = self._service.answer(request)
            if response.status == 200:
                self._schemas.setdefault(place, {})
        if response.status == 200 and manners.fails_after:
            rows = self._all(request, "ListVectors", _address(params))
            if isinstance(rows, list) and len(rows) > manners.fails_after:
                raise ServiceError("InternalFailure", 500, "index could not be built")
        return response

    def _fit_schema(self, request: Request, params: Params, place: str) -> None:
        """Refuse new names, drop what has another type, and keep the schema of the first."""
        rows = [row.setdefault("metadata", {}) for row in params.get("vectors", ())]
        schema = self._schema_of(request, params)
        if schema is None:
            described = self._asked(request, "GetIndex", _address(params))
            plain = described["index"].get("metadataConfiguration", {})
            whole = plain.get("nonFilterableMetadataKeys", ())
            for row in rows:
                for name, value in row.items():
                    if isinstance(value, list) and name not in whole:
                        raise ServiceError("InternalFailure", 500, "cannot index a list")
            schema = {name: _kind(value) for row in rows for name, value in row.items()}
            self._schemas[place] = schema
        for row in rows:
            for name, value in [*row.items()]:
                if name not in schema:
                    raise ServiceError("InternalFailure", 500, f"found field {name} not in schema")
                if _kind(value) is not schema[name]:
                    del row[name]

    def _schema_of(self, request: Request, params: Params) -> dict[str, type] | None:
        """Return the schema of an index, by its rows after a restart; None before the first put."""
        place = _place(params)
        if place not in self._schemas:
            address = {**_address(params), "returnMetadata": True}
            rows = self._all(request, "ListVectors", address)
            if isinstance(rows, Response) or not rows:
                return None
            named = [each for row in rows for each in row["metadata"].items()]
            self._schemas[place] = {name: _kind(value) for name, value in named}
        return self._schemas[place]

    def _GetVectors(self, request: Request, params: Params) -> Response:
        response = self._service.answer(request)
        if response.status != 200:
            return response
        answer = json.loads(response.body)
        if self._manners.returns_unknown:
            known = {row["key"] for row in answer["vectors"]}
            answer["vectors"] += [{"key": key} for key in params["keys"] if key not in known]
        self._fill(answer["vectors"], params)
        return replace(response, body=json.dumps(answer).encode())

    def _ListVectors(self, request: Request, params: Params) -> Response:
        manners, segment = self._manners, {"segmentCount", "segmentIndex"}
        if manners.segments == "one" and params.get("segmentCount", 1) > 1:
            raise ServiceError("InvalidArgument", 400, "segmentCount must be 1")
        if manners.segments == "ignored":
            params = {name: value for name, value in params.items() if name not in segment}
        if manners.tokens == "key":
            return self._service.answer(_with(request, "ListVectors", params))
        start = int(params.pop("nextToken", 0))
        limit = params.pop("maxResults", _PAGE)
        limit = min(limit, self._control.switches().page_size or limit)
        rows = self._all(request, "ListVectors", params)
        if isinstance(rows, Response):
            return rows
        page = rows[start : start + limit]
        self._fill(page, params)
        more = {"nextToken": str(start + limit)} if start + limit < len(rows) else {}
        return _json({"vectors": page, **more})

    def _QueryVectors(self, request: Request, params: Params) -> Response:
        manners = self._manners
        if params.get("topK", 1) > manners.top_k:
            raise ServiceError("ValidationException", 400, f"topK must be at most {manners.top_k}")
        nearest = {name: value for name, value in params.items() if name != "filter"}
        if manners.filters == "before" or "filter" not in params:
            if manners.query_pages:
                return self._service.answer(request)
            rows = self._all(request, "QueryVectors", params)
        else:
            owned = self._all(request, "QueryVectors", {**params, "topK": 10_000})
            if isinstance(owned, Response):
                return owned
            keys = {row["key"] for row in owned}
            rows = self._all(request, "QueryVectors", nearest)
            if not isinstance(rows, Response):
                rows = [row for row in rows if row["key"] in keys]
        if isinstance(rows, Response):
            return rows
        self._fill(rows, params)
        return _json({"vectors": rows, "distanceMetric": "cosine"})

    def _fill(self, rows: list[Params], params: Params) -> None:
        """Return null for what a row of a fixed schema does not have."""
        schema = self._schemas.get(_place(params), {}) if self._manners.fixed_schema else {}
        for row in rows:
            if "metadata" in row and schema:
                row["metadata"] = {name: row["metadata"].get(name) for name in schema}
                # The table's own column has that name.
                if "id" in schema and row["metadata"]["id"] is not None:
                    row["key"] = str(row["metadata"]["id"])

    def _all(self, request: Request, operation: str, params: Params) -> list[Params] | Response:
        """Follow the pages of the service beneath; its refusal is returned as it is."""
        rows: list[Params] = []
        paging = {"maxResults": _MANY} if operation == "ListVectors" else {}
        token: Params = {}
        while True:
            asked = {**params, **paging, **token}
            response = self._service.answer(_with(request, operation, asked))
            if response.status != 200:
                return response
            answer = json.loads(response.body)
            rows += answer["vectors"]
            if "nextToken" not in answer:
                return rows
            token = {"nextToken": answer["nextToken"]}

    def _asked(self, request: Request, operation: str, params: Params) -> Params:
        response = self._service.answer(_with(request, operation, params))
        if response.status != 200:
            name = dict(response.headers).get("x-amzn-errortype", "")
            said = json.loads(response.body)["message"]
            raise ServiceError(name, response.status, said)
        answer: Params = json.loads(response.body)
        return answer

    def _dressed(self, response: Response) -> Response:
        """Give an answer the headers, and a failure the code, of the profile."""
        manners, headers = self._manners, [*response.headers]
        if response.status == 404 and manners.missing != "NotFoundException":
            headers = [(n, v) for n, v in headers if n != "x-amzn-errortype"]
            body = {"Code": manners.missing, "Message": "NoSuchKey", "HostId": "standin"}
            response = replace(response, body=json.dumps(body).encode())
        if not manners.marked:
            code = dict(headers).get("x-amzn-errortype")
            headers = [(n, v) for n, v in headers if not n.lower().startswith("x-amz")]
            if code:
                content = {"code": code, **json.loads(response.body)}
                response = replace(response, body=json.dumps(content).encode())
        return replace(response, headers=tuple(headers))


def _place(params: Params) -> str:
    return f"{params.get('vectorBucketName')}/{params.get('indexName')}"


def _address(params: Params) -> Params:
    return {name: params[name] for name in ("vectorBucketName", "indexName")}


def _with(request: Request, operation: str, params: Params) -> Request:
    body = json.dumps(params).encode()
    return replace(request, target=f"/{operation}", body=body, length=len(body))


def _json(answer: Params) -> Response:
    headers = (("Content-Type", "application/json"), ("x-amzn-requestid", "standin"))
    return Response(200, headers, json.dumps(answer).encode())


def _kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)
