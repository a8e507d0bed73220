"""Redeploy tests for the pages: made reports, another deployment, and a wait for jobs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from ulid import ULID

from dashboard.connection import connection
from memory_core import MemoryService
from memory_core.redeploy_test import ProbeResult, ProbeState, Report, StepDone, Verdict
from memory_core.redeploy_test.records import keep
from memory_core.redeploy_test.report import Installation
from tests.support.app_test import wait_for_jobs

PAGE = "../pages/redeploy.py"
TIMEOUT_S = 90


def finish(app: AppTest) -> AppTest:
    """Draw the page once no job is under way any more."""
    wait_for_jobs()
    return app.run()


def press(app: AppTest, key: str) -> AppTest:
    """Press a button and wait for what it starts."""
    app.button(key=key).click().run()
    assert not app.exception
    return finish(app)


def deploy(patch: pytest.MonkeyPatch, commit: str, wiped: Path | None = None) -> None:
    """Let the next run be one of another deployment, on a new disk if one is wiped."""
    connection().close()
    st.cache_data.clear()
    st.cache_resource.clear()
    if wiped:
        shutil.rmtree(wiped)
    patch.setenv("RENDER_GIT_COMMIT", commit)


def make_report(
    verdict: Verdict = Verdict.PASS,
    *,
    reason: str = "all is there",
    number: int = 0,
    **more: object,
) -> Report:
    """Return a report as a test of two probes leaves it."""
    run = str(ULID.from_timestamp(1_750_000_000.0 + number * 3600))
    at = ULID.from_str(run).datetime.isoformat(timespec="seconds")
    survived = 2 if verdict is Verdict.PASS else 0
    state = ProbeState.OK if survived else ProbeState.LOST
    made = {
        "run": run,
        "level": "redeploy",
        "verdict": verdict,
        "reason": reason,
        "headlines": (),
        "written": 2,
        "survived": survived,
        "probes": tuple(ProbeResult(one, "short", f"id-{one}", "u", state) for one in (1, 2)),
        "begun_at": at,
        "ended_at": at,
        "before": make_evidence("a" * 40),
        "after": make_evidence("b" * 40),
        "census_before": None,
        "census_after": None,
        "left_behind": 0,
        "steps": (StepDone("Write the probes", "2 memories", 120),),
    }
    return Report(**{**made, **more})


def make_evidence(commit: str, **location: str) -> Installation:
    return Installation(
        "chroma", False, "", location, "", "WordLlama", 256, commit, "", "", "host", "boot", "1"
    )  # fmt: skip


def keep_reports(shared: MemoryService, *reports: Report) -> None:
    """Put reports where the pages read them."""
    for report in reports:
        keep(shared.parts.backend.objects, report)
