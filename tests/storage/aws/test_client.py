"""One border to AWS: what goes wrong there is told in our words, or tried again in time."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import botocore.exceptions
import botocore.session
import pytest

from memory_core import AccessDenied, BackendError, BackendUnavailable, IndexMismatch, SettingsError
from memory_core.settings import Settings
from memory_core.storage.aws import Aws
from memory_core.storage.aws.client import credentials_source
from memory_core.storage.aws.errors import (
    RULES,
    Call,
    Failure,
    rule_for,
    translate,
    translate_written,
)
from standin.httpd import Request, Response
from tests.support.s3_bench import Bench, in_front, open_bench, refusal

MODEL = botocore.session.get_session().get_service_model("s3vectors")
CODES = sorted(shape.error_code for shape in MODEL.error_shapes)
PUT = Call("s3vectors", "PutVectors", "index 'i' in vector bucket 'b'", 20.0)
EXPIRED = "ExpiredTokenException"
DENIAL = (
    "User: arn:aws:iam::1:user/u is not authorized to perform: s3vectors:GetVectors on resource: "
    "arn:aws:s3vectors:us-east-1:1:bucket/b/index/i because no identity-based policy allows it"
)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


def list_buckets(aws: Aws) -> object:
    return aws.ask("s3vectors", "ListVectorBuckets", "the vector buckets")


def message(code: str, status: int = 400, said: str = "Because. ", call: Call = PUT) -> str:
    return str(translate(Failure((code,), status, said), call))


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_service_is_in_the_table(code: str) -> None:
    assert code in RULES
    assert isinstance(translate(Failure((code,), 0, "said"), PUT), BackendError)


@pytest.mark.parametrize("shape", MODEL.error_shapes, ids=lambda shape: shape.name)
def test_what_the_model_calls_retryable_is_retried_and_nothing_else(shape: object) -> None:
    retryable = "retryable" in shape.metadata  # type: ignore[attr-defined]
    assert (RULES[shape.error_code].patience > 0) is retryable  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("ConnectTimeoutError", "ConnectionError"),
        ("EndpointConnectionError", "ConnectionError"),
        ("ProxyConnectionError", "ConnectionError"),
        ("SSLError", "ConnectionError"),
        ("ConnectionClosedError", "HTTPClientError"),
        ("ReadTimeoutError", "HTTPClientError"),
        ("ResponseStreamingError", "HTTPClientError"),
        ("SSOTokenLoadError", "SSOError"),
        ("UnauthorizedSSOTokenError", "SSOError"),
    ],
)
def test_an_exception_that_logs_name_has_the_rule_of_its_base(name: str, base: str) -> None:
    exceptions = vars(botocore.exceptions)
    assert issubclass(exceptions[name], exceptions[base])
    assert RULES[name] is RULES[base]


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (botocore.exceptions.ClientError(
            {"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2"),
         "AWS refused s3:ListBucket on the bucket"),
        (botocore.exceptions.ClientError(
            {"Error": {"Code": "ExpiredToken", "Message": "old"}}, "GetCallerIdentity"),
         "so sts:GetCallerIdentity was refused"),
        (botocore.exceptions.ClientError(
            {"Error": {"Code": "503", "Message": "no"},
             "ResponseMetadata": {"MaxAttemptsReached": True, "RetryAttempts": 4}}, "QueryVectors"),
         "Amazon S3 Vectors could not do QueryVectors"),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="https://s3.x/"),
         "the connection to Amazon S3 broke off"),
    ],
    ids=["refused", "expired", "busy", "no answer"],
)  # fmt: skip
def test_what_botocore_wrote_into_a_log_is_translated(error: Exception, action: str) -> None:
    name = f"{type(error).__module__}.{type(error).__name__}"
    assert action in translate_written(f"saving failed: {name}: {error}")
    assert translate_written("ValueError: saving failed") == ""


@pytest.mark.parametrize("code", RULES)
def test_every_message_is_one_sentence_that_says_what_to_do(code: str) -> None:
    text = message(code)
    assert "\n" not in text
    assert "{" not in text
    assert not text.endswith(".")
    assert re.search(r"[;,] (or |so |then |try|check|set|allow|renew|correct|have|enable|restore"
                     r"|install|report|create|make)", text)  # fmt: skip


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.renew])
def test_a_credential_error_names_the_action_and_the_variable(code: str) -> None:
    assert "s3vectors:PutVectors" in message(code)
    assert "AWS_ACCESS_KEY_ID" in message(code)


def test_a_denial_names_the_action_and_the_resource_that_the_service_named() -> None:
    query = replace(PUT, operation="QueryVectors")
    text = message("AccessDeniedException", 403, DENIAL, query)
    assert "s3vectors:GetVectors on arn:aws:s3vectors:us-east-1:1:bucket/b/index/i;" in text


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("ListObjectsV2", "s3:ListBucket"),
        ("ListObjectVersions", "s3:ListBucketVersions"),
        ("DeleteObjects", "s3:DeleteObject"),
        ("PutObject", "s3:PutObject"),
    ],
)
def test_a_denial_without_words_names_the_operations_own_action(
    operation: str, action: str
) -> None:
    text = message("AccessDenied", 403, "Access Denied", Call("s3", operation, "bucket 'b'"))
    assert f"{action} on bucket 'b'" in text


@pytest.mark.parametrize(
    ("status", "expected"),
    [(408, BackendUnavailable), (429, BackendUnavailable), (502, BackendUnavailable),
     (403, AccessDenied), (400, BackendError), (413, BackendError)],
)  # fmt: skip
def test_codes_that_are_not_in_the_table_go_by_their_status(
    status: int, expected: type[BackendError]
) -> None:
    error = translate(Failure(("Surprise",), status, ""), PUT)
    assert type(error) is expected
    assert error.code == "Surprise"  # type: ignore[attr-defined]


def test_what_the_service_said_is_quoted_in_part_only() -> None:
    text = message("ValidationException", said="a\n b" + "x" * 5000)
    assert "a b" in text
    assert len(text) < 600


def test_an_error_keeps_its_cause_and_says_where_it_arose(bench: Bench) -> None:
    with pytest.raises(IndexMismatch, match="rebuild") as caught:
        bench.aws().ask("s3vectors", "GetIndex", "it", **bench.index.address)
    assert (caught.value.backend, caught.value.operation) == ("s3_vectors", "GetIndex")
    assert caught.value.code == "NotFoundException"
    assert type(caught.value.__cause__).__name__ == "NotFoundException"


@pytest.mark.parametrize(
    "fault", ["throttle", "error500", "error503", "timeout408", "drop_before", "drop_after"]
)
def test_a_passing_failure_is_tried_again(bench: Bench, fault: str) -> None:
    bench.standin.add_fault(fault, operation="ListVectorBuckets", times=3)
    assert list_buckets(bench.aws())
    assert bench.clock.slept == [0.5, 1.0, 2.0]
    assert bench.asked() == 4


@pytest.mark.parametrize("fault", ["deny", "quota402"])
def test_a_lasting_refusal_is_told_at_once(bench: Bench, fault: str) -> None:
    bench.standin.add_fault(fault)
    with pytest.raises(BackendError):
        list_buckets(bench.aws())
    assert (bench.clock.slept, bench.asked()) == ([], 1)


def test_waits_have_full_jitter_and_a_ceiling(bench: Bench) -> None:
    bench.standin.add_fault("error503", times=8)
    dice = iter([0.0, 0.5, 0.1, 1.0, 1.0, 1.0, 0.0, 0.25])
    list_buckets(bench.aws(budget_s=60.0, jitter=lambda: next(dice)))
    assert bench.clock.slept == [0.0, 0.5, 0.2, 4.0, 8.0, 8.0, 0.0, 2.0]


def test_no_attempt_begins_after_the_budget(bench: Bench) -> None:
    bench.standin.add_fault("throttle", nth="every")
    aws = bench.aws(budget_s=4.0)
    assert aws.retries.budget_s == 4.0
    with pytest.raises(BackendUnavailable, match=r"within 4 seconds .TooManyRequestsException"):
        list_buckets(aws)
    assert bench.clock.slept == [0.5, 1.0, 2.0]
    assert bench.asked() == 4


def test_the_default_budget_can_be_seen() -> None:
    assert 0 < Aws(Settings()).retries.budget_s <= 60


def test_boto3_makes_so_many_quick_attempts_as_it_is_told(bench: Bench) -> None:
    bench.standin.add_fault("error500", nth="every")
    with pytest.raises(BackendUnavailable):
        list_buckets(bench.aws(budget_s=0, attempts=2))
    assert bench.asked() == 2


def test_a_service_that_hangs_is_given_up(bench: Bench) -> None:
    bench.standin.add_fault("hang", seconds=3)
    with pytest.raises(BackendUnavailable, match=r"broke off.*ReadTimeoutError"):
        list_buckets(bench.aws(budget_s=0, read_timeout_s=0.1))


def test_an_address_where_nobody_listens_names_the_variables(bench: Bench) -> None:
    settings = replace(bench.settings, endpoint_s3vectors="http://127.0.0.1:9")
    with pytest.raises(BackendUnavailable, match="AWS_REGION and the AWS_ENDPOINT_URL variables"):
        list_buckets(bench.aws(settings))
    assert 0 < sum(bench.clock.slept) <= 5


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"region": None}, "AWS_REGION"),
        ({"region": "us east 1", "endpoint_s3vectors": None}, "AWS_REGION"),
        ({"endpoint_s3vectors": "somewhere"}, "AWS_ENDPOINT_URL"),
        ({"aws_profile": "nobody"}, "AWS_PROFILE"),
    ],
)
def test_settings_that_cannot_work_are_named(
    bench: Bench, changes: dict[str, str], variable: str
) -> None:
    with pytest.raises(SettingsError, match=variable):
        list_buckets(bench.aws(replace(bench.settings, **changes)))  # type: ignore[arg-type]


def test_no_credentials_name_the_variables(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    without_credentials(monkeypatch)
    with pytest.raises(AccessDenied, match=r"s3vectors:ListVectorBuckets.*AWS_ACCESS_KEY_ID"):
        list_buckets(bench.aws())


@pytest.mark.parametrize("code", [EXPIRED, "UnrecognizedClientException", "InvalidClientTokenId"])
def test_rotated_credentials_are_taken_up_without_a_restart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    with in_front(bench.standin, "s3vectors", only("AKIANEW", code)) as url:
        aws = bench.aws(replace(bench.settings, endpoint_s3vectors=url))
        with pytest.raises(AccessDenied, match=f"{code}.*s3vectors:ListVectorBuckets"):
            list_buckets(aws)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
        assert list_buckets(aws)
    assert bench.clock.slept == []


def test_threads_that_are_refused_together_renew_together(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Request] = []
    with in_front(bench.standin, "s3vectors", only("AKIANEW", EXPIRED, refused)) as url:
        aws = bench.aws(replace(bench.settings, endpoint_s3vectors=url))
        aws.offers("s3vectors", "GetIndex")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
        threads = [threading.Thread(target=list_buckets, args=(aws,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert bench.asked() == 8
    assert len(refused) <= 8


def test_credentials_that_stay_refused_are_tried_twice(bench: Bench) -> None:
    refused: list[Request] = []
    with in_front(bench.standin, "s3vectors", only("AKIANEW", EXPIRED, refused)) as url:
        aws = bench.aws(replace(bench.settings, endpoint_s3vectors=url))
        with pytest.raises(AccessDenied, match="have expired"):
            list_buckets(aws)
    assert len(refused) == 2


def test_the_source_of_credentials_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_credentials(monkeypatch)
    assert credentials_source(Settings()) is None
    with pytest.raises(SettingsError, match="AWS_PROFILE is 'nobody'"):
        credentials_source(Settings(aws_profile="nobody"))
    (tmp_path / "keys").write_text("[staff]\naws_access_key_id=A\naws_secret_access_key=B\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    assert credentials_source(Settings(aws_profile="staff")) == "shared-credentials-file"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    with pytest.raises(SettingsError, match="AWS_SECRET_ACCESS_KEY is set without"):
        credentials_source(Settings())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "B")
    assert credentials_source(Settings(aws_profile="staff")) == "env"
    monkeypatch.setenv("AWS_PROFILE", "")
    assert credentials_source(Settings()) == "env"


def test_boto3_is_asked_what_it_can_send(bench: Bench) -> None:
    asked = "s3vectors", "CreateIndex", "metadataConfiguration"
    assert bench.aws().offers(*asked, "textSearchConfigurations")
    assert not bench.aws().offers(*asked, "nothing")


def test_a_closed_connection_is_opened_again(bench: Bench) -> None:
    aws = bench.aws()
    assert list_buckets(aws)
    aws.close()
    assert list_buckets(aws)


def test_an_exception_of_botocore_goes_by_its_nearest_base() -> None:
    names = ("ConnectTimeoutError", "ConnectionError", "BotoCoreError")
    assert rule_for(Failure(names, 0, "")) is RULES["ConnectionError"]
    assert rule_for(Failure(("Novel", "BotoCoreError"), 0, "")).patience == 0


def only(key: str, code: str, refused: list[Request] | None = None) -> object:
    """Let requests pass that are signed with a key; answer the others with an error."""

    def answer(request: Request) -> Response | None:
        if f"Credential={key}/" in request.headers["authorization"]:
            return None
        if refused is not None:
            refused.append(request)
        return refusal(403, code, "The security token included in the request is invalid.")

    return answer


def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
