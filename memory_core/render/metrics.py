"""Metrics of a process in Prometheus' text format; no label has a user, a memory or a text."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..errors import MemoryCoreError
from ..model.call_counts import BOUNDS_S
from ..model.census import Census
from ..service import MemoryService
from ..storage.aws.client import REQUESTS

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_COUNTED_FOR_S: Final = 300.0
_BOUNDS: Final = [*map("{:.6g}".format, BOUNDS_S), "+Inf"]

_counted: WeakKeyDictionary[MemoryService, tuple[float, Census]] = WeakKeyDictionary()


def exposition(service: MemoryService) -> bytes:
    """Return the metrics of this process; names begin with `holdfast_`, times are in seconds.

    Users are counted at most every five minutes, because that lists the ledger. The standing proof
    is the one this process knows.
    """
    registry = CollectorRegistry()
    registry.register(_Metrics(service))
    return generate_latest(registry)


class _Metrics(Collector):
    def __init__(self, service: MemoryService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        for name, help_text, value in self._numbers():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield kind(f"holdfast_{name}", help_text, value=value)
        failures = CounterMetricFamily(
            "holdfast_failures", "Calls that failed, by error.", labels=["call", "error"]
        )
        durations = HistogramMetricFamily(
            "holdfast_duration_seconds", "Durations of calls.", labels=["call"]
        )
        requests = CounterMetricFamily(
            "holdfast_aws_requests", "Requests sent, by operation.", labels=["service", "operation"]
        )
        for kind_of_call, count in self._service.counts.totals().items():
            for error, number in count.errors.items():
                failures.add_metric([kind_of_call, error], number)
            buckets = [*zip(_BOUNDS, accumulate(count.durations), strict=True)]
            durations.add_metric([kind_of_call], buckets, count.seconds)
        for names, number in REQUESTS.sent().items():
            requests.add_metric(names, number)
        yield from (failures, durations, requests)

    def _numbers(self) -> Iterator[tuple[str, str, float]]:
        """Yield each metric without labels: its name, what it says, and its value."""
        service, totals = self._service, self._service.counts.totals()
        yield "saves_total", "Calls that save, refused ones left out.", totals["save"].calls
        yield "questions_total", "Questions asked.", totals["search"].calls
        yield "found_nothing_total", "Questions without an answer.", totals["search"].empty
        persistent = service.parts.backend.persistent
        yield "storage_persistent", "1 if deployments keep the storage.", persistent
        # Left out if the users cannot be counted: the other metrics say why.
        with suppress(MemoryCoreError):
            census = _census(service)
            yield "memories", "Memories of all users.", census.memories
            yield "users", "Users with memories.", len(census.users)
        proof, trouble = service.last_proof
        if proof is None:
            return
        yield "proof_checks_total", "Checks of the standing proof on record.", proof.checks
        yield "proof_failed_checks_total", "Those that found a loss.", proof.failed
        yield "proof_well", "1 if the last check found all.", proof.well and not trouble
        if proof.passed_at:
            age = datetime.now(UTC) - datetime.fromisoformat(proof.passed_at)
            yield "proof_age_seconds", "Time since the last proof.", max(0.0, age.total_seconds())


def _census(service: MemoryService) -> Census:
    counted_at, census = _counted.get(service, (float("-inf"), None))
    if census is None or time.monotonic() - counted_at > _COUNTED_FOR_S:
        census = service.count_users()
        _counted[service] = time.monotonic(), census
    return census
