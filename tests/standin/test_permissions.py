from __future__ import annotations

from typing import Any

import pytest

from standin import StandIn
from tests.support.standin_requests import Desk, Refusal, refusal, vector

QUERY: dict[str, Any] = {"topK": 1, "queryVector": {"float32": [1, 0, 0]}}
TEXTS = {"queryTexts": [{"metadataKey": "a", "text": "b"}]}


def denied(action: str, resource: str) -> Refusal:
    message = (
        f"User: arn:aws:iam::123456789012:user/standin is not authorized to perform: {action} on "
        f"resource: {resource} because no identity-based policy allows the {action} action"
    )
    return Refusal("AccessDeniedException", 403, message)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("put_vectors", {"vectors": [vector("k")]}),
        ("get_vectors", {"keys": ["k"]}),
        ("delete_vectors", {"keys": ["k"]}),
        ("list_vectors", {}),
        ("query_vectors", QUERY),
        ("get_index", {}),
        ("delete_index", {}),
        ("update_index_mode", {"indexMode": "ENHANCED"}),
        ("update_metadata_configuration", {"add": {}}),
    ],
)
def test_every_action_on_an_index_can_be_denied(
    standin: StandIn, desk: Desk, operation: str, params: dict[str, Any]
) -> None:
    arn = desk.get_index()["index"]["indexArn"]
    action = "s3vectors:" + "".join(part.title() for part in operation.split("_"))
    standin.set_switches(deny_actions=[action])
    call = getattr(desk, operation)
    assert refusal(call, **params) == denied(action, arn)
    standin.reset_switches()
    call(**params)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("get_vector_bucket", "GetVectorBucket"),
        ("list_indexes", "ListIndexes"),
        ("delete_vector_bucket", "DeleteVectorBucket"),
        ("create_vector_bucket", "CreateVectorBucket"),
        ("get_vector_bucket_policy", "GetVectorBucketPolicy"),
    ],
)
def test_every_action_on_a_bucket_can_be_denied(
    standin: StandIn, desk: Desk, operation: str, action: str
) -> None:
    arn = f"arn:aws:s3vectors:us-east-1:123456789012:bucket/{desk.bucket}"
    standin.set_switches(deny_actions=[action])
    call = getattr(desk.client, operation)
    assert refusal(call, vectorBucketName=desk.bucket) == denied(f"s3vectors:{action}", arn)


def test_listing_buckets_is_denied_for_the_account(standin: StandIn, desk: Desk) -> None:
    standin.set_switches(deny_actions=["s3vectors:ListVectorBuckets"])
    found = refusal(desk.client.list_vector_buckets)
    assert found == denied("s3vectors:ListVectorBuckets", "*")


@pytest.mark.parametrize("extra", [{"filter": {"a": 1}}, {"returnMetadata": True}, TEXTS])
def test_a_query_that_reads_metadata_also_needs_get_vectors(
    standin: StandIn, desk: Desk, extra: dict[str, Any]
) -> None:
    arn = desk.get_index()["index"]["indexArn"]
    standin.set_switches(deny_actions=["s3vectors:GetVectors"])
    found = refusal(desk.query_vectors, **QUERY, **extra)
    assert found == denied("s3vectors:GetVectors", arn)


def test_a_plain_query_with_distances_needs_no_get_vectors(standin: StandIn, desk: Desk) -> None:
    standin.set_switches(deny_actions=["s3vectors:GetVectors"])
    desk.query_vectors(**QUERY, returnDistance=True, returnMetadata=False)


@pytest.mark.parametrize("extra", ["returnData", "returnMetadata"])
def test_a_list_that_reads_also_needs_get_vectors(standin: StandIn, desk: Desk, extra: str) -> None:
    standin.set_switches(deny_actions=["s3vectors:GetVectors"])
    desk.list_vectors(**{extra: False})
    found = refusal(desk.list_vectors, **{extra: True})
    assert found.code == "AccessDeniedException"
    assert "s3vectors:GetVectors" in found.message


def test_creating_with_tags_also_needs_tag_resource(
    standin: StandIn, unchecked_client: Any, name: str
) -> None:
    standin.set_switches(deny_actions=["s3vectors:TagResource"])
    create = unchecked_client.create_vector_bucket
    assert (
        "s3vectors:TagResource" in refusal(create, vectorBucketName=name, tags={"a": "b"}).message
    )
    arn = create(vectorBucketName=name)["vectorBucketArn"]
    tag = unchecked_client.tag_resource
    found = refusal(tag, resourceArn=arn, tags={"a": "b"})
    assert found == denied("s3vectors:TagResource", arn)


def test_a_denied_write_changes_nothing(standin: StandIn, desk: Desk) -> None:
    standin.set_switches(deny_actions=["PutVectors"])
    refusal(desk.put_vectors, vectors=[vector("k")])
    standin.reset_switches()
    assert desk.listed() == []
