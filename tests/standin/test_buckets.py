from __future__ import annotations

from typing import Any

import pytest

from standin import StandIn
from tests.support.standin_requests import Desk, Refusal, invalid, refusal

MISSING = Refusal("NotFoundException", 404, "The specified vector bucket could not be found")
ADDRESS = "Must specify either vectorBucketName or vectorBucketArn but not both"


@pytest.fixture
def client(standin: StandIn, unchecked_client: Any) -> Any:
    return unchecked_client


def test_a_new_bucket_is_enhanced_and_encrypted_by_s3(client: Any, name: str) -> None:
    arn = client.create_vector_bucket(vectorBucketName=name)["vectorBucketArn"]
    assert arn == f"arn:aws:s3vectors:us-east-1:123456789012:bucket/{name}"
    by_arn = client.get_vector_bucket(vectorBucketArn=arn)["vectorBucket"]
    assert by_arn == client.get_vector_bucket(vectorBucketName=name)["vectorBucket"]
    assert by_arn.pop("creationTime")
    assert by_arn == {
        "vectorBucketName": name,
        "vectorBucketArn": arn,
        "encryptionConfiguration": {"sseType": "AES256"},
        "defaultIndexMode": "ENHANCED",
    }


@pytest.mark.parametrize("bad", ["with_under_score", "special&char", "Capital", "do.t", "-ab"])
def test_a_bucket_name_has_letters_digits_and_hyphens_only(client: Any, bad: str) -> None:
    found = refusal(client.create_vector_bucket, vectorBucketName=bad)
    text = "Invalid vector bucket name"
    assert found == invalid(text, ("vectorBucketName", text))


@pytest.mark.parametrize("bad", ["ab", "x" * 64])
def test_a_bucket_name_has_3_to_63_characters(client: Any, bad: str) -> None:
    assert refusal(client.create_vector_bucket, vectorBucketName=bad).message == (
        f"1 validation error detected. Value with length {len(bad)} at '/vectorBucketName' failed "
        "to satisfy constraint: Member must have length between 3 and 63, inclusive"
    )


def test_a_taken_name_is_a_conflict_for_its_owner_too(client: Any, name: str) -> None:
    client.create_vector_bucket(vectorBucketName=name)
    message = "A vector bucket with the specified name already exists"
    expected = Refusal("ConflictException", 409, message)
    assert refusal(client.create_vector_bucket, vectorBucketName=name) == expected


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_vector_bucket", {}),
        ("delete_vector_bucket", {}),
        ("list_indexes", {}),
        ("get_vector_bucket_policy", {}),
        ("delete_vector_bucket_policy", {}),
        ("put_vector_bucket_policy", {"policy": "{}"}),
        ("put_vector_bucket_default_index_mode", {"defaultIndexMode": "ENHANCED"}),
        ("create_index", {"indexName": "abc", "dataType": "float32", "dimension": 1,
                          "distanceMetric": "cosine"}),
    ],
)  # fmt: skip
def test_a_missing_bucket_is_not_found(client: Any, operation: str, params: Any) -> None:
    assert refusal(getattr(client, operation), vectorBucketName="absent", **params) == MISSING


def test_a_bucket_is_named_once(client: Any, name: str) -> None:
    arn = client.create_vector_bucket(vectorBucketName=name)["vectorBucketArn"]
    both = {"vectorBucketName": name, "vectorBucketArn": arn}
    assert refusal(client.get_vector_bucket, **both) == invalid(ADDRESS)
    assert refusal(client.get_vector_bucket) == invalid(ADDRESS)


def test_only_an_empty_bucket_can_be_deleted(desk: Desk) -> None:
    client, bucket = desk.client, desk.bucket
    message = "The specified vector bucket is not empty"
    expected = Refusal("ConflictException", 409, message)
    assert refusal(client.delete_vector_bucket, vectorBucketName=bucket) == expected
    desk.delete_index()
    client.delete_vector_bucket(vectorBucketName=bucket)
    assert refusal(client.delete_vector_bucket, vectorBucketName=bucket) == MISSING


def test_buckets_are_listed_by_prefix_in_pages(client: Any, name: str) -> None:
    names = {f"{name}-{i}" for i in range(5)}
    for each in names:
        client.create_vector_bucket(vectorBucketName=each)
    paginator = client.get_paginator("list_vector_buckets")
    pages = list(paginator.paginate(prefix=name + "-", PaginationConfig={"PageSize": 2}))
    found = [b["vectorBucketName"] for page in pages for b in page["vectorBuckets"]]
    assert [len(page["vectorBuckets"]) for page in pages] == [2, 2, 1]
    assert sorted(found) == sorted(names)
    assert found != sorted(names)


def test_a_list_token_is_bound_to_its_request(client: Any, name: str) -> None:
    for i in range(2):
        client.create_vector_bucket(vectorBucketName=f"{name}-{i}")
    token = client.list_vector_buckets(prefix=name, maxResults=1)["nextToken"]
    expected = invalid("Invalid page token", ("nextToken", "Invalid page token"))
    assert refusal(client.list_vector_buckets, prefix="other", nextToken=token) == expected
    assert refusal(client.list_vector_buckets, prefix=name, nextToken=token[:-4]) == expected


def test_a_policy_is_kept_until_deleted(client: Any, name: str) -> None:
    client.create_vector_bucket(vectorBucketName=name)
    message = "The specified vector bucket policy could not be found"
    none = Refusal("NotFoundException", 404, message)
    get = client.get_vector_bucket_policy
    assert refusal(get, vectorBucketName=name) == none
    client.put_vector_bucket_policy(vectorBucketName=name, policy='{"Version": "2012-10-17"}')
    assert get(vectorBucketName=name)["policy"] == '{"Version": "2012-10-17"}'
    client.delete_vector_bucket_policy(vectorBucketName=name)
    client.delete_vector_bucket_policy(vectorBucketName=name)
    assert refusal(get, vectorBucketName=name) == none


def test_a_policy_is_json(client: Any, name: str) -> None:
    client.create_vector_bucket(vectorBucketName=name)
    found = refusal(client.put_vector_bucket_policy, vectorBucketName=name, policy="no")
    assert found.code == "ValidationException"


KEY = "arn:aws:kms:us-east-1:123456789012:key/abc"


@pytest.mark.parametrize(
    ("encryption", "message"),
    [
        ({"sseType": "AES256", "kmsKeyArn": KEY},
         "kmsKeyArn must not be specified when sseType is AES256."),
        ({"kmsKeyArn": KEY}, "kmsKeyArn must not be specified when sseType is AES256."),
        ({"sseType": "aws:kms"}, "kmsKeyArn must be specified when sseType is set to aws:kms"),
    ],
)  # fmt: skip
def test_the_key_belongs_to_kms_encryption(
    client: Any, name: str, encryption: dict[str, str], message: str
) -> None:
    create = client.create_vector_bucket
    found = refusal(create, vectorBucketName=name, encryptionConfiguration=encryption)
    assert found == invalid(message)


def test_an_unknown_key_is_access_denied(standin: StandIn, client: Any, name: str) -> None:
    params = {
        "vectorBucketName": name,
        "encryptionConfiguration": {"sseType": "aws:kms", "kmsKeyArn": KEY},
    }
    found = refusal(client.create_vector_bucket, **params)
    assert (found.code, found.status) == ("AccessDeniedException", 403)
    assert found.message.startswith(f"Key '{KEY}' does not exist (kms_request_id=")
    standin.set_switches(kms_keys=(KEY,))
    client.create_vector_bucket(**params)
    bucket = client.get_vector_bucket(vectorBucketName=name)["vectorBucket"]
    assert bucket["encryptionConfiguration"] == params["encryptionConfiguration"]


PATTERN = r"Member must satisfy regular expression pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({f"k{i}": "" for i in range(51)}, "Too many tags specified"),
        ({"aws:owner": "me"}, "System tags cannot be added/updated by requester"),
        ({"AWS:owner": "me"},
         'Invalid System Tag: AWS:owner must be prefixed with "aws:" in lowercase.'),
        ({"a#b": "c"}, PATTERN),
        ({"a": "c*"}, PATTERN),
    ],
)  # fmt: skip
def test_bad_tags_are_refused(client: Any, name: str, tags: Any, message: str) -> None:
    found = refusal(client.create_vector_bucket, vectorBucketName=name, tags=tags)
    assert found == invalid(message)


def test_tags_live_as_long_as_their_resource(desk: Desk) -> None:
    client, arn = desk.client, desk.get_index()["index"]["indexArn"]
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {}
    client.tag_resource(resourceArn=arn, tags={"a b": "é", "c": "", "d": "1"})
    client.untag_resource(resourceArn=arn, tagKeys=["a b", "d", "absent"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": ""}
    desk.delete_index()
    message = "The specified resource could not be found"
    gone = Refusal("NotFoundException", 404, message)
    assert refusal(client.list_tags_for_resource, resourceArn=arn) == gone
    assert refusal(client.tag_resource, resourceArn=arn, tags={"a": "b"}) == gone
    assert refusal(client.untag_resource, resourceArn=arn, tagKeys=["a"]) == gone
    desk.create()
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {}


def test_fifty_tags_in_all_are_the_limit(client: Any, name: str) -> None:
    tags = {f"k{i}": "v" for i in range(50)}
    arn = client.create_vector_bucket(vectorBucketName=name, tags=tags)["vectorBucketArn"]
    found = refusal(client.tag_resource, resourceArn=arn, tags={"more": ""})
    assert found == invalid("Too many tags specified")
