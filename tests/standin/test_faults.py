from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from standin import StandIn
from tests.support.standin_requests import ONCE, Desk, Refusal, refusal, vector

PUT = {"vectors": [vector("k")]}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("throttle", Refusal("TooManyRequestsException", 429, "Rate exceeded")),
        ("error500", Refusal("InternalServerException", 500, "Internal server error")),
        ("error503", Refusal("ServiceUnavailableException", 503,
                             "Currently unable to handle the request")),
        ("timeout408", Refusal("RequestTimeoutException", 408, "The request timed out")),
        ("quota402", Refusal("ServiceQuotaExceededException", 402,
                             "Your request exceeds a service quota")),
    ],
)  # fmt: skip
def test_an_injected_error_is_answered_and_nothing_applied(
    standin: StandIn, desk: Desk, action: str, expected: Refusal
) -> None:
    standin.add_fault(action, service="s3vectors", operation="PutVectors")
    assert refusal(desk.put_vectors, **PUT) == expected
    assert desk.listed() == []
    desk.put_vectors(**PUT)


def test_an_injected_denial_names_the_action(standin: StandIn, desk: Desk) -> None:
    standin.add_fault("deny", operation="QueryVectors")
    found = refusal(desk.query_vectors, topK=1, queryVector={"float32": [1, 0, 0]})
    assert (found.code, found.status) == ("AccessDeniedException", 403)
    assert "not authorized to perform: s3vectors:QueryVectors on resource: arn:" in found.message


@pytest.mark.parametrize(("action", "applied"), [("drop_before", []), ("drop_after", ["k"])])
def test_a_dropped_connection_leaves_the_write_undone_or_done(
    standin: StandIn, desk: Desk, action: str, applied: list[str]
) -> None:
    standin.add_fault(action, operation="PutVectors")
    with pytest.raises(ConnectionClosedError):
        desk.put_vectors(**PUT)
    assert desk.listed() == applied


def test_boto3_retries_over_a_dropped_connection(standin: StandIn, desk: Desk) -> None:
    standin.add_fault("drop_after", operation="PutVectors")
    standin.reset_requests()
    standin.client("s3vectors").put_vectors(**desk.address, **PUT)
    assert [r.status for r in standin.requests()] == [0, 200]


def test_a_retried_create_shows_as_a_conflict(standin: StandIn, desk: Desk) -> None:
    standin.add_fault("drop_after", operation="CreateVectorBucket")
    client = standin.client("s3vectors")
    found = refusal(client.create_vector_bucket, vectorBucketName=f"{desk.bucket}-new")
    assert found.code == "ConflictException"


def test_latency_delays_and_then_answers(standin: StandIn, desk: Desk) -> None:
    standin.add_fault("latency", operation="PutVectors", seconds=0.2)
    started = time.monotonic()
    desk.put_vectors(**PUT)
    assert time.monotonic() - started >= 0.2
    assert desk.listed() == ["k"]


def test_latency_and_an_error_can_meet(standin: StandIn, desk: Desk) -> None:
    standin.add_fault("latency", operation="PutVectors", seconds=0.1)
    standin.add_fault("error503", operation="PutVectors")
    started = time.monotonic()
    assert refusal(desk.put_vectors, **PUT).status == 503
    assert time.monotonic() - started >= 0.1


def test_a_hanging_request_times_out_unanswered(standin: StandIn, desk: Desk) -> None:
    standin.add_fault("hang", operation="PutVectors", seconds=0.6)
    client = standin.client("s3vectors", read_timeout=0.2, **ONCE)
    with pytest.raises(ReadTimeoutError):
        client.put_vectors(**desk.address, **PUT)
    assert desk.listed() == []


def test_nth_and_times_choose_the_requests(standin: StandIn, desk: Desk) -> None:
    standin.add_fault("error500", operation="ListVectors", nth=2, times=2)
    assert statuses(desk, 5) == [200, 500, 500, 200, 200]


def test_every_goes_on_until_cleared_or_used_up(standin: StandIn, desk: Desk) -> None:
    number = standin.add_fault("error500", operation="ListVectors", nth="every")
    assert statuses(desk, 3) == [500, 500, 500]
    standin.clear_faults(number)
    assert statuses(desk, 1) == [200]
    standin.add_fault("throttle", operation="ListVectors", nth="every", times=2)
    assert statuses(desk, 3) == [429, 429, 200]


def statuses(desk: Desk, count: int) -> list[int]:
    found = []
    for _ in range(count):
        try:
            desk.list_vectors()
            found.append(200)
        except desk.client.exceptions.ClientError as error:
            found.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return found


def test_a_rule_leaves_other_services_and_operations_alone(
    standin: StandIn, desk: Desk, s3_client: Any
) -> None:
    standin.add_fault("error500", service="s3", nth="every")
    standin.add_fault("error500", service="s3vectors", operation="GetVectors", nth="every")
    desk.list_vectors()
    assert refusal(s3_client.list_buckets).status == 500
    assert refusal(desk.get_vectors, keys=["k"]).status == 500
    assert [(f["seen"], f["fired"]) for f in standin.faults()] == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("action", "code", "status"),
    [
        ("throttle", "SlowDown", 503),
        ("error500", "InternalError", 500),
        ("error503", "ServiceUnavailable", 503),
        ("timeout408", "RequestTimeout", 400),
        ("deny", "AccessDenied", 403),
    ],
)
def test_s3_fails_in_its_own_words(
    standin: StandIn, s3_bucket: str, s3_client: Any, action: str, code: str, status: int
) -> None:
    standin.add_fault(action, service="s3", operation="PutObject")
    found = refusal(s3_client.put_object, Bucket=s3_bucket, Key="k", Body=b"x")
    assert (found.code, found.status) == (code, status)
    assert s3_client.list_objects_v2(Bucket=s3_bucket)["KeyCount"] == 0


@pytest.mark.parametrize(("action", "count"), [("drop_before", 0), ("drop_after", 1)])
def test_s3_drops_connections_too(
    standin: StandIn, s3_bucket: str, s3_client: Any, action: str, count: int
) -> None:
    standin.add_fault(action, service="s3", operation="PutObject")
    with pytest.raises(ConnectionClosedError):
        s3_client.put_object(Bucket=s3_bucket, Key="k", Body=b"x")
    assert s3_client.list_objects_v2(Bucket=s3_bucket)["KeyCount"] == count


def test_a_retried_put_if_absent_meets_its_own_object(standin: StandIn, s3_bucket: str) -> None:
    standin.add_fault("drop_after", service="s3", operation="PutObject")
    put = standin.client("s3").put_object
    found = refusal(put, Bucket=s3_bucket, Key="k", Body=b"x", IfNoneMatch="*")
    assert (found.code, found.status) == ("PreconditionFailed", 412)


@pytest.mark.parametrize(
    "rule",
    [{"action": "explode"}, {"action": "deny", "nth": 0}, {"action": "deny", "service": "x"}],
)
def test_a_senseless_rule_is_refused(standin: StandIn, rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        standin.add_fault(**rule)
