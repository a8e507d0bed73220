"""Every call that pages make, with every role."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dashboard.auth.roles import Role
from dashboard.auth.visitor import NotAllowed, Visitor, acting_as
from dashboard.services import (
    activity_log,
    diagnosis,
    memory_reads,
    migration,
    privacy,
    user_actions,
)
from dashboard.services.jobs import Jobs, board
from tests.support.paths import ROOT

ALICE = "alice@example.com"
SAID = "Her sister lives in Porto."

TABLE = {
    Role.VIEWER: (
        "data: health census count_again users find storage memories reveal "
        "test_reports waiting_tests leftover_tests history recent_lines language_model settings "
        "try_again "
        "people: known events_per_day events "
        "moving: migration_status "
        "texts: reveal "
        "jobs: board get latest"
    ),
    Role.OPERATOR: (
        "data: search save_text save_messages save_document change_memory delete_memory "
        "change_tests write "
        "people: recall reunions traces export compare take_up "
        "activity: page days check "
        "moving: check_source plan_migration migrate "
        "doctor: bundle "
        "jobs: submit cancel"
    ),
    Role.ADMIN: (
        "people: plan_reunion reunite undo_reunion delete_user forget_user activity: export"
    ),
}

# They hold the connection, or say what the visitor may; the pages call none of them for content.
NO_CALLS = {"connection", "process_wide"}
# They write what others do.
NOTING = {"note", "noted", "operation"}


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {
        name: found
        for name, found in vars(module).items()
        if inspect.isfunction(found)
        and found.__module__ == module.__name__
        and not name.startswith("_")
    }


CALLS: dict[str, Callable[..., Any]] = {
    **{
        f"data.{name}": call
        for name, call in _functions(memory_reads).items()
        if name not in NO_CALLS
    },
    **{f"people.{name}": call for name, call in _functions(user_actions).items()},
    **{f"activity.{n}": call for n, call in _functions(activity_log).items() if n not in NOTING},
    **{f"moving.{name}": call for name, call in _functions(migration).items()},
    "texts.reveal": privacy.reveal,
    "doctor.bundle": diagnosis.bundle,
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
    allowed = {
        "activity.py", "connection.py", "data.py", "health.py", "moving.py", "people.py",
        "signouts.py", "startup.py",
    }  # fmt: skip
    reaching = {
        path.name
        for folder in ("dashboard", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if "connection()" in path.read_text()
    }
    assert reaching <= allowed
