from __future__ import annotations

from typing import Any

import pytest

from standin import StandIn
from tests.support.standin_requests import Desk, invalid, refusal

QUERY: dict[str, Any] = {"topK": 100, "queryVector": {"float32": [1, 0, 0]}}
TEXTS = [{"metadataKey": "a", "text": "b"}]


@pytest.fixture
def old(standin: StandIn, unchecked_client: Any, name: str) -> Desk:
    """A desk in a bucket of before 2026-09-30, with the service still of that time."""
    standin.set_switches(classic_only=True)
    return Desk.opened(unchecked_client, name)


@pytest.mark.parametrize("member", [{"queryMode": "ENHANCED"}, {"queryTexts": TEXTS},
                                    {"returnScores": True}])  # fmt: skip
def test_an_old_service_refuses_newer_members(old: Desk, member: dict[str, Any]) -> None:
    (name,) = member
    text = f"Unknown member '{name}' at '/'"
    assert refusal(old.query_vectors, **QUERY, **member) == invalid(text, (f"/{name}", text))


def test_an_old_service_knows_no_text_search_or_modes(old: Desk) -> None:
    text = "Unknown member 'textSearchConfigurations' at '/'"
    configuration = {"textSearchConfigurations": [{"metadataKey": "a"}]}
    call = old.client.create_index
    index = {"indexName": "new", "dataType": "float32", "dimension": 3, "distanceMetric": "cosine"}
    found = refusal(call, vectorBucketName=old.bucket, **index, metadataConfiguration=configuration)
    assert found.message == text
    for operation, params in (
        ("update_index_mode", {"indexMode": "ENHANCED"}),
        ("update_metadata_configuration", {"add": {}}),
    ):
        assert refusal(getattr(old, operation), **params).code == "UnknownOperationException"
    assert "indexMode" not in old.get_index()["index"]
    bucket = old.client.get_vector_bucket(vectorBucketName=old.bucket)["vectorBucket"]
    assert "defaultIndexMode" not in bucket


def test_an_old_bucket_stays_classic_until_changed(standin: StandIn, old: Desk) -> None:
    standin.reset_switches()
    client, address = old.client, {"vectorBucketName": old.bucket}
    assert old.get_index()["index"]["indexMode"] == "CLASSIC"
    assert client.get_vector_bucket(**address)["vectorBucket"]["defaultIndexMode"] == "CLASSIC"
    client.put_vector_bucket_default_index_mode(**address, defaultIndexMode="ENHANCED")
    Desk(client, old.bucket, "newer").create()
    newer = client.get_index(**address, indexName="newer")["index"]
    assert newer["indexMode"] == "ENHANCED"
    old.update_index_mode(indexMode="ENHANCED")
    old.update_index_mode(indexMode="CLASSIC")
    client.put_vector_bucket_default_index_mode(**address, defaultIndexMode="CLASSIC")


def test_a_classic_index_can_be_queried_in_either_mode(standin: StandIn, old: Desk) -> None:
    standin.reset_switches()
    old.put("k", a="abc")
    starts = {"a": {"$startsWith": "a"}}
    assert refusal(old.keys, filter=starts).message == "Invalid filter"
    assert old.keys(filter=starts, queryMode="ENHANCED") == ["k"]
    assert old.keys(queryMode="CLASSIC") == ["k"]
    assert refusal(old.query_vectors, topK=1, queryTexts=TEXTS).code == "ValidationException"


def test_a_classic_index_counts_no_constraints(standin: StandIn, old: Desk) -> None:
    old.put("k", a="abc")
    many = {"a": {"$in": ["abc"] * 101}}
    assert old.keys(filter=many) == ["k"]
    standin.reset_switches()
    assert refusal(old.keys, filter=many, queryMode="ENHANCED").message == "Invalid filter"


def test_text_search_needs_enhanced_mode(standin: StandIn, old: Desk) -> None:
    standin.reset_switches()
    add = {"textSearchConfigurations": [{"metadataKey": "a"}]}
    assert refusal(old.update_metadata_configuration, add=add).code == "ValidationException"
    create = Desk(old.client, old.bucket, "newer").create
    assert refusal(create, metadataConfiguration=add).code == "ValidationException"
    old.update_index_mode(indexMode="ENHANCED")
    old.update_metadata_configuration(add=add)


def test_lossy_queries_drop_the_same_share_of_filtered_matches(
    standin: StandIn, desk: Desk
) -> None:
    desk.put(*(f"k{i}" for i in range(100)), a=1)
    standin.set_switches(lossy_queries=0.4)
    first = desk.keys(filter={"a": 1})
    assert 45 <= len(first) <= 75
    assert desk.keys(filter={"a": 1}) == first
    assert len(desk.keys()) == 100
    assert len(desk.listed()) == 100


def test_page_size_shortens_every_page(
    standin: StandIn, desk: Desk, s3_bucket: str, s3_client: Any
) -> None:
    desk.put(*"abcde")
    for key in "abcde":
        s3_client.put_object(Bucket=s3_bucket, Key=key, Body=b"")
    standin.set_switches(page_size=2)
    pagers = [
        (desk.client, "list_vectors", desk.address, "vectors"),
        (desk.client, "query_vectors", desk.address | QUERY, "vectors"),
        (s3_client, "list_objects_v2", {"Bucket": s3_bucket}, "Contents"),
    ]
    for client, operation, params, items in pagers:
        pages = list(client.get_paginator(operation).paginate(**params))
        assert [len(page[items]) for page in pages] == [2, 2, 1]
    assert len(desk.client.list_vector_buckets()["vectorBuckets"]) <= 2


def test_lost_vectors_are_acknowledged_and_forgotten(standin: StandIn, desk: Desk) -> None:
    standin.lose_vectors(3)
    desk.put("a", "b")
    assert standin.switches().lose_vectors == 1
    desk.put("c", "d")
    assert desk.listed() == ["d"]
    assert standin.switches().lose_vectors == 0


def test_a_lost_overwrite_leaves_the_older_vector(standin: StandIn, desk: Desk) -> None:
    desk.put("a", n=1)
    standin.lose_vectors(1)
    desk.put("a", n=2)
    (found,) = desk.get_vectors(keys=["a"], returnMetadata=True)["vectors"]
    assert found["metadata"] == {"n": 1}


def test_a_foreign_bucket_is_forbidden(standin: StandIn, s3_client: Any) -> None:
    standin.set_switches(foreign_buckets=["theirs"])
    head = refusal(s3_client.head_bucket, Bucket="theirs")
    assert (head.code, head.status) == ("403", 403)
    for call, params in (
        (s3_client.get_object, {"Key": "k"}),
        (s3_client.put_object, {"Key": "k", "Body": b""}),
        (s3_client.list_objects_v2, {}),
    ):
        assert refusal(call, Bucket="theirs", **params).code == "AccessDenied"
    taken = refusal(s3_client.create_bucket, Bucket="theirs")
    assert (taken.code, taken.status) == ("BucketAlreadyExists", 409)


@pytest.mark.parametrize("change", [{"colour": 1}, {"ne_absent": "maybe"},
                                    {"unknown_members": "keep"}])  # fmt: skip
def test_a_senseless_switch_is_refused(standin: StandIn, change: dict[str, Any]) -> None:
    before = standin.switches()
    with pytest.raises(ValueError, match=r"\S"):
        standin.set_switches(**change)
    assert standin.switches() == before


def test_the_squared_switch_and_others_start_off(standin: StandIn) -> None:
    switches = standin.switches()
    assert not any((switches.classic_only, switches.lossy_queries, switches.squared_euclidean))
    assert (switches.unknown_members, switches.ne_absent) == ("refuse", "refuse")
