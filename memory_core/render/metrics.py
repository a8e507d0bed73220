"""Metrics of a process in Prometheus' text format; no label has a user, a memory or a text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
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
from ..model.call_counts import BOUNDS_S, CallCount
from ..model.census import Census
from ..service import MemoryService
from ..storage.aws.client import REQUESTS

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_COUNTED_FOR_S: Final = 300.0

_counted: WeakKeyDictionary[MemoryService, tuple[float, Census]] = WeakKeyDictionary()


def exposition(service: MemoryService) -> bytes:
    """Return the metrics of this process; names begin with `holdfast_`, times are in seconds.

    Users are counted at most every five minutes, since that lists the ledger. The standing proof
    is as this process knows it.
    """
    registry = CollectorRegistry()
    registry.register(_Metrics(service))
    return generate_latest(registry)


class _Metrics(Collector):
    def __init__(self, service: MemoryService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        totals = self._service.counts.totals()
        yield _counter("saves", "Calls that save, refused ones left out.", totals["save"].calls)
        yield _counter("questions", "Questions asked.", totals["search"].calls)
        yield _counter("found_nothing", "Questions without an answer.", totals["search"].empty)
        failures = CounterMetricFamily(
            "holdfast_failures", "Calls that failed, by error.", labels=["call", "error"]
        )
        durations = HistogramMetricFamily(
            "holdfast_duration_seconds", "Durations of calls.", labels=["call"]
        )
        for kind, count in totals.items():
            for error, number in count.errors.items():
                failures.add_metric([kind, error], number)
            durations.add_metric([kind], list(_buckets(count)), count.seconds)
        yield from (failures, durations)
        requests = CounterMetricFamily(
            "holdfast_aws_requests", "Requests sent, by operation.", labels=["service", "operation"]
        )
        for names, number in REQUESTS.sent().items():
            requests.add_metric(names, number)
        yield requests
        yield from self._of_storage()
        yield from self._of_proof()

    def _of_storage(self) -> Iterator[Metric]:
        persistent = self._service.parts.backend.persistent
        yield _gauge("storage_persistent", "1 if deployments keep the storage.", persistent)
        try:
            counted_at, census = _counted.get(self._service, (float("-inf"), None))
            if census is None or time.monotonic() - counted_at > _COUNTED_FOR_S:
                census = self._service.count_users()
                _counted[self._service] = time.monotonic(), census
        except MemoryCoreError:
            # Unknown now: the gauges are missing, and the other metrics say why.
            return
        yield _gauge("memories", "Memories of all users.", census.memories)
        yield _gauge("users", "Users with memories.", len(census.users))

    def _of_proof(self) -> Iterator[Metric]:
        proof, trouble = self._service.last_proof
        if proof is None:
            return
        yield _counter("proof_checks", "Checks of the standing proof on record.", proof.checks)
        yield _counter("proof_failed_checks", "Those that found a loss.", proof.failed)
        yield _gauge("proof_well", "1 if the last check found all.", proof.well and not trouble)
        if proof.passed_at:
            age = datetime.now(UTC) - datetime.fromisoformat(proof.passed_at)
            yield _gauge("proof_age_seconds", "Time since the last proof.", age.total_seconds())


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(f"holdfast_{name}", help_text, value=value)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"holdfast_{name}", help_text, value=value)


def _buckets(count: CallCount) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, number in zip(
        [*map("{:.6g}".format, BOUNDS_S), "+Inf"], count.durations, strict=True
    ):
        total += number
        yield bound, total
