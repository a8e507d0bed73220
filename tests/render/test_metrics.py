"""Metrics as Prometheus reads them, on real calls and requests."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree

import pytest
from prometheus_client.parser import text_string_to_metric_families

from memory_core import BackendError, MemoryService
from memory_core.model.call_counts import RequestCounts
from memory_core.render.metrics import exposition
from tests.support.paths import ROOT
from tests.support.s3_bench import open_bench
from tests.support.zygote import Zygote


def samples_of(text: str) -> dict[tuple[str, ...], float]:
    """Return the samples by name and the values of their labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_is_there_and_no_user(service: MemoryService, data_dir: Path) -> None:
    service.add_text_memory("alice@example.com", "likes rye bread")
    service.query_memories("alice@example.com", "Which bread?")
    service.query_memories("bob@example.com", "Which bread?")
    service.check_proof()
    first = exposition(service).decode()
    rmtree(data_dir / "ledger")
    data_dir.joinpath("ledger").write_text("in the way")
    with pytest.raises(BackendError):
        service.search("alice@example.com", "Which bread?")
    text = exposition(service).decode()
    samples = samples_of(text)
    assert samples[("holdfast_saves_total",)] == 1
    assert samples[("holdfast_questions_total",)] == 3
    assert samples[("holdfast_found_nothing_total",)] == 1
    assert samples[("holdfast_failures_total", "search", "BackendUnavailable")] == 1
    assert samples[("holdfast_duration_seconds_count", "search")] == 3
    assert samples[("holdfast_duration_seconds_bucket", "search", "+Inf")] == 3
    assert samples[("holdfast_duration_seconds_sum", "save")] > 0
    assert (samples[("holdfast_memories",)], samples[("holdfast_users",)]) == (1, 1)
    assert samples[("holdfast_storage_persistent",)] == 0
    assert samples[("holdfast_proof_checks_total",)] == 1
    assert samples[("holdfast_proof_well",)] == 1
    assert 0 <= samples[("holdfast_proof_age_seconds",)] < 600
    assert "alice" not in first + text
    assert "bread" not in first + text
    assert all(name.startswith("holdfast_") for name, *_ in samples)

    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(r"holdfast_\w+", query)}
    known = {name for name, *_ in samples} | {"holdfast_aws_requests_total"}
    assert asked <= known
    assert {"holdfast_proof_age_seconds", "holdfast_duration_seconds_bucket"} <= asked


def test_requests_that_were_really_sent_are_counted_by_operation(zygote: Zygote) -> None:
    # In a process of its own: services of other tests may still write their activity.
    with open_bench() as bench:
        bench.standin.reset_requests()
        calls = [["save", "ann", "likes tea"], ["query", "ann", "tea?"]]
        child = zygote.start("count_requests", environ=bench.environ, calls=calls)
        assert child.wait() == 0, child.reported()
        assert child.reported() == [bench.standin.request_counts()]


def test_a_month_is_worked_out_after_some_minutes() -> None:
    counts = RequestCounts()
    assert counts.per_month(5) is None
    counts.since = datetime.now(UTC) - timedelta(days=3)
    assert counts.per_month(50) == 500
