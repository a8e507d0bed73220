"""Redeploy test: what is run, watched, read, looked back at; on either backend."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.services import jobs, memory_calls
from memory_core import MemoryService
from memory_core.redeploy_test import StepDone, Verdict
from tests.support.app_test import charts_of, text_of, walk
from tests.support.redeploy_reports import (
    PAGE,
    TIMEOUT_S,
    finish,
    keep_reports,
    make_evidence,
    make_report,
    press,
)
from tests.support.waiting import wait_for

HOSTILE = "![x](https://evil.example/x.png) [click](https://evil.example) :red[boo] <b>b</b>"


@pytest.fixture
def page(app: AppTest) -> AppTest:
    """The page, drawn."""
    return app.switch_page(PAGE).run()


def test_with_no_data_the_page_teaches_the_next_step(page: AppTest) -> None:
    assert not page.exception
    assert "Nothing is proven about the next deployment" in text_of(page)
    assert not charts_of(page)
    assert not page.dataframe


# What a simulation says is in tests/browser/test_redeploy.py; this begins none.
def test_a_verdict_has_what_can_be_passed_on(app: AppTest, shared: MemoryService) -> None:
    report = make_report()
    keep_reports(shared, report)
    app.query_params["test"] = report.run
    page = app.switch_page(PAGE).run()
    assert not page.exception
    words = text_of(page)
    assert "PASS]" in words
    assert "All is there" in words
    assert "2 of 2 probes survived" in words
    assert "Cleaned up: a recount finds 0 of the probes." in words
    assert list(page.query_params) == ["test"]
    assert list(page.dataframe[0].value["Probe"]) == [1, 2]
    assert "backend" in list(page.dataframe[1].value["What"])
    assert not charts_of(page), "earlier runs are on the page Proof"


def test_steps_show_while_they_occur_and_the_link_shows_them_to_a_colleague(app: AppTest) -> None:
    go_on = threading.Event()

    def work(progress: jobs.Progress) -> None:
        progress.step(StepDone("Write the probes", "12 memories", 120))
        progress.step(StepDone("Deploy", "process and disk are gone"))
        go_on.wait(TIMEOUT_S)

    job_id = jobs.board().submit(work, subject="Deployment, simulated", fingerprint="a")
    wait_for("both steps", lambda: len(jobs.board().get(job_id).steps) == 2)
    app.query_params["job"] = job_id
    app.switch_page(PAGE).run()
    words = text_of(app)
    assert "Write the probes" in words
    assert "120 ms" in words
    assert "Deploy\n" in words
    assert "running" in words
    go_on.set()
    assert not finish(app).exception


@pytest.mark.process
def test_the_overview_starts_a_test_in_one_click_and_one_that_fails_itself_is_a_sentence(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.redeploy_test.simulation._SOURCES", Path("/nowhere"))
    page = press(app.run(), "overview.test")
    assert not page.exception
    assert page.title[0].value == "Redeploy test"
    assert "The test itself could not be completed" in page.error[-1].value
    assert "A process of the redeploy test failed" in text_of(page)


def test_an_unknown_run_and_an_unknown_test_say_so(app: AppTest, shared: MemoryService) -> None:
    keep_reports(shared, make_report())
    app.query_params["job"] = "guessed"
    app.switch_page(PAGE).run()
    assert "no longer known here" in text_of(app)
    assert "PASS]" in text_of(app)
    app.query_params.clear()
    app.query_params["test"] = "guessed"
    app.run()
    assert "The storage holds no record of this test" in text_of(app)


def test_what_differs_is_marked_and_texts_from_storage_are_no_markup(
    app: AppTest, shared: MemoryService
) -> None:
    keep_reports(
        shared,
        make_report(
            Verdict.FAIL,
            reason=HOSTILE,
            headlines=(HOSTILE,),
            level=HOSTILE,
            before=make_evidence("a", bucket=HOSTILE),
            after=make_evidence("b", bucket="other"),
            steps=(StepDone(HOSTILE, HOSTILE, 3),),
        ),
    )
    app.session_state["redeploy.steps"] = app.session_state["redeploy.what-to-set"] = True
    app.switch_page(PAGE).run()
    assert not app.exception
    assert app.code[-1].value.startswith("AWS_S3_BUCKET="), "what to set is the next step"
    frame = app.dataframe[1].value
    assert list(frame[frame[""] == "≠"]["What"]) == ["commit", "bucket"]
    assert "evil.example" in text_of(app)
    seen = {kind for kind, proto in walk(app) if "evil.example" in proto}
    assert seen <= {"text", "dataframe"}


def test_overview_shows_the_newest_verdict(app: AppTest, shared: MemoryService) -> None:
    keep_reports(shared, make_report(Verdict.FAIL), make_report(number=1))
    app.run()
    assert "redeploy test :green[:material/verified: **PASS**]" in text_of(app)
    assert app.button(key="overview.test").label == "Run again"


def test_without_a_storage_the_page_says_where_to_read_why(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    app.switch_page(PAGE).run()
    assert not app.exception
    assert "Nothing can be tested at the moment" in text_of(app)


def test_the_report_can_be_taken_along(page: AppTest, shared: MemoryService) -> None:
    keep_reports(shared, make_report())
    memory_calls.try_again()
    page.run()
    labels = [button.proto.label for button in page.get("download_button")]
    assert labels == ["Report as Markdown", "Report as JSON"]
