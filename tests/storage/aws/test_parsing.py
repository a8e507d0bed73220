"""Answers that are read without boto3 say what boto3 says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from memory_core import BackendError
from memory_core.model.user_id import UserId
from memory_core.storage.vectors import Vector
from standin.httpd import Request, Response
from tests.support.s3_bench import Bench, in_front, open_bench

KEYS = ["plain", "a b&<c>+%25", "żółw/🐢", "ends with ]]>"]
FROM_AWS = (("x-amzn-requestid", "1"),)
NAMES = [f"memory-{number}" for number in range(5)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        objects = opened.objects()
        for key in KEYS:
            objects.put_if_absent(key, b"content")
        payload = {"user_id": "ann", "data": "Ünïcode \x07 text", "count": 3, "tags": ["a", "b"]}
        values = np.linspace(-1, 1, 8, dtype=np.float32)
        opened.store().put([Vector(name, payload, values) for name in NAMES])
        yield opened


def asked(bench: Bench, service: str, operation: str, **members: Any) -> tuple[dict, dict]:
    """Return our answer and boto3's, without the metadata of the response."""
    from botocore import xform_name

    ours = bench.aws().ask(service, operation, "it", **members)  # type: ignore[arg-type]
    theirs = getattr(bench.standin.client(service), xform_name(operation))(**members)
    for answer in (ours, theirs):
        assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    return ours, theirs


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("GetVectors", {"keys": [*NAMES, "absent"], "returnData": True, "returnMetadata": True}),
        ("GetVectors", {"keys": ["absent"]}),
        ("ListVectors", {"maxResults": 2, "returnMetadata": True}),
        (
            "QueryVectors",
            {"topK": 3, "queryVector": {"float32": [1.0] * 8}, "returnDistance": True},
        ),
    ],
)
def test_vectors_are_read_alike(bench: Bench, operation: str, members: dict[str, Any]) -> None:
    ours, theirs = asked(bench, "s3vectors", operation, **bench.index.address, **members)
    assert bool(ours.pop("nextToken", None)) is bool(theirs.pop("nextToken", None))
    assert ours == theirs


@pytest.mark.parametrize("page", [2, 1000])
def test_names_are_read_alike(bench: Bench, page: int) -> None:
    ours, theirs = asked(bench, "s3", "ListObjectsV2", Bucket=bench.bucket, MaxKeys=page)
    assert [one["Key"] for one in ours["Contents"]] == [one["Key"] for one in theirs["Contents"]]
    for name in ("IsTruncated", "NextContinuationToken"):
        assert ours.get(name) == theirs.get(name)
    assert sorted(bench.objects().list("")) == sorted(KEYS)


def test_a_folder_without_objects_is_empty(bench: Bench) -> None:
    assert list(bench.objects().list("nothing/here")) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"not json", b'{"vectors": 1}', b"\xff\xfe"])
def test_vectors_that_are_none_are_left_to_boto3(bench: Bench, body: bytes) -> None:
    outcomes = []
    with in_front(bench.standin, "s3vectors", lambda _: Response(200, FROM_AWS, body)) as url:
        environ = {**bench.environ, "AWS_ENDPOINT_URL_S3VECTORS": url}
        for client in (_ours(bench, environ), _plain(environ)):
            try:
                answer = client.list_vectors(**bench.index.address)
                answer.pop("ResponseMetadata")
                outcomes.append(repr(answer))
            except Exception as exc:
                outcomes.append(repr(exc))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "body",
    [b"<cut", b"<Error><Code>InternalError</Code><Message>Again.</Message></Error>"],
)
def test_a_listing_that_is_none_is_no_empty_folder(bench: Bench, body: bytes) -> None:
    def answer(request: Request) -> Response | None:
        return Response(200, FROM_AWS, body) if "list-type=2" in request.target else None

    with in_front(bench.standin, "s3", answer) as url:
        settings = bench.settings.from_env({**bench.environ, "AWS_ENDPOINT_URL_S3": url})
        objects = bench.objects(settings=settings)
        with pytest.raises(BackendError):
            list(objects.list(""))


def test_times_are_read_alike(bench: Bench) -> None:
    s3 = {"Bucket": bench.bucket, "Prefix": "memory/"}
    ours, theirs = asked(bench, "s3", "ListObjectVersions", **s3)
    assert [one["LastModified"] for one in ours["Versions"]] == [
        one["LastModified"] for one in theirs["Versions"]
    ]
    made = bench.store().describe().created_at
    assert made is not None
    assert abs((datetime.now(UTC) - made).total_seconds()) < 600


def test_memories_come_back_as_they_were_put(bench: Bench) -> None:
    store = bench.store()
    found = store.get(NAMES, with_values=True)
    assert sorted(found) == NAMES
    vector = found[NAMES[0]]
    assert vector.payload["data"] == "Ünïcode \x07 text"
    np.testing.assert_array_equal(vector.values, np.linspace(-1, 1, 8, dtype=np.float32))
    assert len(store.query(UserId("ann"), np.ones(8, dtype=np.float32), 3)) == 3


def _ours(bench: Bench, environ: dict[str, str]) -> Any:
    return bench.aws(bench.settings.from_env(environ))._client("s3vectors")


def _plain(environ: dict[str, str]) -> Any:
    import boto3

    return boto3.client(
        "s3vectors",
        region_name=environ["AWS_REGION"],
        endpoint_url=environ["AWS_ENDPOINT_URL_S3VECTORS"],
    )
