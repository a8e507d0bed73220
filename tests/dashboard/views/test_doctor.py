"""Doctor: what is wrong and what to do, also where the storage is broken; and logs."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.services import diagnosis, jobs
from dashboard.views.doctor import checks
from memory_core import MemoryService, doctor, redeploy_test
from memory_core.doctor import KINDS, SUBJECTS
from tests.support.app_test import MARK, SAFE, TEXT, run_until, text_of, walk
from tests.support.forked_workers import fork_workers
from tests.support.invented_people import invite_few
from tests.support.log_texts import LOG
from tests.support.paths import ROOT
from tests.support.waiting import wait_for
from tests.support.zygote import Zygote

DOCTOR = "../pages/doctor.py"


@pytest.fixture
def page(app: AppTest) -> AppTest:
    """The page, not yet drawn."""
    return app.switch_page(DOCTOR)


def checked(page: AppTest) -> str:
    """Run the checks and return what the page says then."""
    page.run()
    page.button(key="doctor.start").click()
    return run_until(page, " · ")


def test_it_says_what_to_do_before_anything_was_looked_at(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "Not checked yet" in text_of(page)
    assert diagnosis.last() is None


def test_findings_are_cards_and_healthy_groups_are_folded(page: AppTest) -> None:
    told = checked(page)
    # A test's folder is on no disk of its own.
    assert "disk.W001" in told or "disk.E001" in told
    assert "What the customer notices" in told
    assert "AWS_S3_BUCKET" in told
    assert "just now · " in told
    settings = next(one for one in page.expander if "Settings" in one.label)
    assert "all well" in settings.label
    assert not settings.proto.expanded
    page.session_state["doctor.group.settings"] = True
    page.run()
    assert "Every variable can be read" in text_of(page)


def test_the_result_is_the_same_for_a_new_visit_and_on_the_overview(page: AppTest) -> None:
    checked(page)
    again = AppTest.from_file(str(ROOT / "dashboard" / "main.py"), default_timeout=60).run()
    assert any("The doctor found " in one.proto.label for one in again.get("page_link"))
    again.switch_page(DOCTOR).run()
    assert "disk." in text_of(again)


def test_it_opens_and_helps_where_the_storage_is_broken(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", TEXT)
    app.run()
    assert [one for one in app.get("page_link") if "Ask the doctor" in one.proto.label]
    page = app.switch_page(DOCTOR)
    told = checked(page)
    assert "settings.E001" in told
    assert "1 problem: A variable has a value that is not allowed." in told
    assert not any("Ask the doctor" in one.proto.label for one in page.get("page_link"))
    assert {kind for kind, proto in walk(page) if MARK in proto} <= SAFE


def test_the_bundle_has_personal_data_only_where_asked_for(
    page: AppTest, shared: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.add_text_memory("ann@x.com", "likes tea")
    monkeypatch.setattr(checks.st, "download_button", lambda *args, **_: made.append(args[1]))
    made: list[object] = []
    checked(page)
    page.session_state["doctor.bundle"] = True
    page.run()
    page.toggle(key="doctor.personal").set_value(True).run()
    without, with_ = (json.loads(one()) for one in (made[-2], made[-1]))
    assert (without["personal"], with_["personal"]) == (False, True)
    assert without["findings"]
    assert "likes tea" not in json.dumps(with_)


def test_a_pasted_log_is_read_and_leads_to_a_finding(page: AppTest) -> None:
    page.query_params["tab"] = "Logs"
    page.run()
    assert "What you get" in text_of(page)
    page.text_area(key="doctor.log.text").input(LOG)
    next(one for one in page.button if one.label == "Read the log").click()
    told = run_until(page, "problems in this log.")
    assert "The storage became temporary after a deployment" in told
    known, storage, ids, errors = (one.value for one in page.dataframe)
    assert known["Times"].tolist() == [0, 1, 0, 1, 1, 1, 0]
    assert storage["Starts"].tolist() == [1, 1]
    assert ids["Asked for"].tolist() == ["ann@x.com"]
    assert errors["Finding"].tolist() == ["disk.W002"]
    assert "The local disk is almost full" in told
    page.session_state["doctor.problem.0"] = True
    page.run()
    assert "Memories are on a disk that the next deployment wipes" in text_of(page)


def test_what_is_no_log_is_said_in_words_and_hostile_text_stays_text(page: AppTest) -> None:
    page.query_params["tab"] = "Logs"
    page.run()
    page.session_state["doctor.log.text"] = "   "
    next(one for one in page.button if one.label == "Read the log").click()
    assert "There is nothing in it" in run_until(page, "This cannot be read as a log")
    page.button(key="doctor.log.another").click().run()
    page.text_area(key="doctor.log.text").input(
        f"ERROR {TEXT}\n[Mem0] OK Memory added for user {TEXT}\n"
        f"[Mem0] Found 0 relevant memories for user {TEXT.upper()}\n"
    )
    next(one for one in page.button if one.label == "Read the log").click()
    run_until(page, "Errors and warnings")
    assert {kind for kind, proto in walk(page) if MARK in proto} <= SAFE


def test_every_subject_has_the_name_that_the_document_gives_it() -> None:
    document = (ROOT / "docs" / "doctor.md").read_text()
    assert {one.id.partition(".")[0] for one in KINDS} == set(SUBJECTS)
    assert {one.subject for one in doctor.CHECKS} <= set(SUBJECTS)
    for title in SUBJECTS.values():
        assert f"\n## {title}\n" in document


@pytest.mark.process
def test_a_demo_loads_people_breaks_things_and_removes_what_it_made(
    page: AppTest, zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_workers(monkeypatch, zygote, tmp_path)
    invite_few(monkeypatch, tmp_path / "people")
    monkeypatch.setattr(redeploy_test, "simulate", partial(redeploy_test.simulate, count=2))
    page.run()
    assert "**Temporary**" in page.sidebar.markdown[0].value
    page.query_params["tab"] = "Demo"
    page.run()
    page.button(key="demo.load").click().run()
    load = wait_for(
        "everybody is loaded",
        lambda: jobs.board().latest("demo/load"),
        until=lambda job: job.finished,
    )
    assert load.state == "done", load.trouble
    page.run()
    assert "3 invented people** here" in text_of(page)
    assert "Show me in two minutes" in text_of(page)
    assert "**Demo**" in page.sidebar.markdown[0].value
    label = "The same on a stand-in for Amazon S3 Vectors"
    next(button for button in page.button if button.label == label).click().run()
    page.switch_page("../pages/redeploy.py")
    page.query_params["job"] = jobs.board().latest("demo/stand-in").id
    assert "2 of 2 probes survived" in run_until(page, "Memories survive")
    assert "simulated on a stand-in for Amazon S3 Vectors" in text_of(page)
    page.switch_page(DOCTOR)
    page.query_params["tab"] = "Demo"
    page.run()
    page.button(key="demo.break.lost-vectors").click().run()
    assert "**Three vectors are lost** · broken now" in text_of(page)
    assert "The doctor finds records.E001" in text_of(page)
    page.button(key="demo.fix.lost-vectors").click().run()
    assert "broken now" not in text_of(page)
    page.button(key="demo.break.wipe").click().run()
    assert "**A deployment wipes the disk** · broken now" in text_of(page)
    page.button(key="demo.reset").click().run()
    assert "invented people** here" not in text_of(page)
    assert "**Temporary**" in page.sidebar.markdown[0].value
    assert page.button(key="demo.load")
    assert not page.exception


@pytest.mark.parametrize("name", ["overview", "users", "memories"])
def test_an_empty_place_offers_invented_people(app: AppTest, name: str) -> None:
    app.switch_page(f"../pages/{name}.py").run()
    assert app.button(key=f"{name}.load").label == "Load twelve invented people"


def test_there_is_no_demo_where_an_account_is_set_up(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_S3_BUCKET", "mine")
    page.query_params["tab"] = "Demo"
    page.run()
    assert "an AWS account is set up here" in text_of(page)
    assert not [button for button in page.button if (button.key or "").startswith("demo.")]
