from __future__ import annotations

from typing import Any

import pytest

from standin import StandIn
from tests.support.standin_requests import Desk, Refusal, invalid, refusal, vector

MISSING = Refusal("NotFoundException", 404, "The specified index could not be found")
ADDRESS = "Must specify either indexArn or both vectorBucketName and indexName"
GOOD = {"indexName": "other", "dataType": "float32", "dimension": 3, "distanceMetric": "cosine"}


def create(desk: Desk, **index: Any) -> Refusal:
    call = desk.client.create_index
    return refusal(call, vectorBucketName=desk.bucket, **(GOOD | index))


def test_an_index_is_described_without_a_count(desk: Desk) -> None:
    index = desk.get_index()["index"]
    arn = f"arn:aws:s3vectors:us-east-1:123456789012:bucket/{desk.bucket}/index/index"
    assert desk.client.get_index(indexArn=arn)["index"] == index
    assert index.pop("creationTime")
    assert index == {
        "vectorBucketName": desk.bucket,
        "indexName": "index",
        "indexArn": arn,
        "dataType": "float32",
        "dimension": 3,
        "distanceMetric": "cosine",
        "encryptionConfiguration": {"sseType": "AES256"},
        "indexMode": "ENHANCED",
    }


def non_filterable(*keys: str) -> dict[str, Any]:
    return {"metadataConfiguration": {"nonFilterableMetadataKeys": list(keys)}}


@pytest.mark.parametrize(
    ("change", "value", "rule"),
    [
        ({"dataType": "float16"}, "Value at '/dataType'", "satisfy enum value set: [float32]"),
        ({"distanceMetric": "dot"}, "Value at '/distanceMetric'",
         "satisfy enum value set: [euclidean, cosine]"),
        ({"dimension": 0}, "Value at '/dimension'", "be between 1 and 4096, inclusive"),
        ({"dimension": 4097}, "Value at '/dimension'", "be between 1 and 4096, inclusive"),
        ({"indexName": "ab"}, "Value with length 2 at '/indexName'",
         "have length between 3 and 63, inclusive"),
        (non_filterable(*"abcdefghijk"),
         "Value with length 11 at '/metadataConfiguration/nonFilterableMetadataKeys'",
         "have length between 0 and 10, inclusive"),
        (non_filterable("k" * 64),
         "Value with length 64 at '/metadataConfiguration/nonFilterableMetadataKeys/0'",
         "have length between 1 and 63, inclusive"),
    ],
)  # fmt: skip
def test_a_bad_index_is_refused(desk: Desk, change: dict[str, Any], value: str, rule: str) -> None:
    expected = (
        f"1 validation error detected. {value} failed to satisfy constraint: Member must {rule}"
    )
    assert create(desk, **change).message == expected


def test_the_largest_dimension_is_4096(desk: Desk) -> None:
    desk.client.create_index(vectorBucketName=desk.bucket, **GOOD | {"dimension": 4096})


@pytest.mark.parametrize("bad", ["under_score", "Capital", ".dot", "dot."])
def test_an_index_name_has_letters_digits_hyphens_and_dots(desk: Desk, bad: str) -> None:
    assert create(desk, indexName=bad).code == "ValidationException"
    desk.client.create_index(vectorBucketName=desk.bucket, **GOOD | {"indexName": "a.b-c"})


def test_a_taken_name_is_a_conflict(desk: Desk) -> None:
    message = "An index with the specified name already exists"
    assert create(desk, indexName="index") == Refusal("ConflictException", 409, message)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_index", {}),
        ("delete_index", {}),
        ("update_index_mode", {"indexMode": "ENHANCED"}),
        ("update_metadata_configuration", {"add": {}}),
        ("put_vectors", {"vectors": [vector("k")]}),
        ("get_vectors", {"keys": ["k"]}),
        ("delete_vectors", {"keys": ["k"]}),
        ("list_vectors", {}),
        ("query_vectors", {"topK": 1, "queryVector": {"float32": [1]}}),
    ],
)
def test_a_missing_index_is_not_found_even_without_its_bucket(
    desk: Desk, operation: str, params: dict[str, Any]
) -> None:
    call = getattr(desk.client, operation)
    bucket = desk.bucket
    assert refusal(call, vectorBucketName=bucket, indexName="absent", **params) == MISSING
    assert refusal(call, vectorBucketName="absent", indexName="absent", **params) == MISSING


def test_an_index_is_named_by_arn_or_by_both_names(desk: Desk) -> None:
    arn = desk.get_index()["index"]["indexArn"]
    get = desk.client.get_index
    for wrong in (
        {},
        {"indexName": "index"},
        {"vectorBucketName": desk.bucket},
        {"vectorBucketName": desk.bucket, "indexArn": arn},
        {**desk.address, "indexArn": arn},
    ):
        assert refusal(get, **wrong) == invalid(ADDRESS)


def test_deleting_an_index_drops_its_vectors_for_good(desk: Desk) -> None:
    desk.put("k")
    desk.delete_index()
    assert refusal(desk.delete_index) == MISSING
    desk.create()
    assert desk.listed() == []


def test_indexes_are_listed_by_prefix_in_pages(desk: Desk) -> None:
    for i in range(5):
        desk.client.create_index(vectorBucketName=desk.bucket, **GOOD | {"indexName": f"p-{i}"})
    paginator = desk.client.get_paginator("list_indexes")
    params = {"vectorBucketName": desk.bucket, "prefix": "p-"}
    pages = list(paginator.paginate(**params, PaginationConfig={"PageSize": 3}))
    assert [len(page["indexes"]) for page in pages] == [3, 2]
    names = {index["indexName"] for page in pages for index in page["indexes"]}
    assert names == {f"p-{i}" for i in range(5)}
    assert len(desk.client.list_indexes(vectorBucketName=desk.bucket)["indexes"]) == 6


def test_an_index_takes_the_encryption_of_its_bucket(standin: StandIn, desk: Desk) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/abc"
    standin.set_switches(kms_keys=[key])
    kms = {"sseType": "aws:kms", "kmsKeyArn": key}
    client, bucket = desk.client, f"{desk.bucket}-kms"
    client.create_vector_bucket(vectorBucketName=bucket, encryptionConfiguration=kms)
    own = {"sseType": "AES256"}
    address = {"vectorBucketName": bucket}
    client.create_index(**address, **GOOD)
    client.create_index(**address, **GOOD | {"indexName": "own"}, encryptionConfiguration=own)
    found = [
        client.get_index(**address, indexName=n)["index"]["encryptionConfiguration"]
        for n in ("other", "own")
    ]
    assert found == [kms, own]


def test_non_filterable_keys_are_described_and_searchable_keys_have_a_status(desk: Desk) -> None:
    configuration = {
        "nonFilterableMetadataKeys": ["data"],
        "textSearchConfigurations": [{"metadataKey": "data", "language": "en"}],
    }
    client, address = desk.client, {"vectorBucketName": desk.bucket}
    client.create_index(**address, **GOOD, metadataConfiguration=configuration)
    described = client.get_index(**address, indexName="other")["index"]["metadataConfiguration"]
    configuration["textSearchConfigurations"][0]["status"] = "ACTIVE"  # type: ignore[index]
    assert described == configuration


def test_new_buckets_cannot_be_classic(desk: Desk) -> None:
    found = refusal(
        desk.client.put_vector_bucket_default_index_mode,
        vectorBucketName=desk.bucket,
        defaultIndexMode="CLASSIC",
    )
    assert found == invalid(
        "defaultIndexMode cannot be set to CLASSIC because this vector bucket does not support "
        "CLASSIC mode"
    )
    assert refusal(desk.update_index_mode, indexMode="CLASSIC") == invalid(
        "indexMode cannot be set to CLASSIC because the vector bucket does not support CLASSIC mode"
    )
    desk.update_index_mode(indexMode="ENHANCED")


def test_searchable_keys_are_added_and_deleted(desk: Desk) -> None:
    update = desk.update_metadata_configuration
    add = {"textSearchConfigurations": [{"metadataKey": "body"}, {"metadataKey": "title"}]}
    arn = desk.get_index()["index"]["indexArn"]
    assert update(add=add)["indexArn"] == arn
    assert refusal(update, add=add).code == "ConflictException"
    update(delete={"textSearchConfigurations": [{"metadataKey": "body"}]})
    described = desk.get_index()["index"]["metadataConfiguration"]
    assert described == {"textSearchConfigurations": [{"metadataKey": "title", "status": "ACTIVE"}]}


def test_exactly_one_of_add_and_delete(desk: Desk) -> None:
    update = desk.update_metadata_configuration
    delete = {"textSearchConfigurations": [{"metadataKey": "body"}]}
    assert refusal(update).code == "ValidationException"
    assert refusal(update, add={}, delete=delete).code == "ValidationException"
    assert refusal(update, delete=delete).code == "ValidationException"


def test_at_most_ten_searchable_keys_each_once(desk: Desk) -> None:
    ten = [{"metadataKey": f"k{i}"} for i in range(10)]
    update = desk.update_metadata_configuration
    twice = {"textSearchConfigurations": [{"metadataKey": "a"}] * 2}
    assert refusal(update, add=twice).code == "ValidationException"
    update(add={"textSearchConfigurations": ten})
    more = {"textSearchConfigurations": [{"metadataKey": "more"}]}
    assert refusal(update, add=more).code == "ValidationException"
