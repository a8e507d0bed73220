"""A stand-in for AWS in a process of its own, and what one call costs on it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any
from unittest.mock import patch

import boto3
from botocore.client import BaseClient
from botocore.httpsession import URLLib3Session
from botocore.response import StreamingBody

from standin.remote import RemoteControl
from tests.support.paths import ROOT

from .rows import Call


@dataclass(frozen=True, slots=True)
class Cost:
    """One call, in milliseconds: all of it, within boto3, and of that waiting for the answers."""

    requests: int
    all_ms: float
    boto3_ms: float
    waiting_ms: float
    processor_ms: float
    """What this thread computed, boto3 included: other load on the machine does not lengthen it."""
    server_ms: float
    """What the stand-in took by its own clock; the rest of waiting is HTTP."""

    @property
    def own_ms(self) -> float:
        """The client's side of the call: all of it but waiting."""
        return self.all_ms - self.waiting_ms

    @property
    def own_boto3_ms(self) -> float:
        return self.boto3_ms - self.waiting_ms

    @property
    def own_code_ms(self) -> float:
        return self.all_ms - self.boto3_ms


class Meter:
    """Measures calls of one thread; get it from `open_meter`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.control = RemoteControl(environ["AWS_ENDPOINT_URL_S3VECTORS"])
        self.spent = {"boto3": 0.0, "waiting": 0.0}

    def cost(self, call: Callable[[], object]) -> Cost:
        """Make the call and return what it took."""
        self.control.reset_requests()
        self.spent.update(boto3=0.0, waiting=0.0)
        start, computed = time.perf_counter(), time.thread_time()
        call()
        seconds, computed = time.perf_counter() - start, time.thread_time() - computed
        asked = self.control.requests()
        return Cost(
            len(asked),
            seconds * 1000,
            self.spent["boto3"] * 1000,
            self.spent["waiting"] * 1000,
            computed * 1000,
            sum(request.seconds for request in asked) * 1000,
        )

    def compare(self, ours: Call, theirs: Call, times: int) -> tuple[list[Cost], list[Cost]]:
        """Call both alternately, so that a slow moment of the machine meets both."""
        costs: tuple[list[Cost], list[Cost]] = ([], [])
        for number in range(times):
            costs[0].append(self.cost(lambda: ours(number)))  # noqa: B023 - called at once.
            costs[1].append(self.cost(lambda: theirs(number)))  # noqa: B023
        return costs

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, the time in it added up under a name."""

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent[name] += time.perf_counter() - start

        return wrapper


def median(costs: Sequence[Cost], field: str) -> float:
    """Return the median of one field of the costs."""
    return statistics.median(getattr(cost, field) for cost in costs)


@contextmanager
def open_meter() -> Iterator[Meter]:
    """Start a stand-in, point this process's boto3 at it, and watch boto3."""
    command = [sys.executable, "-m", "standin"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as standin:
        try:
            assert standin.stdout
            if not (ready := standin.stdout.readline()):
                raise RuntimeError(f"the stand-in ended with {standin.wait()}")
            meter = Meter(json.loads(ready)["environ"])
            call = meter.timed("boto3", BaseClient._make_api_call)
            send = meter.timed("waiting", URLLib3Session.send)
            read = meter.timed("boto3", meter.timed("waiting", StreamingBody.read))
            with (
                patch.dict(os.environ, meter.environ),
                # The default session keeps the credentials of its first use.
                patch.object(boto3, "DEFAULT_SESSION", None),
                patch.object(BaseClient, "_make_api_call", call),
                patch.object(URLLib3Session, "send", send),
                patch.object(StreamingBody, "read", read),
            ):
                yield meter
        finally:
            standin.terminate()
