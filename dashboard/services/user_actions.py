"""Long work about users as jobs, which all visitors share."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from memory_core.memories.erasure_proof import Traces
from memory_core.memories.merge_users import Reunion, ReunionPlan
from memory_core.memories.search import Recall
from memory_core.model.census import OtherPlaces, StoreScan, TakenUp, UserSearch
from memory_core.model.records import Event, Kind, Receipt, UserId
from memory_core.transfer import Kind as ExportKind
from memory_core.transfer import export_bytes

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import connection
from . import jobs, memory_reads, privacy
from .activity_log import noted


@requires(Role.VIEWER)
def known(user_id: UserId) -> UserSearch:
    """Return what is known of an id, as the users were counted last."""
    return connection().service().find(user_id, counted=memory_reads.census())


@requires(Role.OPERATOR)
@noted("search", lambda recall: f"{len(recall.ranking)} ranked" if recall.ranking else None)
def recall(user_id: UserId, question: str, limit: int) -> Recall:
    """Return what the assistant would remember, and why not the rest."""
    service = connection().service()
    return service.explain(user_id, question, limit=limit, counted=memory_reads.census())


@requires(Role.VIEWER)
def events_per_day(user_id: UserId) -> dict[dt.date, Counter[Kind]]:
    """Return how many events of which kind the user had on which UTC day."""
    return connection().service().events_per_day(user_id)


@requires(Role.VIEWER)
@noted("history", privacy.told)
def events(user_id: UserId, last: int) -> list[Event]:
    """Return the user's newest events, oldest first."""
    return privacy.events_for_visitor(connection().service().history(user_id, last=last))


@requires(Role.OPERATOR)
def reunions(user_id: UserId) -> list[Reunion]:
    """Return what moved to the user from others and is still there, oldest first."""
    return connection().service().reunions(user_id)


@requires(Role.ADMIN)
def plan_reunion(former: str, user_id: str) -> ReunionPlan:
    """Return what `reunite` would do."""
    return connection().service().plan_reunion(former, user_id)


@requires(Role.ADMIN)
def reunite(former: UserId, user_id: UserId) -> Reunion:
    """Move all memories of a user to another."""
    return memory_reads.write(lambda service: service.reunite(former, user_id))


@requires(Role.ADMIN)
def undo_reunion(reunion: Reunion) -> Reunion:
    """Give the memories of a reunion back."""
    return memory_reads.write(lambda service: service.undo_reunion(reunion))


@requires(Role.ADMIN)
def delete_user(user_id: UserId) -> Receipt:
    """Delete all memories of a user and count them again."""
    return memory_reads.write(lambda service: service.delete_user(user_id, verify=True))


@requires(Role.ADMIN)
def forget_user(user_id: UserId) -> Receipt:
    """Remove all memories of a user and their history for good."""
    return memory_reads.write(lambda service: service.forget_user(user_id))


@requires(Role.OPERATOR)
@noted("traces", lambda traces: None if traces.clean else "something is left")
def traces(user_id: UserId) -> Traces:
    """Look everywhere for what is left of a user."""
    return connection().service().traces(user_id)


@requires(Role.OPERATOR)
def export(user_id: UserId, kind: ExportKind, vectors: bool) -> bytes:
    """Return a user's memories as a file."""
    return export_bytes(connection().service(), user_id, kind=kind, vectors=vectors)


@requires(Role.OPERATOR)
@noted("compare", of=None)
def compare(on_progress: Callable[[int, int], None]) -> tuple[StoreScan, OtherPlaces]:
    """Read the whole store, and other places where memories may lie."""
    service = connection().service()
    return service.scan_store(on_progress), service.elsewhere(on_progress)


@requires(Role.OPERATOR)
def take_up(user_id: UserId, on_progress: Callable[[int, int], None]) -> TakenUp:
    """Record what lies in the store for a user and is not on record."""
    return memory_reads.write(lambda service: service.take_up(user_id, on_progress=on_progress))


_COMPARISON: Final = "users/compare"


@dataclass(frozen=True)
class Compared:
    """What the store holds beside the ledger, and what lies in other places."""

    scan: StoreScan
    elsewhere: OtherPlaces


def start_comparison() -> None:
    """Start to compare ledger and store, unless somebody does it now. For callbacks."""
    jobs.board().submit(_compare, subject="Ledger and store", fingerprint=_COMPARISON)


def comparison() -> jobs.Job | None:
    """Return the newest comparison as it stands."""
    return jobs.board().latest(_COMPARISON)


def last_comparison() -> Compared | None:
    """Return what the last comparison that came to its end found."""
    job = jobs.board().latest(_COMPARISON, "done")
    return job.result if job else None


def start_take_up(user_id: UserId) -> None:
    """Start to record what lies in the store for a user and is not on record. For callbacks."""

    def work(progress: jobs.Progress) -> TakenUp:
        return take_up(user_id, progress)

    jobs.board().submit(work, subject="Take up", fingerprint=_take_up(user_id))


def taking_up(user_id: UserId) -> jobs.Job | None:
    """Return the newest job that took up what was a user's, as it stands."""
    return jobs.board().latest(_take_up(user_id))


def _compare(progress: jobs.Progress) -> Compared:
    return Compared(*compare(progress))


def _take_up(user_id: UserId) -> str:
    return f"users/take-up/{user_id}"
