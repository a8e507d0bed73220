"""A stand-in for AWS with a bucket in it, and clocks and servers to test against."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moto.s3.models import s3_backends

from memory_core.settings import Settings
from memory_core.storage.aws import Aws, Retries
from memory_core.storage.aws.client import Transport
from memory_core.storage.objects import S3Objects
from memory_core.storage.vectors.s3 import S3VectorStore, open_s3_vectors
from memory_core.storage.vectors.s3_index import IndexName
from standin import StandIn
from standin.httpd import HttpServer, Request, Response

DIMENSIONS = 8
# Moto keeps the buckets of all stand-ins of a process in one place.
_numbers = itertools.count(1)


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Bench:
    """A stand-in, a bucket in it, and what talks to them; requests are sent once each."""

    standin: StandIn
    bucket: str
    clock: Clock = field(default_factory=Clock)
    imported: dict[str, int] = field(default_factory=dict)
    _opened: list[Aws] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        return {**self.standin.environ(), "AWS_S3_BUCKET": self.bucket}

    @property
    def settings(self) -> Settings:
        # Not the default folder, whose memories would come along by themselves.
        return Settings.from_env({"MEMORY_DATA_DIR": "no-such-folder", **self.environ})

    @property
    def index(self) -> IndexName:
        return IndexName(f"{self.bucket}-vectors", "mem0-test-8")

    def aws(
        self,
        settings: Settings | None = None,
        *,
        budget_s: float = 20.0,
        jitter: Callable[[], float] = lambda: 1.0,
        **transport: Any,
    ) -> Aws:
        retries = Retries(
            budget_s=budget_s, sleep=self.clock.sleep, clock=self.clock, random=jitter
        )
        sent_once = Transport(**{"attempts": 1, "read_timeout_s": 5.0, **transport})
        aws = Aws(settings or self.settings, retries=retries, transport=sent_once)
        self._opened.append(aws)
        return aws

    def objects(self, prefix: str = "memory/", **options: Any) -> S3Objects:
        return S3Objects(self.aws(**options), self.bucket, prefix)

    def store(
        self, dimensions: int = DIMENSIONS, *, create: bool = True, **options: Any
    ) -> S3VectorStore:
        return open_s3_vectors(self.aws(**options), self.index, dimensions, create=create)

    def asked(self, *operations: str) -> int:
        """Count the requests since the last reset, of some operations or of all."""
        counts = self.standin.request_counts()
        return sum(
            count
            for name, count in counts.items()
            if not operations or name.partition(":")[2] in operations
        )

    def fill_objects(self, contents: Mapping[str, bytes], prefix: str = "memory/") -> None:
        """Put objects into the bucket at once, without a request for each."""
        backend = s3_backends[self.standin._s3_state.account]["aws"]
        for key, content in contents.items():
            backend.put_object(self.bucket, prefix + key, content)

    def close(self) -> None:
        for aws in self._opened:
            aws.close()


@contextmanager
def open_bench(**switches: Any) -> Iterator[Bench]:
    """Start a stand-in with a bucket, and put its credentials into the environment."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    before = {name: os.environ.get(name) for name in keys}
    with StandIn() as standin:
        bench = Bench(standin, f"bench-{os.getpid()}-{next(_numbers)}")
        os.environ.update({name: standin.environ()[name] for name in keys})
        try:
            bench.aws().ask("s3", "CreateBucket", "the bucket", Bucket=bench.bucket)
            standin.set_switches(**switches)
            standin.reset_requests()
            yield bench
        finally:
            bench.close()
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


@contextmanager
def in_front(
    standin: StandIn, service: str, answer: Callable[[Request], Response | None]
) -> Iterator[str]:
    """Serve before the stand-in: what `answer` has none for goes on to it. Yields the address."""
    behind = standin._s3_server if service == "s3" else standin._vectors_server
    server = HttpServer(lambda request: answer(request) or behind.app(request))
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def refusal(status: int, code: str, message: str) -> Response:
    """Make an error answer as S3 Vectors gives it."""
    headers = (("Content-Type", "application/json"), ("x-amzn-errortype", code))
    return Response(status, headers, f'{{"message": "{message}"}}'.encode())
