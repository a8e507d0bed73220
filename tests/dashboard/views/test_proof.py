"""Proof: the standing proof, its losses, the starts it went through, and earlier redeploy tests."""

from __future__ import annotations

import datetime as dt

import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.views.proof.standing import deployments_since
from memory_core import MemoryService, ServiceStart
from memory_core.redeploy_test import Verdict
from memory_core.storage.starts import keep_start
from tests.support.app_test import charts_of, run_timers, run_until, text_of, walk
from tests.support.redeploy_reports import keep_reports, make_report

PAGE = "../pages/proof.py"
NOON = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)
HOSTILE = "![x](https://evil.example/x.png) <b>b</b>"


def start(hour: int, commit: str, instance: str = "srv-1", backend: str = "chroma") -> ServiceStart:
    at = NOON + dt.timedelta(hours=hour)
    return ServiceStart(at, backend, "as chosen", commit, instance, "1-2")


def test_the_first_check_is_a_click_away_and_a_loss_stays_on_the_page(
    app: AppTest, shared: MemoryService
) -> None:
    app.switch_page(PAGE).run()
    assert "No proof yet" in text_of(app)
    assert app.code[0].value == "MEMORY_WATCH=15m"

    app.button(key="proof.check").click().run()
    words = run_until(app, "**Proven**")
    assert "Each of 12 probes is there and found by the last of 1 check." in words
    assert "1 check, 0 of them failed." in words
    assert "through 1 deployment" in words

    proof = shared.proof()
    assert proof is not None
    shared.parts.store.delete([probe.id for probe in proof.receipt[:3]])
    app.button(key="proof.check").click().run()
    words = run_until(app, "**Lost**")
    assert "3 of 12 probes were lost after " in words
    app.button(key="proof.check").click().run()
    words = run_until(app, "**Proven**")
    assert "What was lost" in words
    assert "3 of 12 probes were lost after " in words
    assert "3 checks, 1 of them failed." in words

    # Another process checks: the open page tells it by itself, once a read is no longer fresh.
    run_timers(app, lambda: (shared.check_proof(), st.cache_data.clear()))
    assert "4 checks, 1 of them failed." in text_of(app)


def test_starts_and_earlier_tests_are_drawn_as_they_are(
    app: AppTest, shared: MemoryService
) -> None:
    verdicts = list(Verdict)
    keep_reports(shared, *(make_report(verdicts[at % 4], number=at) for at in range(200)))
    for hour, commit in ((0, "a" * 40), (1, HOSTILE)):
        keep_start(shared.parts.backend.objects, start(hour, commit, HOSTILE))
    app.switch_page(PAGE).run()
    assert not app.exception
    (tests,) = app.dataframe
    assert len(tests.value) == 200
    assert "3 starts" in charts_of(app)[0].alt
    seen = {kind for kind, proto in walk(app) if "evil.example" in proto}
    assert seen <= {"dataframe", "chart"}


def test_deployments_are_counted_by_commit_instance_and_disk() -> None:
    starts = [start(0, "a"), start(1, "a"), start(2, "b"), start(3, "b", "srv-2"), start(4, "b")]
    assert deployments_since(starts, NOON.isoformat()) == 3
    since = (NOON + dt.timedelta(hours=2, minutes=30)).isoformat()
    assert deployments_since(starts, since) == 2
