"""Every call that pages make, with every role; and what a viewer gets to see."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import activity, data, people, texts
from dashboard.auth import visitor
from dashboard.auth.access import access
from dashboard.auth.roles import Role
from dashboard.auth.visitor import LOCAL, NotAllowed, SignedOut, Visitor, acting_as, bound
from dashboard.jobs import Jobs, board
from memory_core.activity import Wanted
from memory_core.errors import InvalidMemory
from tests.dashboard.reading import text_of, walk

from .staff import ROLES, SECRET, entries

ROOT = Path(__file__).parent.parent.parent
ALICE = "alice@example.com"
SAID = "Her sister lives in Porto."

TABLE = {
    Role.VIEWER: (
        "data: health census count_again users find memories_per_day storage memories reveal "
        "test_reports waiting_tests leftover_tests history recent_lines language_model settings "
        "try_again "
        "people: events_per_day events "
        "texts: reveal "
        "jobs: board get latest"
    ),
    Role.OPERATOR: (
        "data: search save_text save_messages save_document change_memory delete_memory "
        "change_tests write "
        "people: recall reunions traces export compare take_up "
        "activity: page days check jobs: submit cancel"
    ),
    Role.ADMIN: "people: plan_reunion reunite undo_reunion delete_user forget_user "
    "activity: export",
}

# They hold the connection, or say what the visitor may; the pages call none of them for content.
NO_CALLS = {"data": {"connection", "process_wide"}, "activity": {"note", "noted", "operation"}}


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    place = module.__name__.rpartition(".")[2]
    return {
        f"{place}.{name}": found
        for name, found in vars(module).items()
        if inspect.isfunction(found) and found.__module__ == module.__name__
        if not name.startswith("_") and name not in NO_CALLS.get(place, ())
    }


CALLS: dict[str, Callable[..., Any]] = {
    **_functions(data),
    **_functions(people),
    **_functions(activity),
    "texts.reveal": texts.reveal,
    "jobs.board": board,
    **{f"jobs.{name}": getattr(Jobs, name) for name in ("submit", "get", "cancel", "latest")},
}


def _expected() -> dict[str, Role]:
    expected, module = {}, ""
    for role, line in TABLE.items():
        for word in line.split():
            if word.endswith(":"):
                module = word[:-1]
            else:
                expected[f"{module}.{word}"] = role
    return expected


def test_every_call_has_the_role_of_the_table_and_a_new_one_needs_a_row() -> None:
    assert {name: getattr(call, "required_role", None) for name, call in CALLS.items()} == (
        _expected()
    )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_call_lets_through_the_roles_from_its_own_upwards(name: str, role: Role) -> None:
    # Past the guard the call itself refuses an argument that it does not have.
    passes = role >= _expected()[name]
    with (
        acting_as(Visitor("somebody", role)),
        pytest.raises(TypeError if passes else NotAllowed),
    ):
        CALLS[name](no_such_argument=1)


def test_only_the_calls_of_the_table_reach_the_service() -> None:
    allowed = {"activity.py", "connection.py", "data.py", "health.py", "people.py"}
    allowed |= {"signouts.py", "startup.py"}
    reaching = {
        path.name
        for folder in ("dashboard", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if "connection()" in path.read_text()
    }
    assert reaching <= allowed


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], AppTest]]:
    """Open the Memories page of the router as one of the staff; who has a memory."""
    monkeypatch.setenv("DASHBOARD_USERS", entries())
    monkeypatch.setenv("DASHBOARD_SECRET", SECRET)
    access.cache_clear()
    with acting_as(LOCAL):
        data.connection().service().add_text_memory(ALICE, SAID)

    def open_as(name: str) -> AppTest:
        cookie = access().sessions.begin(name, "password", "203.0.113.9")
        session = access().sessions.read(cookie or "")
        assert session is not None
        app = AppTest.from_file(str(ROOT / "dashboard" / "main.py"), default_timeout=60)
        app.user = {"session": session.id}
        return app

    yield open_as
    data.connection().close()
    st.cache_data.clear()
    st.cache_resource.clear()


def _on(app: AppTest, page: str, **parameters: str) -> AppTest:
    app.run()
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


@pytest.mark.parametrize(("name", "role"), ROLES.items())
def test_the_sidebar_says_who_is_here(
    signed_in: Callable[[str], AppTest], name: str, role: str
) -> None:
    app = signed_in(name).run()
    assert app.sidebar.text[0].value == name
    assert app.sidebar.caption[0].value == f"Signed in as {role}"
    assert "Sign out" in _buttons(app)


def test_a_viewer_reads_a_memory_only_after_saying_why(
    signed_in: Callable[[str], AppTest],
) -> None:
    app = signed_in("vera")
    # A row that was selected; the test cannot click a canvas.
    memory = data._memories(ALICE, data.connection().writes)[0]
    app.session_state["browse.selected"] = memory.id
    _on(app, "memories", user=ALICE, tab="Browse")
    assert SAID not in _sent(app)
    assert texts.HIDDEN in _sent(app)
    assert not _buttons(app) & {"Edit", "Delete"}
    _press(app, "Reveal")
    assert "a reason is missing" in text_of(app).lower()
    assert SAID not in _sent(app)
    app.text_input(key=f"hidden.why.{memory.id}").set_value("She asks what is stored")
    _press(app, "Reveal")
    assert SAID in text_of(app)
    log = data.connection().service().activity
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


@pytest.mark.parametrize(
    ("page", "view", "says"),
    [
        ("memories", {"tab": "Search", "q": "Where does her sister live?"}, "role operator"),
        ("memories", {"tab": "Save"}, "role operator"),
        ("user", {"view": "Memories"}, "memory"),
        ("user", {"view": "Timeline"}, "event"),
        ("user", {"view": "What is remembered"}, "role operator"),
        ("user", {"view": "Reunite"}, "role admin"),
        ("user", {"view": "Export"}, "role operator"),
        ("user", {"view": "Remove"}, "role admin"),
        ("users", {}, "role operator"),
        ("redeploy", {}, "role operator"),
    ],
)
def test_no_page_shows_a_viewer_what_memories_say(
    signed_in: Callable[[str], AppTest], page: str, view: dict[str, str], says: str
) -> None:
    app = _on(signed_in("vera"), page, **({} if page == "redeploy" else {"user": ALICE}), **view)
    assert SAID not in _sent(app)
    assert says in text_of(app)


def test_an_operator_removes_nobody_and_an_admin_may(
    signed_in: Callable[[str], AppTest],
) -> None:
    for name, may in (("olaf", False), ("anna", True)):
        app = _on(signed_in(name), "user", user=ALICE, view="Remove")
        assert ("Delete the memories" in {radio.value for radio in app.radio}) is may


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
    saved = [one.memory for one in data.connection().service().list_memories(ALICE)]
    assert saved == [SAID]


def test_a_download_is_made_only_while_its_visitor_may(
    signed_in: Callable[[str], AppTest],
) -> None:
    signed_in("olaf")
    session_id = next(iter(access().sessions._live))
    with acting_as(Visitor("olaf", Role.OPERATOR, "", session_id)):
        make = bound(lambda: people.export(ALICE, "csv", vectors=False))
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
        data.health()


def test_a_reason_is_a_reason() -> None:
    with acting_as(LOCAL), pytest.raises(InvalidMemory):
        data.reveal(ALICE, "some-memory", "   ok   ")
