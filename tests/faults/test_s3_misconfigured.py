"""A configuration that cannot work is one error, soon, and leads neither to ChromaDB nor half in.

The service is opened as a program opens it. The waits of the retries take no time.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from memory_core import MemoryService, Settings, open_service
from memory_core.errors import (
    AccessDenied,
    BackendError,
    BackendUnavailable,
    IndexMismatch,
    MemoryCoreError,
    SettingsError,
)
from memory_core.storage.aws import Retries
from memory_core.storage.aws.client import Transport
from standin.httpd import App, Request, Response
from tests.support.s3_bench import Bench, Clock, open_bench
from tests.support.s3_front import (
    Watch,
    for_both,
    for_s3,
    is_for_vectors,
    s3_error,
    vectors_error,
    watched,
)

BUDGET_S = 20.0
MOST_TRIES = 20
_TIMEOUT_S = 0.2


class Program:
    """Opens services on a stand-in, by way of what watches the requests."""

    def __init__(self, bench: Bench, folder: Path, stack: ExitStack, clock: Clock) -> None:
        self.bench = bench
        self.data_dir = folder / "data"
        self.clock = clock
        self._stack = stack

    def open(self, watch: Watch | None = None, **environ: str) -> MemoryService:
        front = self._stack.enter_context(watched(self.bench.standin, watch)) if watch else {}
        given = {**self.bench.environ, "MEMORY_DATA_DIR": str(self.data_dir), **front, **environ}
        return open_service(Settings.from_env(given))

    def refused(
        self, error: type[MemoryCoreError], match: str, watch: Watch | None = None, **environ: str
    ) -> None:
        """Assert that opening fails so, in time, and that nothing was made anywhere."""
        slept = len(self.clock.slept)
        with pytest.raises(error, match=match) as caught:
            self.open(watch, **environ)
        assert type(caught.value) is error
        assert "\n" not in str(caught.value)
        assert self.clock.now <= BUDGET_S
        # Every try ends after `_TIMEOUT_S` at the latest.
        assert len(self.clock.slept) - slept <= MOST_TRIES
        assert not self.data_dir.exists()
        client = self.bench.standin.client("s3vectors")
        assert client.list_vector_buckets()["vectorBuckets"] == []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    clock = Clock()
    monkeypatch.setattr(
        "memory_core.storage.aws.client.Retries",
        lambda: Retries(budget_s=BUDGET_S, sleep=clock.sleep, clock=clock, random=lambda: 1.0),
    )
    monkeypatch.setattr(
        "memory_core.storage.aws.client.Transport",
        lambda: Transport(_TIMEOUT_S, _TIMEOUT_S, attempts=1),
    )
    with open_bench() as bench, ExitStack() as stack:
        yield Program(bench, tmp_path, stack, clock)


ANSWERS: dict[str, tuple[Watch, type[MemoryCoreError], str]] = {
    "a region that signs wrongly": (
        for_s3(400, "AuthorizationHeaderMalformed"), BackendError, "another region.*AWS_REGION"
    ),
    "a region that may not": (
        for_s3(400, "IllegalLocationConstraintException"), BackendError, "AWS_REGION"
    ),
    "a bucket of somebody else": (for_s3(403, "AccessDenied"), AccessDenied, "s3:ListBucket on"),
    "expired credentials": (
        for_both(400, "ExpiredToken", "ExpiredTokenException"), AccessDenied,
        "have expired.*AWS_SESSION_TOKEN",
    ),
    "an unknown key": (
        for_both(403, "InvalidAccessKeyId", "UnrecognizedClientException"), AccessDenied,
        "AWS_ACCESS_KEY_ID",
    ),
    "a wrong secret": (
        for_both(403, "SignatureDoesNotMatch", "InvalidSignatureException"), AccessDenied,
        "AWS_SECRET_ACCESS_KEY|AWS_ACCESS_KEY_ID",
    ),
    "a wrong clock": (
        for_both(403, "RequestTimeTooSkewed", "RequestExpired"), AccessDenied, "set the clock"
    ),
    "throttled for ever": (for_both(503, "SlowDown", "ThrottlingException"), BackendUnavailable,
                           "try again later"),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_what_aws_answers_is_one_error(program: Program, name: str) -> None:
    watch, error, match = ANSWERS[name]
    program.refused(error, match, watch)


def test_a_bucket_that_does_not_exist_is_named(program: Program) -> None:
    program.refused(
        BackendError, "'no-such-bucket' does not exist.*AWS_S3_BUCKET",
        AWS_S3_BUCKET="no-such-bucket",
    )  # fmt: skip


def test_a_service_that_never_answers_is_given_up(program: Program) -> None:
    program.bench.standin.add_fault("hang", service="s3", nth="every", seconds=1.0)
    program.refused(BackendUnavailable, "broke off during ListObjectsV2")


def test_a_service_that_takes_no_connection_is_given_up(program: Program) -> None:
    with socket.socket() as deaf, ExitStack() as stack:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        # Its queue is full: whoever comes now waits.
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        program.refused(BackendUnavailable, "could not be reached", AWS_ENDPOINT_URL_S3=address)


def test_a_service_that_speaks_another_protocol_is_given_up(program: Program) -> None:
    secure = program.bench.standin.url_s3.replace("http:", "https:")
    program.refused(BackendUnavailable, "could not be reached", AWS_ENDPOINT_URL_S3=secure)


def test_a_bucket_in_another_region_does_not_hide_that_the_index_is_missing(
    program: Program,
) -> None:
    """The bucket is found by redirection, as boto3 does; the vectors are in its region alone."""
    with program.open() as service:
        service.add_text_memory("ann", "likes tea")

    def elsewhere(request: Request, app: App) -> Response | None:
        authorization = request.headers["authorization"]
        if is_for_vectors(request):
            missing = "/eu-west-1/" in authorization
            return vectors_error(404, "NotFoundException") if missing else None
        if "/us-east-1/" in authorization:
            return None
        region = ("x-amz-bucket-region", "us-east-1")
        return s3_error(301, "PermanentRedirect", region)

    with pytest.raises(IndexMismatch, match=r"memories are on record; check .*AWS_REGION"):
        program.open(elsewhere, AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1")
    with program.open(elsewhere) as service:
        assert len(service.list_memories("ann")) == 1
    assert not program.data_dir.exists()


def test_in_another_region_than_the_bucket_nothing_is_made(program: Program) -> None:
    """Else the first memories would be where the corrected configuration does not look."""
    match = r"AWS_REGION is 'eu-west-1', but bucket '.*' is in 'us-east-1'; set AWS_REGION to us-"
    program.refused(SettingsError, match, AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1")


CALLS: dict[str, Callable[[MemoryService], Any]] = {
    "list": lambda service: service.list_memories("ann"),
    "save": lambda service: service.add_text_memory("ann", "likes rye"),
    "delete": lambda service: service.delete_user("ann"),
}


@pytest.mark.parametrize("name", CALLS)
def test_credentials_that_expire_while_it_runs_are_renewed_without_a_restart(
    program: Program, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    current = {"key": program.bench.environ["AWS_ACCESS_KEY_ID"]}
    expired = for_both(400, "ExpiredToken", "ExpiredTokenException")

    def only_current(request: Request, app: App) -> Response | None:
        if f"Credential={current['key']}/" in request.headers["authorization"]:
            return None
        return expired(request, app)

    service = program.open(only_current)
    service.add_text_memory("ann", "likes tea")
    current["key"] = "AKIAROTATED000000000"
    with pytest.raises(AccessDenied, match="have expired"):
        CALLS[name](service)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", current["key"])
    CALLS[name](service)
    assert len(service.list_memories("ann")) == {"list": 1, "save": 2, "delete": 0}[name]
    assert program.clock.slept == []
