"""Profiles of the stand-in: each manner as its table has it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from standin import StandIn
from standin.profiles import PROFILES, profile_of
from tests.support.waiting import wait_for

PLACE = {"vectorBucketName": "vectors", "indexName": "index"}
SCHEMA = {"a": "x", "user_id": "ann"}


@contextmanager
def standing(profile: str, **changes: object) -> Iterator[tuple[StandIn, Any]]:
    """A stand-in of a profile, its vector bucket and its index made."""
    with StandIn(profile=profile_of(profile, **changes)) as standin:
        client = standin.client("s3vectors", retries={"total_max_attempts": 1})
        if PROFILES[profile].manners.vector_bucket == "shared":
            standin.client("s3").create_bucket(Bucket="vectors")
        client.create_vector_bucket(vectorBucketName="vectors")
        index = {"dataType": "float32", "dimension": 2, "distanceMetric": "cosine"}
        client.create_index(**PLACE, **index)
        yield standin, client


def rows(*keys: str, **metadata: Any) -> list[dict[str, Any]]:
    return [
        {"key": key, "data": {"float32": [1.0, at / 10]}, "metadata": {**SCHEMA, **metadata}}
        for at, key in enumerate(keys)
    ]


def refused(call: Any, **members: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**PLACE, **members)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_every_profile_tells_that_it_is_a_stand_in_and_which() -> None:
    with StandIn(profile="ceph") as standin:
        answer = standin.client("s3").list_buckets()["ResponseMetadata"]["HTTPHeaders"]
    assert answer["x-holdfast-stand-in"] == "ceph"
    assert answer["server"] == "Ceph Object Gateway (vampire)"
    with pytest.raises(ValueError, match="no profile 'minio'"):
        StandIn(profile="minio")


def test_ceph_says_no_such_key_takes_one_segment_and_filters_what_it_found() -> None:
    with standing("ceph") as (_, client):
        with pytest.raises(ClientError, match="NoSuchKey"):
            client.get_index(vectorBucketName="vectors", indexName="another")
        assert refused(client.list_vectors, segmentCount=8, segmentIndex=0)[0] == 400
        assert refused(client.put_vectors, vectors=rows("a", **{"my.key": 1}))[0] == 400
        client.put_vectors(**PLACE, vectors=rows("a", "b") + rows("c", user_id="bob"))
        asked = {"queryVector": {"float32": [1.0, 0.0]}, "filter": {"user_id": "bob"}}
        assert client.query_vectors(**PLACE, topK=1, **asked)["vectors"] in ([], [{"key": "c"}])
        found = client.query_vectors(**PLACE, topK=3, **asked)["vectors"]
        assert [row["key"] for row in found] == ["c"]
        assert "indexMode" not in client.get_index(**PLACE)["index"]
        page = client.list_vectors(**PLACE, maxResults=2)
        assert page["nextToken"] == "2"
        client.create_vector_bucket(vectorBucketName="vectors")


def test_noobaa_fixes_the_schema_by_the_first_put() -> None:
    with standing("noobaa") as (_, client):
        for call, members in (
            (client.list_vectors, {}),
            (client.get_vectors, {"keys": ["a"]}),
            (client.delete_vectors, {"keys": ["a"]}),
        ):
            assert refused(call, **members)[0] == 500
        client.put_vectors(**PLACE, vectors=rows("a"))
        assert refused(client.put_vectors, vectors=rows("b", new="y"))[0] == 500
        client.put_vectors(**PLACE, vectors=rows("c", a=5))
        answer = client.get_vectors(**PLACE, keys=["c"], returnMetadata=True)["vectors"][0]
        assert answer["metadata"] == {"a": None, "user_id": "ann"}
        assert refused(client.put_vectors, vectors=rows(*map(str, range(260))))[0] == 500
        assert len(client.list_vectors(**PLACE)["vectors"]) == 262
        with pytest.raises(ClientError, match="InternalFailure"):
            client.create_index(**PLACE, dataType="float32", dimension=2, distanceMetric="cosine")


def test_noobaa_takes_no_vector_bucket_of_a_buckets_name_and_no_large_body() -> None:
    with standing("noobaa", body_bytes=2000) as (standin, client):
        standin.client("s3").create_bucket(Bucket="documents")
        with pytest.raises(ClientError, match="a bucket of that name exists"):
            client.create_vector_bucket(vectorBucketName="documents")
        assert refused(client.put_vectors, vectors=rows(*"abcdefghijklmnopqrst" * 3))[0] == 500


def test_noobaa_lets_several_puts_of_one_name_win() -> None:
    with StandIn(profile="noobaa") as standin:
        client = standin.client("s3", max_pool_connections=8)
        client.create_bucket(Bucket="documents")

        def put(key: str, barrier: threading.Barrier) -> bool:
            client.head_bucket(Bucket="documents")
            barrier.wait()
            try:
                client.put_object(Bucket="documents", Key=key, Body=b"", IfNoneMatch="*")
            except ClientError:
                return False
            return True

        def winners() -> int:
            key, barrier = f"k{next(numbers)}", threading.Barrier(8)
            with ThreadPoolExecutor(8) as threads:
                return sum(threads.map(put, [key] * 8, [barrier] * 8))

        # Those that ask at the same time win; a busy machine may serve them one by one.
        numbers = count()
        wait_for("several winners", winners, until=lambda won: won > 1)
        with pytest.raises(ClientError, match="PreconditionFailed"):
            client.put_object(Bucket="documents", Key="k0", Body=b"", IfNoneMatch="*")


def test_noobaa_loses_the_rest_of_a_folder_beside_one_that_sorts_before_it() -> None:
    with StandIn(profile="noobaa") as standin:
        client = standin.client("s3")
        client.create_bucket(Bucket="documents")
        for key in ("v/ann/1", "v/ann/2", "v/ann/3", "v/ann.b/1", "v/bob/1"):
            client.put_object(Bucket="documents", Key=key, Body=b"")
        first = client.list_objects_v2(Bucket="documents", Prefix="v/", MaxKeys=2)
        assert [each["Key"] for each in first["Contents"]] == ["v/ann/1", "v/ann/2"]
        rest = client.list_objects_v2(
            Bucket="documents", Prefix="v/", ContinuationToken=first["NextContinuationToken"]
        )
        assert [each["Key"] for each in rest["Contents"]] == ["v/bob/1"]
        own = client.list_objects_v2(Bucket="documents", Prefix="v/ann/", StartAfter="v/ann/2")
        assert [each["Key"] for each in own["Contents"]] == ["v/ann/3"]


def test_s3mock_sends_no_header_of_amazons_and_returns_unknown_keys() -> None:
    with standing("s3mock") as (_, client):
        answer = client.put_vectors(**PLACE, vectors=rows("a"))
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert not [name for name in headers if name.startswith("x-amz")]
        assert client.get_vectors(**PLACE, keys=["a", "x"])["vectors"] == [
            {"key": "a"},
            {"key": "x"},
        ]
        query = {"queryVector": {"float32": [1.0, 0.0]}}
        assert refused(client.query_vectors, topK=101, **query) == (400, "ValidationException")


def test_floci_ignores_segments_and_describes_little() -> None:
    with standing("floci") as (_, client):
        client.put_vectors(**PLACE, vectors=rows("a", "b"))
        segment = client.list_vectors(**PLACE, segmentCount=8, segmentIndex=3)["vectors"]
        assert sorted(row["key"] for row in segment) == ["a", "b"]
        described = client.get_index(**PLACE)["index"]
        assert not {"creationTime", "metadataConfiguration"} & described.keys()


def test_supabase_takes_names_of_45_characters() -> None:
    with standing("supabase") as (_, client):
        index = {"dataType": "float32", "dimension": 2, "distanceMetric": "cosine"}
        with pytest.raises(ClientError, match="too long"):
            client.create_index(vectorBucketName="vectors", indexName="i" * 46, **index)
        client.create_index(vectorBucketName="vectors", indexName="i" * 45, **index)


def test_what_is_only_read_of_is_marked_and_promises_that_fail_are_listed() -> None:
    assert "segments" in PROFILES["ceph"].read
    assert "atomic_puts" not in PROFILES["noobaa"].read
    assert PROFILES["noobaa"].lacks("atomic_puts")
    assert not PROFILES["aws"].cannot
