"""Activity: what was done on the pages is listed as sentences, filtered, exported and checked."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.auth.roles import Role
from dashboard.auth.visitor import NotAllowed, Visitor, acting_as
from dashboard.services import activity_log, jobs, memory_calls, time_machine, user_actions
from memory_core import MemoryService
from memory_core.activity import Actor, ChainReport, Page, Wanted
from memory_core.errors import BackendUnavailable, MemoryNotFound
from memory_core.model.counting import Progress
from memory_core.model.records import UserId
from tests.support.app_test import run_until, text_of
from tests.support.waiting import wait_for

BOB = UserId("bob@x.com")
ANNA = Visitor("anna", Role.ADMIN, "198.51.100.7", "s1")


@pytest.fixture
def page(app: AppTest) -> AppTest:
    """The page, not yet drawn."""
    app.run()
    return app.switch_page("../pages/activity.py")


def sentences(page: AppTest) -> list[str]:
    page.run()
    assert not page.exception
    return page.dataframe[0].value["What"].tolist() if page.dataframe else []


def test_an_empty_log_says_what_will_be_there(page: AppTest) -> None:
    page.run()
    # That somebody reads it is noted first, so it is empty with a filter only.
    assert page.dataframe[0].value["What"].tolist() == ["local read the activity log"]
    page.text_input(key="activity.who").set_value("nobody").run()
    assert "No matching entries" in text_of(page)
    assert "removed after 365 days" in text_of(page)


def test_what_is_done_is_listed_with_who_from_where_and_never_what_was_said(
    page: AppTest, shared: MemoryService, data_dir: Path
) -> None:
    with acting_as(ANNA):
        saved = memory_calls.save_text("Bob@X.com ", "likes zebrafish", infer=False).result[0]
        memory_calls.memories(BOB)
        memory_calls.memories(BOB)
        memory_calls.search(BOB, "Which zebrafish?", 5)
        user_actions.recall(BOB, "Which zebrafish?", 5)
        memory_calls.history(BOB, saved.id)
        memory_calls.change_memory(BOB, saved.id, "likes zebrafish a lot")
        user_actions.export(BOB, "csv", False)
        with pytest.raises(MemoryNotFound):
            memory_calls.write(lambda service: service.delete_memory(BOB, "not there"))
        memory_calls.write(lambda service: service.delete_memory(BOB, saved.id))
        memory_calls.memories(BOB)
        user_actions.traces(BOB)
    told = [one.partition(": ") for one in sentences(page)]
    assert [one[0] for one in told] == [
        "local read the activity log",
        "anna looked for traces of bob@x.com",
        "anna deleted a memory of bob@x.com",
        "anna tried to delete a memory of bob@x.com and it failed",
        "anna exported the memories of bob@x.com",
        "anna changed a memory of bob@x.com",
        "anna read the history of bob@x.com",
        "anna searched the memories of bob@x.com",
        "anna looked at the memories of bob@x.com",
        "anna saved for bob@x.com",
    ]
    assert [one[2] for one in told[2:4]] == ["1 removed", "MemoryNotFound"]
    table = page.dataframe[0].value
    assert set(table["From"][1:]) == {"198.51.100.7"}
    assert set(table["As"]) == {"admin"}
    written = b"".join(p.read_bytes() for p in data_dir.glob("activity/**/*") if p.is_file())
    assert b"zebrafish" not in written
    page.selectbox(key="activity.what").set_value("Export the memories of a user")
    assert len(sentences(page)) == 1
    page.text_input(key="activity.user").set_value("someone@else.com")
    assert sentences(page) == []


def test_after_forgetting_neither_the_log_nor_the_page_names_the_user(
    page: AppTest, shared: MemoryService, data_dir: Path
) -> None:
    with acting_as(ANNA):
        memory_calls.save_text(BOB, "likes rye", infer=False)
        user_actions.forget_user(BOB)
        # As the page of the user does right afterwards.
        assert memory_calls.memories(BOB) == []
        time_machine.difference(BOB, "now")
        user_actions.traces(BOB)
    assert not any("bob" in one for one in sentences(page))
    assert "anna forgot a forgotten user" in page.dataframe[0].value["What"][1]
    assert not [path for path in data_dir.glob("activity/**/*") if "bob" in path.name]


def test_what_cannot_be_put_on_record_is_not_removed(
    shared: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_calls.save_text(BOB, "likes rye", infer=False)

    def refuse(*_: object) -> None:
        raise BackendUnavailable("the disk is full", backend="local", operation="put")

    monkeypatch.setattr(shared.activity._chain, "append", refuse)
    for call in (
        lambda: user_actions.forget_user(BOB),
        lambda: user_actions.delete_user(BOB),
        lambda: user_actions.export(BOB, "csv", False),
        lambda: activity_log.note("reveal", user_id=BOB),
    ):
        with pytest.raises(BackendUnavailable):
            call()
    assert len(memory_calls.memories(BOB)) == 1
    # What does no harm is done all the same.
    assert memory_calls.save_text(BOB, "likes oats", infer=False).result


def test_an_entry_says_who_pressed_and_not_who_is_at_the_page_when_a_job_does_it(
    shared: MemoryService,
) -> None:
    with acting_as(ANNA):
        user_actions.start_adoption(BOB)
        wait_for("the job to end", lambda: user_actions.adoption(BOB).finished)
    (entry,) = shared.activity.page().entries
    assert (entry.action, entry.actor) == ("take-up", Actor("anna", "admin", "198.51.100.7"))


def test_the_chain_is_checked_from_the_page(
    page: AppTest, shared: MemoryService, data_dir: Path
) -> None:
    def checked(words: str) -> str:
        page.button(key="activity.check").click()
        return run_until(page, words)

    for number in range(3):
        shared.activity.note(Actor("ann"), "save", detail=str(number))
    page.run()
    assert "in 4 segments" in checked("The chain is whole.")
    (data_dir / "activity/v1/log/000000000002.jsonl").unlink()
    assert "Segment 2 is missing, between 20" in checked("The chain is not whole:")


def test_a_page_is_drawn_again_where_a_job_ended_while_it_was_drawn(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, check, entries_read = activity_log.page, activity_log.check, threading.Event()

    def read_while_the_check_ends(wanted: Wanted, limit: int) -> Page:
        entries = read(wanted, limit)
        entries_read.set()
        job = jobs.board().latest("activity/check")
        wait_for("the check to end", lambda: jobs.board().get(job.id).finished)
        return entries

    def check_once_entries_are_read(on_progress: Progress) -> ChainReport:
        assert entries_read.wait(60)
        return check(on_progress)

    page.run()
    monkeypatch.setattr(activity_log, "page", read_while_the_check_ends)
    monkeypatch.setattr(activity_log, "check", check_once_entries_are_read)
    page.button(key="activity.check").click().run()
    assert "The chain is whole." in text_of(page)
    done = page.dataframe[0].value["What"].tolist()
    assert any("checked the chain of the activity log" in sentence for sentence in done)


def test_more_is_shown_on_demand_and_an_admin_exports_all(
    page: AppTest, shared: MemoryService
) -> None:
    for number in range(120):
        shared.activity.note(Actor(f"person {number}"), "view", user_id="=1+1")
    assert len(sentences(page)) == 100
    assert "there are older entries" in text_of(page)
    page.selectbox(key="activity.limit").select(500)
    assert len(sentences(page)) == 121
    assert len(activity_log.export(Wanted(action="view"), "jsonl").splitlines()) == 120
    assert b",'=1+1," in activity_log.export(Wanted(who="person 7"), "csv")
    with acting_as(Visitor("olaf", Role.OPERATOR)), pytest.raises(NotAllowed):
        activity_log.export(Wanted(), "csv")


def test_a_broken_storage_is_said_instead(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", "s3_vectors")
    app.run()
    page = app.switch_page("../pages/activity.py").run()
    assert not page.exception
    assert "A setting is missing or wrong" in text_of(page)
    # What else people do goes on: that it could not be noted is logged.
    activity_log.note("sign in")
