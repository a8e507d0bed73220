"""The same calls to moto's s3vectors and to ours: on what moto implements they agree.

Moto has no QueryVectors, no paging and no conflict of index names, returns no ARN on
creation, ignores ARNs in DeleteVectorBucket and prefixes in ListIndexes, and refuses
dimension 4096. There our tests stand alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.s3vectors.models import s3vectors_backends

from standin import StandIn
from standin.httpd import HttpServer
from standin.moto_app import S3VECTORS_HOST, MotoApp
from tests.support.standin_requests import vector

ACCOUNT = "123456789012"
Call = tuple[str, dict[str, Any]]
BUCKET = {"vectorBucketName": "bucket"}
BUCKET_ARN = f"arn:aws:s3vectors:us-east-1:{ACCOUNT}:bucket/bucket"
INDEX = {**BUCKET, "indexName": "index"}
INDEX_ARN = f"{BUCKET_ARN}/index/index"
NEW_INDEX = {**INDEX, "dataType": "float32", "dimension": 3, "distanceMetric": "cosine"}
READ = {"returnData": True, "returnMetadata": True}
SETUP: list[Call] = [
    ("create_vector_bucket", BUCKET),
    ("create_index", NEW_INDEX),
    ("put_vectors", {**INDEX, "vectors": [vector("a", (1, 0, 0.5), n=1), vector("b", (0, 1, 0))]}),
]


@pytest.fixture(scope="module")
def moto_client() -> Iterator[Any]:
    server = HttpServer(MotoApp(S3VECTORS_HOST, ACCOUNT))
    server.start()
    yield boto3.client(
        "s3vectors",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="AKIA",
        aws_secret_access_key="secret",
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    server.stop()


@pytest.fixture
def theirs(moto_client: Any) -> Iterator[Any]:
    s3vectors_backends.reset()
    yield moto_client
    s3vectors_backends.reset()


@pytest.fixture
def ours() -> Iterator[Any]:
    with StandIn() as standin:
        yield standin.client(
            "s3vectors", parameter_validation=False, retries={"total_max_attempts": 1}
        )


def outcome(client: Any, call: Call) -> Any:
    """Return the result without its metadata, or the error's code and message."""
    operation, params = call
    try:
        result = getattr(client, operation)(**params)
    except ClientError as error:
        found = error.response["Error"]
        return found["Code"], found["Message"]
    return {name: value for name, value in result.items() if name != "ResponseMetadata"}


def assert_agree(theirs: Any, ours: Any) -> None:
    """Check that all that moto says, we say too; we may say more."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name, value in theirs.items():
            assert_agree(value, ours[name])
    elif isinstance(theirs, list) and theirs and isinstance(theirs[0], dict):
        assert len(theirs) == len(ours)
        for pair in zip(sorted(theirs, key=str), sorted(ours, key=str), strict=True):
            assert_agree(*pair)
    elif isinstance(theirs, list) and theirs and isinstance(theirs[0], float):
        assert ours == pytest.approx(theirs)
    else:
        assert theirs == ours


SCRIPTS: dict[str, list[Call]] = {
    "bucket life": [
        ("create_vector_bucket", BUCKET),
        ("create_vector_bucket", BUCKET),
        ("get_vector_bucket", BUCKET),
        ("get_vector_bucket", {"vectorBucketArn": BUCKET_ARN}),
        ("list_vector_buckets", {}),
        ("list_vector_buckets", {"prefix": "buc"}),
        ("list_vector_buckets", {"prefix": "other"}),
        ("delete_vector_bucket", BUCKET),
        ("get_vector_bucket", BUCKET),
        ("delete_vector_bucket", BUCKET),
        ("list_vector_buckets", {}),
    ],
    "bad bucket names": [
        ("create_vector_bucket", {"vectorBucketName": name})
        for name in ("sh", "x" * 64, "with_under_score", "special&char")
    ],
    "index life": [
        *SETUP,
        ("get_index", INDEX),
        ("get_index", {"indexArn": INDEX_ARN}),
        ("list_indexes", BUCKET),
        ("list_indexes", {"vectorBucketArn": BUCKET_ARN}),
        ("delete_vector_bucket", BUCKET),
        ("delete_index", INDEX),
        ("get_index", INDEX),
        ("delete_index", INDEX),
        ("list_indexes", BUCKET),
        ("delete_vector_bucket", BUCKET),
    ],
    "bad indexes": [
        ("create_vector_bucket", BUCKET),
        ("create_index", NEW_INDEX | {"dataType": "float16"}),
        ("create_index", NEW_INDEX | {"dimension": 0}),
        ("create_index", NEW_INDEX | {"dimension": 4097}),
        ("create_index", NEW_INDEX | {"distanceMetric": "dot"}),
        ("create_index", NEW_INDEX | {"vectorBucketName": "absent"}),
        ("get_index", INDEX),
        ("get_index", INDEX | {"vectorBucketName": "absent"}),
        ("get_index", {"indexArn": INDEX_ARN}),
    ],
    "addresses": [
        *SETUP,
        ("get_index", {**BUCKET, "indexArn": INDEX_ARN}),
        ("list_indexes", {**BUCKET, "vectorBucketArn": BUCKET_ARN}),
        ("get_vector_bucket_policy", {**BUCKET, "vectorBucketArn": BUCKET_ARN}),
        ("put_vectors", {**BUCKET, "vectors": [vector("a")]}),
        ("get_vectors", {"indexName": "index", "keys": ["a"]}),
        ("list_vectors", {**INDEX, "indexArn": INDEX_ARN}),
        ("delete_vectors", {**BUCKET, "indexArn": INDEX_ARN, "keys": ["a"]}),
    ],
    "vectors": [
        *SETUP,
        ("get_vectors", {**INDEX, "keys": ["a", "b", "absent"], **READ}),
        ("get_vectors", {"indexArn": INDEX_ARN, "keys": ["a"]}),
        ("list_vectors", {**INDEX, **READ}),
        ("list_vectors", {"indexArn": INDEX_ARN}),
        ("put_vectors", {**INDEX, "vectors": [vector("a", (0, 0, 1), m=2)]}),
        ("get_vectors", {**INDEX, "keys": ["a"], **READ}),
        ("delete_vectors", {**INDEX, "keys": ["a", "absent"]}),
        ("delete_vectors", {**INDEX, "keys": ["a"]}),
        ("list_vectors", {**INDEX, **READ}),
    ],
    "wrong dimensions": [
        *SETUP,
        ("put_vectors", {**INDEX, "vectors": [vector("c"), vector("my_first_vector", (0.1,))]}),
        ("put_vectors", {**INDEX, "vectors": [vector("long", (1, 2, 3, 4))]}),
        ("list_vectors", INDEX),
    ],
    "missing index": [
        (operation, INDEX | params)
        for operation, params in (
            ("put_vectors", {"vectors": [vector("a")]}),
            ("get_vectors", {"keys": ["a"]}),
            ("list_vectors", {}),
            ("delete_vectors", {"keys": ["a"]}),
        )
    ],
    "policies": [
        ("get_vector_bucket_policy", BUCKET),
        ("create_vector_bucket", BUCKET),
        ("get_vector_bucket_policy", BUCKET),
        ("put_vector_bucket_policy", {**BUCKET, "policy": '{"Version":"2012-10-17"}'}),
        ("get_vector_bucket_policy", {"vectorBucketArn": BUCKET_ARN}),
        ("delete_vector_bucket_policy", BUCKET),
        ("delete_vector_bucket_policy", BUCKET),
        ("get_vector_bucket_policy", BUCKET),
    ],
    "tags": [
        ("create_vector_bucket", {**BUCKET, "tags": {"env": "dev"}}),
        ("create_index", {**NEW_INDEX, "tags": {"env": "test"}}),
        ("list_tags_for_resource", {"resourceArn": BUCKET_ARN}),
        ("list_tags_for_resource", {"resourceArn": INDEX_ARN}),
        ("tag_resource", {"resourceArn": INDEX_ARN, "tags": {"k 1": "v", "k2": "v"}}),
        ("untag_resource", {"resourceArn": INDEX_ARN, "tagKeys": ["env", "k 1"]}),
        ("list_tags_for_resource", {"resourceArn": INDEX_ARN}),
        ("delete_index", INDEX),
        ("list_tags_for_resource", {"resourceArn": INDEX_ARN}),
        ("tag_resource", {"resourceArn": INDEX_ARN, "tags": {"a": "b"}}),
        ("untag_resource", {"resourceArn": INDEX_ARN, "tagKeys": ["a"]}),
        ("create_index", NEW_INDEX),
        ("list_tags_for_resource", {"resourceArn": INDEX_ARN}),
    ],
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
def test_we_agree_with_moto(theirs: Any, ours: Any, script: list[Call]) -> None:
    for call in script:
        assert_agree(outcome(theirs, call), outcome(ours, call))
