"""Every call that pages make, with every role."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from dashboard import services
from dashboard.auth.roles import Role
from dashboard.auth.visitor import NotAllowed, Visitor, acting_as
from dashboard.services import (
    activity_log,
    demonstration,
    diagnosis,
    memory_calls,
    migration,
    privacy,
    redeploy,
    time_machine,
    user_actions,
)
from dashboard.services.jobs import Jobs, board
from tests.support.paths import ROOT

VIEWER = {
    board, Jobs.get, Jobs.latest, Jobs.any_ended, migration.migration_status,
    demonstration.director, demonstration.is_all, demonstration.load_job,
    demonstration.is_loading,
    diagnosis.last, diagnosis.latest_run, diagnosis.log,
    memory_calls.health, memory_calls.census, memory_calls.count_again,
    memory_calls.placement, memory_calls.check_again, memory_calls.starts,
    memory_calls.call_counts, memory_calls.known_values, memory_calls.memories, memory_calls.reveal,
    memory_calls.history, memory_calls.recent_lines,
    memory_calls.settings, memory_calls.try_again,
    redeploy.past_reports, redeploy.waiting_tests, redeploy.leftover_tests, redeploy.check_of,
    redeploy.checked_here, redeploy.standing_proof, redeploy.proof_check,
    user_actions.find, user_actions.events_per_day, user_actions.adoption,
    time_machine.past, time_machine.records, time_machine.step, time_machine.difference,
    time_machine.resolve, time_machine.latest,
    user_actions.comparison, user_actions.last_comparison,
}  # fmt: skip
OPERATOR = {
    Jobs.submit, Jobs.cancel, activity_log.page, activity_log.days, activity_log.check,
    demonstration.start_load, demonstration.simulate_on_stand_in, demonstration.begin,
    demonstration.put_right, demonstration.reset,
    diagnosis.start, diagnosis.start_log, diagnosis.bundle,
    memory_calls.search, memory_calls.save_text, memory_calls.save_messages,
    memory_calls.save_document, memory_calls.change_memory,
    memory_calls.write, memory_calls.forget_reads,
    time_machine.recalls, time_machine.preview, time_machine.start,
    redeploy.run_simulation, redeploy.run_begin, redeploy.run_check, redeploy.run_end,
    redeploy.run_proof_check,
    redeploy.run_clean_up, redeploy.run_deployment, redeploy.check_waiting,
    user_actions.mentions,
    user_actions.recall, user_actions.merges, user_actions.traces, user_actions.export,
    user_actions.start_adoption, user_actions.start_comparison,
}  # fmt: skip
ADMIN = {
    activity_log.export, user_actions.plan_merge, user_actions.merge_users,
    user_actions.undo_merge, user_actions.delete_user, user_actions.forget_user,
    migration.check_source, migration.start_plan, migration.start_run, migration.planned,
    migration.run,
}  # fmt: skip

NEEDED: dict[Callable[..., Any], Role] = {
    **dict.fromkeys(VIEWER, Role.VIEWER),
    **dict.fromkeys(OPERATOR, Role.OPERATOR),
    **dict.fromkeys(ADMIN, Role.ADMIN),
}

# They write entries for the calls above, say what the visitor may see, or only put words together.
NO_CALLS: set[Callable[..., Any]] = {
    activity_log.note, privacy.reads_all, privacy.records_for_visitor,
    privacy.events_for_visitor, privacy.shown_detail, privacy.is_hidden,
    privacy.remember_revealed, redeploy.level_name,
}  # fmt: skip


def _name(call: Callable[..., Any]) -> str:
    return f"{call.__module__.rpartition('.')[2]}.{call.__qualname__}"


def test_every_call_of_every_service_has_a_row_and_its_role() -> None:
    modules = [
        import_module(f"{services.__name__}.{module.name}")
        for module in pkgutil.iter_modules(services.__path__)
    ]
    calls = {
        call
        for module in modules
        for name, call in vars(module).items()
        if inspect.isfunction(call)
        and call.__module__ == module.__name__
        and not name.startswith("_")
    }
    of_jobs = {Jobs.get, Jobs.latest, Jobs.any_ended, Jobs.submit, Jobs.cancel}
    assert calls | of_jobs == NEEDED.keys() | NO_CALLS
    assert {_name(call): getattr(call, "required_role", None) for call in NEEDED} == {
        _name(call): role for call, role in NEEDED.items()
    }


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("call", sorted(NEEDED, key=_name), ids=_name)
def test_a_call_lets_through_the_roles_from_its_own_upwards(
    call: Callable[..., Any], role: Role
) -> None:
    # Past the guard the call itself refuses an argument that it does not have.
    passes = role >= NEEDED[call]
    with (
        acting_as(Visitor("somebody", role)),
        pytest.raises(TypeError if passes else NotAllowed),
    ):
        call(no_such_argument=1)


def test_only_the_calls_of_the_table_reach_the_service() -> None:
    reaching = {
        str(path.relative_to(ROOT))
        for folder in ("dashboard", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if "connection()" in path.read_text() and path.parent != ROOT / "dashboard" / "services"
    }
    assert reaching == {
        "dashboard/auth/notes.py",
        "dashboard/auth/sessions.py",
        "dashboard/connection.py",
        "dashboard/health.py",
        "dashboard/startup.py",
    }
