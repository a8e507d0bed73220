from __future__ import annotations

from typing import Any

import pytest

from standin import StandIn
from tests.support.standin_requests import refusal


class Bucket:
    """A client bound to one bucket."""

    def __init__(self, client: Any, name: str):
        self.client = client
        self.name = name

    def __getattr__(self, operation: str) -> Any:
        call = getattr(self.client, operation)
        return lambda **params: call(Bucket=self.name, **params)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.put_object(Key=key, Body=key.encode())

    def body(self, key: str) -> bytes:
        return self.get_object(Key=key)["Body"].read()


@pytest.fixture
def bucket(s3_client: Any, s3_bucket: str) -> Bucket:
    return Bucket(s3_client, s3_bucket)


@pytest.mark.parametrize(
    "key", ["a", "a/b//c", "ä ö+%20&?#=", "x%2Fy", "user%40host/1.json", "/lead"]
)
def test_any_key_reads_back(bucket: Bucket, key: str) -> None:
    bucket.put_object(Key=key, Body=b"body", Metadata={"some_thing": "1"}, ContentType="text/x")
    answer = bucket.get_object(Key=key)
    assert answer["Body"].read() == b"body"
    assert (answer["Metadata"], answer["ContentType"]) == ({"some_thing": "1"}, "text/x")
    assert bucket.head_object(Key=key)["ContentLength"] == 4
    assert [entry["Key"] for entry in bucket.list_objects_v2()["Contents"]] == [key]


def test_put_if_absent(bucket: Bucket) -> None:
    bucket.put_object(Key="k", Body=b"first", IfNoneMatch="*")
    found = refusal(bucket.put_object, Key="k", Body=b"second", IfNoneMatch="*")
    assert (found.code, found.status) == ("PreconditionFailed", 412)
    assert found.message == "At least one of the pre-conditions you specified did not hold"
    assert bucket.body("k") == b"first"
    bucket.delete_object(Key="k")
    bucket.put_object(Key="k", Body=b"third", IfNoneMatch="*")


def test_put_if_absent_looks_past_a_delete_marker(bucket: Bucket) -> None:
    bucket.put_bucket_versioning(VersioningConfiguration={"Status": "Enabled"})
    bucket.put("k")
    bucket.delete_object(Key="k")
    bucket.put_object(Key="k", Body=b"again", IfNoneMatch="*")
    found = refusal(bucket.put_object, Key="k", Body=b"more", IfNoneMatch="*")
    assert found.code == "PreconditionFailed"


def test_a_multipart_upload_if_absent(bucket: Bucket) -> None:
    bucket.put("k")
    upload = {"Key": "k", "UploadId": bucket.create_multipart_upload(Key="k")["UploadId"]}
    part = bucket.upload_part(**upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    complete = bucket.complete_multipart_upload
    found = refusal(complete, **upload, MultipartUpload=parts, IfNoneMatch="*")
    assert (found.code, found.status) == ("PreconditionFailed", 412)


def test_put_if_unchanged(bucket: Bucket) -> None:
    etag = bucket.put_object(Key="k", Body=b"1")["ETag"]
    bucket.put_object(Key="k", Body=b"2", IfMatch=etag)
    found = refusal(bucket.put_object, Key="k", Body=b"3", IfMatch=etag)
    assert (found.code, found.status) == ("PreconditionFailed", 412)
    assert bucket.body("k") == b"2"


def test_listing_starts_after_a_key_and_pages(bucket: Bucket) -> None:
    keys = [f"p/{i:02}" for i in range(12)]
    bucket.put("o", *keys, "q")
    pager = bucket.client.get_paginator("list_objects_v2")
    params = {"Bucket": bucket.name, "Prefix": "p/", "StartAfter": "p/03"}
    pages = list(pager.paginate(**params, PaginationConfig={"PageSize": 3}))
    assert [[e["Key"] for e in page["Contents"]] for page in pages] == [
        keys[4:7], keys[7:10], keys[10:]
    ]  # fmt: skip
    assert [page["KeyCount"] for page in pages] == [3, 3, 2]
    assert [page["IsTruncated"] for page in pages] == [True, True, False]


@pytest.mark.parametrize("start", ["a", "p/0", "p/0x", "p/zz"])
def test_start_after_need_not_exist(bucket: Bucket, start: str) -> None:
    keys = ["p/0", "p/1", "p/2"]
    bucket.put(*keys)
    found = bucket.list_objects_v2(StartAfter=start).get("Contents", [])
    assert [entry["Key"] for entry in found] == [key for key in keys if key > start]


def test_common_prefixes_page_too(bucket: Bucket) -> None:
    bucket.put("a/1", "a/2", "b/1", "c", "d/1")
    pager = bucket.client.get_paginator("list_objects_v2")
    pages = list(
        pager.paginate(Bucket=bucket.name, Delimiter="/", PaginationConfig={"PageSize": 2})
    )
    prefixes = [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])]
    keys = [e["Key"] for page in pages for e in page.get("Contents", [])]
    assert (sorted(prefixes), keys) == (["a/", "b/", "d/"], ["c"])
    assert all(page["KeyCount"] <= 2 for page in pages)


def test_keys_are_listed_in_utf8_order(bucket: Bucket) -> None:
    keys = ["Z", "a", "a!", "a-", "a/", "ab", "é", "緑", "😀"]
    bucket.put(*reversed(keys))
    assert [entry["Key"] for entry in bucket.list_objects_v2()["Contents"]] == keys


def test_a_large_object_goes_through_in_parts(bucket: Bucket, tmp_path: Any) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"0123456789" * 1_000_000)
    bucket.client.upload_file(str(path), bucket.name, "large")
    assert bucket.body("large") == path.read_bytes()
    part = bucket.get_object(Key="large", Range="bytes=10-14")["Body"].read()
    assert part == b"01234"


def test_a_stream_of_unknown_length_goes_through(bucket: Bucket) -> None:
    class Endless:
        def __init__(self) -> None:
            self.left = [b"abc", b"def"]

        def read(self, size: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b""

    bucket.client.upload_fileobj(Endless(), bucket.name, "stream")
    assert bucket.body("stream").startswith(b"abc")


def test_missing_things_are_told_apart(bucket: Bucket) -> None:
    assert refusal(bucket.get_object, Key="absent").code == "NoSuchKey"
    assert refusal(bucket.head_object, Key="absent").status == 404
    assert refusal(bucket.client.head_bucket, Bucket="absent-bucket").status == 404
    assert refusal(bucket.client.list_objects_v2, Bucket="absent-bucket").code == "NoSuchBucket"


@pytest.mark.parametrize(
    ("operation", "params", "action"),
    [
        ("put_object", {"Key": "k", "Body": b""}, "s3:PutObject"),
        ("get_object", {"Key": "k"}, "s3:GetObject"),
        ("delete_object", {"Key": "k"}, "s3:DeleteObject"),
        ("list_objects_v2", {}, "s3:ListBucket"),
        ("create_multipart_upload", {"Key": "k"}, "s3:PutObject"),
    ],
)
def test_actions_can_be_denied(
    standin: StandIn, bucket: Bucket, operation: str, params: dict[str, Any], action: str
) -> None:
    bucket.put("k")
    standin.set_switches(deny_actions=[action])
    found = refusal(getattr(bucket, operation), **params)
    assert (found.code, found.status) == ("AccessDenied", 403)
    assert f"is not authorized to perform: {action} on resource" in found.message


def test_head_is_denied_without_a_text(standin: StandIn, bucket: Bucket) -> None:
    standin.set_switches(deny_actions=["s3:ListBucket", "s3:GetObject"])
    assert refusal(bucket.head_bucket).code == "403"
    assert refusal(bucket.head_object, Key="k").code == "403"


def test_who_may_not_list_is_not_told_what_is_missing(standin: StandIn, bucket: Bucket) -> None:
    bucket.put("k")
    standin.set_switches(deny_actions=["s3:ListBucket"])
    assert bucket.body("k") == b"k"
    assert refusal(bucket.get_object, Key="absent").code == "AccessDenied"
    assert refusal(bucket.head_object, Key="absent").status == 403


def test_two_stand_ins_keep_their_objects_apart(standin: StandIn, bucket: Bucket) -> None:
    with StandIn() as other:
        client = other.client("s3")
        assert client.list_buckets()["Buckets"] == []
        client.create_bucket(Bucket=f"{bucket.name}-other")
    assert refusal(bucket.client.head_bucket, Bucket=f"{bucket.name}-other").status == 404
    bucket.put("still here")
