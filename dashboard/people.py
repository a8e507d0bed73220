"""What the pages ask about one user, and what they do for one: a call each into `memory_core`."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable

from dashboard import data, texts
from dashboard.activity import noted
from dashboard.auth.roles import Role
from dashboard.auth.visitor import requires
from memory_core.explaining import Recall
from memory_core.people import Elsewhere, Found, StoreScan, TakenUp
from memory_core.records import Event, Kind, Receipt, UserId
from memory_core.reuniting import Reunion, ReunionPlan
from memory_core.traces import Traces
from memory_core.transfer import Kind as ExportKind
from memory_core.transfer import export_bytes


@requires(Role.VIEWER)
def known(user_id: UserId) -> Found:
    """Return what is known of an id, as the users were counted last."""
    return data.connection().service().find(user_id, counted=data.census())


@requires(Role.OPERATOR)
@noted("search", lambda recall: f"{len(recall.ranking)} ranked" if recall.ranking else None)
def recall(user_id: UserId, question: str, limit: int) -> Recall:
    """Return what the assistant would remember, and why not the rest."""
    service = data.connection().service()
    return service.explain(user_id, question, limit=limit, counted=data.census())


@requires(Role.VIEWER)
def events_per_day(user_id: UserId) -> dict[dt.date, Counter[Kind]]:
    """Return how many events of which kind the user had on which UTC day."""
    return data.connection().service().events_per_day(user_id)


@requires(Role.VIEWER)
@noted("history", texts.told)
def events(user_id: UserId, last: int) -> list[Event]:
    """Return the user's newest events, oldest first."""
    return texts.events_for_visitor(data.connection().service().history(user_id, last=last))


@requires(Role.OPERATOR)
def reunions(user_id: UserId) -> list[Reunion]:
    """Return what moved to the user from others and is still there, oldest first."""
    return data.connection().service().reunions(user_id)


@requires(Role.ADMIN)
def plan_reunion(former: str, user_id: str) -> ReunionPlan:
    """Return what `reunite` would do."""
    return data.connection().service().plan_reunion(former, user_id)


@requires(Role.ADMIN)
def reunite(former: UserId, user_id: UserId) -> Reunion:
    """Move all memories of a user to another."""
    return data.write(lambda service: service.reunite(former, user_id))


@requires(Role.ADMIN)
def undo_reunion(reunion: Reunion) -> Reunion:
    """Give the memories of a reunion back."""
    return data.write(lambda service: service.undo_reunion(reunion))


@requires(Role.ADMIN)
def delete_user(user_id: UserId) -> Receipt:
    """Delete all memories of a user and count them again."""
    return data.write(lambda service: service.delete_user(user_id, verify=True))


@requires(Role.ADMIN)
def forget_user(user_id: UserId) -> Receipt:
    """Remove all memories of a user and their history for good."""
    return data.write(lambda service: service.forget_user(user_id))


@requires(Role.OPERATOR)
@noted("traces", lambda traces: None if traces.clean else "something is left")
def traces(user_id: UserId) -> Traces:
    """Look everywhere for what is left of a user."""
    return data.connection().service().traces(user_id)


@requires(Role.OPERATOR)
def export(user_id: UserId, kind: ExportKind, vectors: bool) -> bytes:
    """Return a user's memories as a file."""
    return export_bytes(data.connection().service(), user_id, kind=kind, vectors=vectors)


@requires(Role.OPERATOR)
@noted("compare", of=None)
def compare(on_progress: Callable[[int, int], None]) -> tuple[StoreScan, Elsewhere]:
    """Read the whole store, and other places where memories may lie."""
    service = data.connection().service()
    return service.scan_store(on_progress), service.elsewhere(on_progress)


@requires(Role.OPERATOR)
def take_up(user_id: UserId, on_progress: Callable[[int, int], None]) -> TakenUp:
    """Record what lies in the store for a user and is not on record."""
    return data.write(lambda service: service.take_up(user_id, on_progress=on_progress))
