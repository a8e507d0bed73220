from __future__ import annotations

import json
from typing import Any

import pytest

from standin import StandIn
from standin.httpd import BODY_CAP_BYTES
from tests.support.standin_requests import Desk, invalid, raw, refusal, vector


def put_body(desk: Desk, entry: str) -> str:
    return json.dumps(desk.address)[:-1] + f', "vectors": [{entry}]}}'


def test_an_error_carries_type_header_request_id_and_field_list(standin: StandIn) -> None:
    body = json.dumps({"vectorBucketName": "ab"})
    status, headers, content = raw(standin.url_s3vectors, "/CreateVectorBucket", body)
    assert status == 400
    assert headers["x-amzn-errortype"] == "ValidationException"
    assert headers["x-amzn-requestid"]
    assert [field["path"] for field in content["fieldList"]] == ["/vectorBucketName"]
    assert content["message"].startswith("1 validation error detected. ")


def test_an_empty_result_has_an_empty_body(desk: Desk, standin: StandIn) -> None:
    body = put_body(desk, '{"key": "k", "data": {"float32": [1, 0, 0]}}')
    status, headers, content = raw(standin.url_s3vectors, "/PutVectors", body)
    assert (status, headers["content-length"], content) == (200, "0", None)


def test_an_unsigned_request_is_refused(standin: StandIn) -> None:
    status, headers, _ = raw(standin.url_s3vectors, "/ListVectorBuckets", Authorization="")
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


def test_a_request_signed_for_another_service_is_refused(standin: StandIn) -> None:
    other = "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/s3/aws4_request"
    status, headers, _ = raw(standin.url_s3vectors, "/ListVectorBuckets", Authorization=other)
    assert (status, headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


@pytest.mark.parametrize(("method", "path"), [("POST", "/Nope"), ("GET", "/ListVectorBuckets")])
def test_an_unknown_operation_is_refused(standin: StandIn, method: str, path: str) -> None:
    status, headers, _ = raw(standin.url_s3vectors, path, method=method)
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


def test_a_chunked_body_is_refused(standin: StandIn) -> None:
    chunks = {"Transfer-Encoding": "chunked"}
    path = "/ListVectorBuckets"
    status, *_ = raw(standin.url_s3vectors, path, b"2\r\n{}\r\n0\r\n\r\n", **chunks)
    assert status == 400


@pytest.mark.parametrize("body", ["", "{", "[]", '{"maxResults": "1"}', '{"maxResults": 1.5}'])
def test_a_body_of_the_wrong_shape_is_a_serialization_error(standin: StandIn, body: str) -> None:
    status, headers, _ = raw(standin.url_s3vectors, "/ListVectorBuckets", body or '{"prefix": 1}')
    assert (status, headers["x-amzn-errortype"]) == (400, "SerializationException")


@pytest.mark.parametrize(
    "entry",
    [
        '{"key": "\\ud800", "data": {"float32": [1, 0, 0]}}',
        '{"key": "k", "data": {"float32": [1, 0, 0]}, "metadata": {"a": "\\udc00"}}',
        '{"key": "k", "data": {"float32": [1, 0, 0]}, "metadata": {"\\uD83D": "a"}}',
        '{"key": "k", "data": {"float32": [1, 0, 0]}, "metadata": {"a": NaN}}',
    ],
)
def test_lone_surrogates_and_bare_nan_kill_the_request(
    desk: Desk, standin: StandIn, entry: str
) -> None:
    status, headers, content = raw(standin.url_s3vectors, "/PutVectors", put_body(desk, entry))
    assert (status, headers["x-amzn-errortype"]) == (400, "SerializationException")
    assert content == {"message": "UnknownError"}


def test_paired_surrogates_are_one_character(desk: Desk) -> None:
    desk.put("😀", face="😀")
    (found,) = desk.get_vectors(keys=["😀"], returnMetadata=True)["vectors"]
    assert found == {"key": "😀", "metadata": {"face": "😀"}}


def test_a_body_of_20_mib_passes_and_one_byte_more_does_not(standin: StandIn, desk: Desk) -> None:
    entry = put_body(desk, '{"key": "k", "data": {"float32": [1, 0, 0]}}')
    url, path = standin.url_s3vectors, "/PutVectors"
    status, *_ = raw(url, path, entry.ljust(BODY_CAP_BYTES))
    assert status == 200
    status, _, content = raw(url, path, entry.ljust(BODY_CAP_BYTES + 1))
    assert (status, content) == (400, {"message": "Request body exceeds max allowed size"})


def test_boto3_reads_the_refusal_of_a_body_far_too_large(desk: Desk) -> None:
    huge = [vector("k", note="x" * (BODY_CAP_BYTES + 10_000_000))]
    found = refusal(desk.put_vectors, vectors=huge)
    assert found == invalid("Request body exceeds max allowed size")


def test_unknown_members_are_refused_or_ignored(standin: StandIn) -> None:
    url, path, body = standin.url_s3vectors, "/ListVectorBuckets", '{"colour": "red"}'
    status, _, content = raw(url, path, body)
    assert (status, content["message"]) == (400, "Unknown member 'colour' at '/'")
    standin.set_switches(unknown_members="ignore")
    assert raw(url, path, body)[0] == 200


def test_a_null_member_counts_as_absent_but_a_null_filter_is_refused(
    standin: StandIn, desk: Desk
) -> None:
    url = standin.url_s3vectors
    assert raw(url, "/ListVectorBuckets", '{"prefix": null}')[0] == 200
    query = {**desk.address, "topK": 1, "queryVector": {"float32": [1, 0, 0]}, "filter": None}
    status, _, content = raw(url, "/QueryVectors", json.dumps(query))
    assert (status, content["message"]) == (400, "Invalid filter")


def test_several_broken_constraints_are_counted(desk: Desk) -> None:
    found = refusal(desk.list_vectors, maxResults=1001, segmentCount=17, segmentIndex=16)
    assert found.message.startswith("3 validation errors detected. ")
    assert [path for path, _ in found.fields] == ["/maxResults", "/segmentCount", "/segmentIndex"]


TOO_LONG = "Member must have length between 1 and"
TEXT = {"text": "x" * 1025, "metadataKey": "t"}
QUERY = {"queryVector": {"float32": [1, 0, 0]}}
RANGES: list[tuple[str, dict[str, Any], str, str, int | None]] = [
    ("put_vectors", {"vectors": []}, "/vectors", f"{TOO_LONG} 500, inclusive", 0),
    ("put_vectors", {"vectors": [vector("k")] * 501}, "/vectors",
     f"{TOO_LONG} 500, inclusive", 501),
    ("put_vectors", {"vectors": [vector("k" * 1025)]}, "/vectors/0/key",
     f"{TOO_LONG} 1024, inclusive", 1025),
    ("put_vectors", {"vectors": [vector("")]}, "/vectors/0/key", f"{TOO_LONG} 1024, inclusive", 0),
    ("put_vectors", {}, "/vectors", "Member must not be null", None),
    ("get_vectors", {"keys": ["k"] * 101}, "/keys", f"{TOO_LONG} 100, inclusive", 101),
    ("delete_vectors", {"keys": ["k"] * 501}, "/keys", f"{TOO_LONG} 500, inclusive", 501),
    ("list_vectors", {"maxResults": 1001}, "/maxResults",
     "Member must be between 1 and 1000, inclusive", None),
    ("query_vectors", {"topK": 0}, "/topK", "Member must be greater than or equal to 1", None),
    ("query_vectors", {"topK": 10_001, **QUERY}, "/topK",
     "Member must be between 1 and 10000, inclusive", None),
    ("query_vectors", {"topK": 1, "queryTexts": [TEXT]}, "/queryTexts/0/text",
     f"{TOO_LONG} 1024, inclusive", 1025),
    ("query_vectors", {"topK": 1, "queryMode": "FAST"}, "/queryMode",
     "Member must satisfy enum value set: [CLASSIC, ENHANCED]", None),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "params", "path", "rule", "length"), RANGES)
def test_ranges_boto3_does_not_check(
    desk: Desk, operation: str, params: dict[str, Any], path: str, rule: str, length: int | None
) -> None:
    found = refusal(getattr(desk, operation), **params)
    value = "Value" if length is None else f"Value with length {length}"
    reason = f"{value} at '{path}' failed to satisfy constraint: {rule}"
    assert found == invalid(f"1 validation error detected. {reason}", (path, reason))


def test_a_malformed_arn_is_refused(standin: StandIn, unchecked_client: Any) -> None:
    found = refusal(unchecked_client.get_index, indexArn="arn:aws:s3vectors:nowhere")
    assert "Value at '/indexArn' failed to satisfy constraint: Member must satisfy" in found.message


def test_regions_are_kept_apart(standin: StandIn, desk: Desk) -> None:
    arn = desk.get_index()["index"]["indexArn"]
    path, body = "/GetIndex", json.dumps({"indexArn": arn})
    elsewhere = "AWS4-HMAC-SHA256 Credential=AKIA/20261122/eu-central-1/s3vectors/aws4_request"
    assert raw(standin.url_s3vectors, path, body)[0] == 200
    assert raw(standin.url_s3vectors, path, body, Authorization=elsewhere)[0] == 404
    names = json.dumps(desk.address)
    assert raw(standin.url_s3vectors, path, names, Authorization=elsewhere)[0] == 404
