"""Each role on the pages: what it sees and can do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from dashboard.auth import notes, visitor
from dashboard.auth.access import access
from dashboard.auth.gate import Gate
from dashboard.auth.notes import MOST_AN_HOUR, SAME_S, RefusalLimiter
from dashboard.auth.roles import Role
from dashboard.auth.visitor import LOCAL, NotAllowed, SignedOut, Visitor, acting_as, bound
from dashboard.connection import connection
from dashboard.services import diagnosis, memory_calls, privacy, user_actions
from memory_core.activity import Wanted
from memory_core.doctor import diagnose
from memory_core.errors import InvalidMemory
from memory_core.render import activity_log
from tests.support.app_test import text_of, walk
from tests.support.paths import ROOT
from tests.support.site import ORIGIN, Clock, Inner
from tests.support.staff import ROLES, SECRET, entries, sign_in

ALICE = "alice@example.com"
SAID = "Her sister lives in Porto."


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], AppTest]]:
    """Open the Memories page of the router as one of the staff; who has a memory."""
    monkeypatch.setenv("DASHBOARD_USERS", entries())
    monkeypatch.setenv("DASHBOARD_SECRET", SECRET)
    access.cache_clear()
    with acting_as(LOCAL):
        connection().service().add_text_memory(ALICE, SAID)

    def open_as(name: str) -> AppTest:
        cookie = access().sessions.begin(name, "password")
        session = access().sessions.read(cookie or "", "203.0.113.9")
        assert session is not None
        app = AppTest.from_file(str(ROOT / "dashboard" / "main.py"), default_timeout=60)
        app.user = {"session": session.id}
        return app

    yield open_as
    connection().close()
    st.cache_data.clear()
    st.cache_resource.clear()


def _on(app: AppTest, page: str, **parameters: str) -> AppTest:
    app.switch_page(f"../pages/{page}.py")
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def _sent(app: AppTest) -> str:
    return "\n".join(content for _, content in walk(app))


def _buttons(app: AppTest) -> set[str]:
    return {button.label for button in app.button}


def test_the_sidebar_says_who_is_here(signed_in: Callable[[str], AppTest]) -> None:
    for name, role in ROLES.items():
        app = signed_in(name).run()
        assert app.sidebar.text[0].value == name
        assert app.sidebar.caption[0].value == f"Signed in as {role}"
        menu = {link.proto.label for link in app.sidebar.get("page_link")}
        assert "Doctor" in menu
        assert ("Activity" in menu, "Migrate" in menu) == (role != "viewer", role == "admin")
        assert "Sign out" in _buttons(app)


def test_a_viewer_reads_a_memory_only_after_saying_why(
    signed_in: Callable[[str], AppTest],
) -> None:
    app = signed_in("vera")
    memory = memory_calls._memories(ALICE, connection().writes)[0]
    _on(app, "memories", user=ALICE, memory=memory.id)
    assert SAID not in _sent(app)
    assert privacy.HIDDEN in _sent(app)
    assert not _buttons(app) & {"Edit", "Delete"}
    _press(app, "Reveal")
    assert "a reason is missing" in text_of(app).lower()
    assert SAID not in _sent(app)
    app.text_input(key=f"hidden.why.{memory.id}").set_value("She asks what is stored")
    _press(app, "Reveal")
    assert SAID in text_of(app)
    log = connection().service().activity
    (noted,) = log.page(Wanted(action="reveal")).entries
    assert (noted.actor.name, noted.actor.role) == ("vera", "viewer")
    assert noted.user is not None
    assert noted.user.user_id == ALICE
    assert noted.detail == f"memory {memory.id}, reason: She asks what is stored"


def _press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception


def test_what_one_viewer_revealed_stays_hidden_from_another(
    signed_in: Callable[[str], AppTest],
) -> None:
    first = _on(signed_in("vera"), "memories", user=ALICE, tab="Browse")
    first.session_state["texts.revealed"] = {}
    assert SAID not in _sent(first)
    assert SAID in _sent(_on(signed_in("olaf"), "memories", user=ALICE, tab="Browse"))
    # The operator's read was kept in the cache that all share.
    assert SAID not in _sent(_on(signed_in("vera"), "memories", user=ALICE, tab="Browse"))


PAGES = [
    ("memories", {"tab": "Search", "q": "Where does her sister live?"}, "Ask an operator"),
    ("memories", {"tab": "Save"}, "Texts are hidden"),
    ("memories", {"view": "Timeline"}, "Event 1 of 1"),
    ("memories", {"view": "What is remembered"}, "Ask an operator"),
    ("memories", {"view": "Merge users"}, "Ask an admin"),
    ("memories", {"view": "Export"}, "Ask an operator"),
    ("memories", {"person": "Alice"}, "1 memory"),
    ("users", {"who": "Porto"}, "Nothing was ever saved under porto."),
    ("users", {}, "Ask an operator"),
    ("redeploy", {}, "Ask an operator"),
    ("proof", {}, "Ask an operator"),
]


def test_no_page_shows_a_viewer_what_memories_say(
    signed_in: Callable[[str], AppTest],
) -> None:
    for page, view, says in PAGES:
        user = {} if page in ("redeploy", "proof") else {"user": ALICE}
        app = _on(signed_in("vera"), page, **user, **view)
        assert SAID not in _sent(app), (page, view)
        assert says in text_of(app), (page, view)


def test_a_viewer_reads_what_the_doctor_found_and_starts_nothing(
    signed_in: Callable[[str], AppTest],
) -> None:
    app = _on(signed_in("vera"), "doctor")
    assert "Ask an operator: your role does not allow this." in text_of(app)
    assert "Ask an operator to run the checks" in text_of(app)
    assert "Your address as the dashboard sees it: 203.0.113.9." in text_of(app)
    assert "Run the checks" not in _buttons(app)
    app = _on(signed_in("vera"), "doctor", tab="Logs")
    assert [tab.label for tab in app.tabs] == [":blue[Checks]"]
    assert "Read the log" not in _buttons(app)
    assert "One file for a ticket" not in text_of(app)
    assert {"Run the checks"} <= _buttons(_on(signed_in("olaf"), "doctor"))
    with acting_as(Visitor("vera", Role.VIEWER)), pytest.raises(NotAllowed):
        diagnosis.bundle(diagnose(only=["environment.zone"]), (), False)


def test_an_operator_removes_nobody_and_an_admin_may(
    signed_in: Callable[[str], AppTest],
) -> None:
    for name, may in (("olaf", False), ("anna", True)):
        app = _on(signed_in(name), "memories", user=ALICE, view="Remove")
        assert ("**Delete the memories** · 1 memory" in text_of(app)) is may


def test_a_session_that_ends_while_a_page_is_open_ends_in_the_next_run(
    signed_in: Callable[[str], AppTest],
) -> None:
    app = _on(signed_in("anna"), "memories", user=ALICE, tab="Browse")
    assert SAID in _sent(app)
    for session_id in list(access().sessions._live):
        access().sessions.end(session_id)
    app.run()
    assert SAID not in _sent(app)
    assert "You are signed out" in text_of(app)


def test_callbacks_and_fragments_are_refused_when_the_session_is_over(
    signed_in: Callable[[str], AppTest],
) -> None:
    app = _on(signed_in("olaf"), "memories", user=ALICE, tab="Save")
    app.text_area(key="save.text").input("Saved by nobody.")
    for session_id in list(access().sessions._live):
        access().sessions.end(session_id)
    next(button for button in app.button if button.label == "Save").click()
    app.run()
    saved = [one.memory for one in connection().service().list_memories(ALICE)]
    assert saved == [SAID]


def test_a_download_is_made_only_while_its_visitor_may(
    signed_in: Callable[[str], AppTest],
) -> None:
    signed_in("olaf")
    session_id = next(iter(access().sessions._live))
    with acting_as(Visitor("olaf", Role.OPERATOR, "", session_id)):
        make = bound(lambda: user_actions.export(ALICE, "csv", vectors=False))
    made: list[object] = []

    def run() -> None:
        try:
            made.append(make())
        except SignedOut as error:
            made.append(error)

    for _ in range(2):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        access().sessions.end(session_id)
    assert SAID.encode() in made[0]
    assert isinstance(made[1], SignedOut)


def test_a_thread_that_nobody_stands_behind_gets_nothing(
    signed_in: Callable[[str], AppTest],
) -> None:
    with pytest.raises(SignedOut):
        visitor.current()
    with pytest.raises(SignedOut):
        memory_calls.health()


def test_what_a_role_does_not_allow_is_noted_within_limits(
    signed_in: Callable[[str], AppTest],
) -> None:
    vera = Visitor("vera", Role.VIEWER, "203.0.113.9")
    for _ in range(3):
        with acting_as(vera), pytest.raises(NotAllowed):
            user_actions.forget_user(ALICE)
    (entry,) = connection().service().activity.page(Wanted(action="overstep")).entries
    assert activity_log.entry_sentence(entry) == (
        "vera was not allowed to overstep their role: forget_user needs admin"
    )
    assert entry.actor.address == "203.0.113.9"


def test_refusals_cannot_fill_the_log() -> None:
    clock = Clock()
    limiter = RefusalLimiter(clock)
    noted = [limiter.left_out(f"name {number}") for number in range(MOST_AN_HOUR + 40)]
    assert noted == [0] * MOST_AN_HOUR + [None] * 40
    clock.now += 3600
    assert limiter.left_out("name 1") == 40
    assert limiter.left_out("name 1") is None
    clock.now += SAME_S
    assert limiter.left_out("name 1") == 1


def test_a_refused_sign_in_is_noted_without_what_was_typed(
    signed_in: Callable[[str], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "_limiters", {})
    client = TestClient(Gate(Inner(), access()), base_url=ORIGIN, follow_redirects=False)
    for name in ("anna", "my password", "another password"):
        assert sign_in(client, name, "wrong").status_code == 403
    page = connection().service().activity.page(Wanted(action="sign-in"))
    assert [activity_log.entry_sentence(entry) for entry in page.entries] == [
        "somebody was not allowed to sign in",
        "anna was not allowed to sign in",
    ]


def test_a_reason_is_a_reason() -> None:
    with acting_as(LOCAL), pytest.raises(InvalidMemory):
        memory_calls.reveal(ALICE, "some-memory", "   ok   ")
