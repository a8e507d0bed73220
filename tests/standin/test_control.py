from __future__ import annotations

from typing import Any

import pytest

from standin import RemoteControl, StandIn, Switches
from standin.control import ROUTES
from tests.support.standin_requests import Desk, raw, refusal, vector


@pytest.fixture(params=["url_s3vectors", "url_s3"])
def remote(standin: StandIn, request: pytest.FixtureRequest) -> RemoteControl:
    return RemoteControl(getattr(standin, request.param))


def test_every_route_is_a_method_on_both_sides() -> None:
    for route in ROUTES:
        assert callable(getattr(StandIn, route))
        assert callable(getattr(RemoteControl, route))


def test_the_log_tells_operation_status_time_and_bytes(standin: StandIn, desk: Desk) -> None:
    standin.reset_requests()
    standin.add_fault("latency", operation="GetVectors", seconds=0.05)
    desk.put_vectors(vectors=[vector("k")])
    desk.get_vectors(keys=["k"])
    refusal(desk.get_vectors, keys=["k"] * 101)
    put, get, refused = standin.requests()
    assert (put.service, put.operation, put.status) == ("s3vectors", "PutVectors", 200)
    assert put.bytes_in > 50
    assert put.bytes_out == 0
    assert get.faults == ("latency",)
    assert get.seconds >= 0.05
    assert get.bytes_out > 10
    assert refused.status == 400
    assert put.at <= get.at
    counts = {"s3vectors:PutVectors": 1, "s3vectors:GetVectors": 2}
    assert standin.request_counts() == counts


def test_s3_requests_are_named_after_their_operation(
    standin: StandIn, s3_bucket: str, s3_client: Any
) -> None:
    standin.reset_requests()
    object_ = {"Bucket": s3_bucket, "Key": "a/b"}
    s3_client.put_object(**object_, Body=b"x")
    s3_client.copy_object(**object_, CopySource=object_, MetadataDirective="REPLACE")
    s3_client.get_object(**object_)["Body"].read()
    s3_client.head_object(**object_)
    s3_client.put_object_tagging(**object_, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3_client.list_objects(Bucket=s3_bucket)
    s3_client.list_objects_v2(Bucket=s3_bucket, Prefix="a/", Delimiter="/")
    s3_client.head_bucket(Bucket=s3_bucket)
    s3_client.get_bucket_location(Bucket=s3_bucket)
    s3_client.delete_objects(Bucket=s3_bucket, Delete={"Objects": [{"Key": "a/b"}]})
    s3_client.delete_object(**object_)
    upload = s3_client.create_multipart_upload(**object_)["UploadId"]
    s3_client.upload_part(**object_, UploadId=upload, PartNumber=1, Body=b"x")
    s3_client.abort_multipart_upload(**object_, UploadId=upload)
    s3_client.list_buckets()
    names = [record.operation for record in standin.requests()]
    assert names == [
        "PutObject", "CopyObject", "GetObject", "HeadObject", "PutObjectTagging", "ListObjects",
        "ListObjectsV2", "HeadBucket", "GetBucketLocation", "DeleteObjects", "DeleteObject",
        "CreateMultipartUpload", "UploadPart", "AbortMultipartUpload", "ListBuckets",
    ]  # fmt: skip


def test_control_requests_are_not_logged(standin: StandIn, remote: RemoteControl) -> None:
    remote.reset_requests()
    assert remote.ping() == "pong"
    assert remote.requests() == []


def test_a_remote_steers_what_the_stand_in_does(
    standin: StandIn, remote: RemoteControl, desk: Desk
) -> None:
    number = remote.add_fault("throttle", operation="ListVectors", nth="every")
    assert refusal(desk.list_vectors).status == 429
    assert remote.faults() == standin.faults()
    remote.clear_faults(number)
    switches = remote.set_switches(page_size=1, deny_actions={"GetVectors"})
    assert switches == Switches(page_size=1, deny_actions=("GetVectors",))
    assert remote.switches() == standin.switches() == switches
    assert refusal(desk.get_vectors, keys=["k"]).status == 403
    assert remote.reset_switches() == Switches()
    remote.lose_vectors(1)
    desk.put("k")
    assert desk.listed() == []
    assert remote.requests() == standin.requests()
    assert remote.request_counts() == standin.request_counts()


def test_reset_clears_all_but_the_data(remote: RemoteControl, desk: Desk) -> None:
    desk.put_vectors(vectors=[vector("k"), vector("k")])
    remote.add_fault("error500", nth="every")
    remote.set_switches(page_size=1)
    assert remote.warnings()
    remote.reset()
    assert (remote.faults(), remote.requests(), remote.warnings()) == ([], [], [])
    assert remote.switches() == Switches()
    assert desk.listed() == ["k"]


def test_a_remote_mistake_is_told(standin: StandIn, remote: RemoteControl) -> None:
    with pytest.raises(ValueError, match="no switch 'colour'"):
        remote.set_switches(colour="red")
    with pytest.raises(ValueError, match="fault action is one of"):
        remote.add_fault("explode")
    assert raw(standin.url_s3vectors, "/_standin/explode")[0] == 404


def test_a_child_process_needs_only_the_environment(standin: StandIn) -> None:
    assert standin.environ() == {
        "AWS_ENDPOINT_URL_S3": standin.url_s3,
        "AWS_ENDPOINT_URL_S3VECTORS": standin.url_s3vectors,
        "AWS_ACCESS_KEY_ID": "AKIASTANDIN000000000",
        "AWS_SECRET_ACCESS_KEY": "standin-secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
