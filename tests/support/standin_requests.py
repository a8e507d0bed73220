"""Short ways to ask the stand-in and to read its refusals."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

ONCE = {"retries": {"total_max_attempts": 1}}

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/s3vectors/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


@dataclass(frozen=True)
class Refusal:
    """An error answer, as boto3 shows it."""

    code: str
    status: int
    message: str
    fields: tuple[tuple[str, str], ...] = ()


def refusal(call: Any, **params: Any) -> Refusal:
    """Make a call that must fail, and return how."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    fields = tuple((f["path"], f["message"]) for f in answer.get("fieldList", ()))
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return Refusal(answer["Error"]["Code"], status, answer["Error"]["Message"], fields)


def invalid(message: str, *fields: tuple[str, str]) -> Refusal:
    """The ValidationException with this message."""
    return Refusal("ValidationException", 400, message, fields)


@dataclass(frozen=True)
class Desk:
    """A client bound to one index."""

    client: Any
    bucket: str
    name: str = "index"

    @classmethod
    def opened(cls, client: Any, bucket: str, **index: Any) -> Desk:
        """Create bucket and index; `index` overrides CreateIndex parameters."""
        client.create_vector_bucket(vectorBucketName=bucket)
        desk = cls(client, bucket)
        desk.create(**index)
        return desk

    @property
    def address(self) -> dict[str, str]:
        return {"vectorBucketName": self.bucket, "indexName": self.name}

    def create(self, **index: Any) -> None:
        defaults = {"dataType": "float32", "dimension": 3, "distanceMetric": "cosine"}
        self.client.create_index(**self.address, **(defaults | index))

    def __getattr__(self, operation: str) -> Any:
        call = getattr(self.client, operation)
        return lambda **params: call(**self.address, **params)

    def put(self, *keys: str, **metadata: Any) -> None:
        """Put vectors of one direction and one metadata object."""
        self.put_vectors(vectors=[vector(key, **metadata) for key in keys])

    def fill(self, rows: dict[str, dict[str, Any]]) -> None:
        """Put one vector per key, with its metadata."""
        self.put_vectors(vectors=[vector(key, **metadata) for key, metadata in rows.items()])

    def keys(self, **params: Any) -> list[str]:
        """Return the keys a query gives, by default of up to 100."""
        defaults = {"topK": 100, "queryVector": {"float32": [1, 0, 0]}}
        found = self.query_vectors(**(defaults | params))["vectors"]
        return [entry["key"] for entry in found]

    def listed(self, **params: Any) -> list[str]:
        """Return the keys of one list page."""
        return [entry["key"] for entry in self.list_vectors(**params)["vectors"]]


def vector(key: str, data: tuple[float, ...] = (1, 0, 0), **metadata: Any) -> dict[str, Any]:
    """Make an entry of PutVectors."""
    entry: dict[str, Any] = {"key": key, "data": {"float32": list(data)}}
    return entry | ({"metadata": metadata} if metadata else {})


def raw(
    url: str, path: str, body: bytes | str = b"{}", method: str = "POST", **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Send bytes no SDK would send; return status, headers and the JSON body."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    content = body.encode() if isinstance(body, str) else body
    sent = {"Authorization": AUTHORIZATION, "Content-Type": "application/json", **headers}
    connection.request(method, path, content, {k: v for k, v in sent.items() if v})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    found = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, found, json.loads(text) if text else None
