"""Calls about users: search, merge, removal, export, and comparison with the store."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Final, Literal

import streamlit as st

from memory_core.activity import recording
from memory_core.memories.erasure_proof import Traces
from memory_core.memories.merge_users import Merge, MergePlan
from memory_core.memories.search import Recall
from memory_core.model.census import Mention, OtherPlaces, StoreScan, UserSearch
from memory_core.model.counting import Progress, counted
from memory_core.model.past import MemoryFilter
from memory_core.model.records import Kind, Receipt
from memory_core.model.user_id import UserId
from memory_core.render.memory_records import record_text
from memory_core.render.text import utc
from memory_core.transfer import export_bytes
from memory_core.transfer.format import Kind as ExportKind

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import connection
from . import jobs, memory_calls
from .activity_log import note

FileKind = ExportKind | Literal["txt"]
_COMPARISON: Final = "users/compare"


@dataclass(frozen=True)
class Compared:
    """Scan of the store beside the ledger, and memories in other places."""

    scan: StoreScan
    elsewhere: OtherPlaces


@requires(Role.VIEWER)
def find(text: str) -> UserSearch:
    """Search for a user in the latest count, and in the latest scan of the store; reads no texts.

    A user missing from the latest count may be new: then users are counted again.
    """
    service, compared = connection().service(), last_comparison()
    scan, elsewhere = (compared.scan, compared.elsewhere) if compared else (None, None)
    find = partial(service.find, text, scan=scan, elsewhere=elsewhere)
    search = find(counted=memory_calls.census())
    return search if search.answered else find()


@requires(Role.OPERATOR)
def mentions(text: str) -> tuple[Mention, ...]:
    """Search the texts of all memories for words; return whose memories contain them all."""
    return _mentions(text, connection().writes)


@requires(Role.OPERATOR)
def recall(user_id: UserId, question: str, limit: int) -> Recall:
    """Return the memories that the assistant would get, and why it would not get the others."""
    service = connection().service()
    recall = service.explain(user_id, question, limit=limit, counted=memory_calls.census())
    if recall.ranking:
        note("search", user_id=user_id, detail=f"{len(recall.ranking)} ranked")
    return recall


@requires(Role.VIEWER)
def events_per_day(user_id: UserId) -> dict[date, Counter[Kind]]:
    """Count the user's events by UTC day and kind."""
    return connection().service().events_per_day(user_id)


@requires(Role.OPERATOR)
def merges(user_id: UserId) -> list[Merge]:
    """Return the merges into this user that can be undone, oldest first."""
    return connection().service().reunions(user_id)


@requires(Role.ADMIN)
def plan_merge(former: str, user_id: str) -> MergePlan:
    """Preview the merge of one user into another."""
    return connection().service().plan_reunion(former, user_id)


@requires(Role.ADMIN)
def merge_users(former: UserId, user_id: UserId) -> Merge:
    """Merge a user into another."""
    return memory_calls.write(lambda service: service.reunite(former, user_id))


@requires(Role.ADMIN)
def undo_merge(merge: Merge) -> Merge:
    """Undo a merge."""
    return memory_calls.write(lambda service: service.undo_reunion(merge))


@requires(Role.ADMIN)
def delete_user(user_id: UserId) -> Receipt:
    """Delete all memories of a user and verify the deletion."""
    return memory_calls.write(lambda service: service.delete_user(user_id, verify=True))


@requires(Role.ADMIN)
def forget_user(user_id: UserId) -> Receipt:
    """Erase all memories of a user and their history."""
    return memory_calls.write(lambda service: service.forget_user(user_id))


@requires(Role.OPERATOR)
def traces(user_id: UserId) -> Traces:
    """Search everywhere for data left of a user."""
    traces = connection().service().traces(user_id)
    if not traces.clean:
        note("traces", user_id=user_id, detail="something is left")
    return traces


@requires(Role.OPERATOR)
def export(
    user_id: UserId, kind: FileKind, vectors: bool, where: MemoryFilter | None = None
) -> bytes:
    """Return a user's memories as a file."""
    service = connection().service()
    if kind != "txt":
        return export_bytes(service, user_id, kind=kind, vectors=vectors, where=where)
    with recording(service.activity, "export", user_id=user_id) as operation:
        records = service.list_memories(user_id, where)
        operation.detail = counted(len(records), "memory")
    about = f"{operation.detail} of {user_id}, complete, as of {utc(datetime.now(UTC))}"
    return "\n\n\n".join([about, *map(record_text, records)]).encode()


@requires(Role.OPERATOR)
def start_adoption(user_id: UserId) -> None:
    """Start to adopt a user's orphan vectors: to record them in the ledger. For callbacks."""
    jobs.board().submit(
        lambda job: memory_calls.write(lambda service: service.take_up(user_id, on_progress=job)),
        subject="Recover orphans",
        fingerprint=_adoption_of(user_id),
    )


@requires(Role.VIEWER)
def adoption(user_id: UserId) -> jobs.Job | None:
    """Return the newest job that adopted the user's orphan vectors."""
    return jobs.board().latest(_adoption_of(user_id))


@requires(Role.OPERATOR)
def start_comparison() -> None:
    """Start to compare ledger, store and other places. For callbacks."""
    jobs.board().submit(_compare, subject="Ledger and store", fingerprint=_COMPARISON)


@requires(Role.VIEWER)
def comparison() -> jobs.Job | None:
    """Return the newest comparison."""
    return jobs.board().latest(_COMPARISON)


@requires(Role.VIEWER)
def last_comparison() -> Compared | None:
    """Return the result of the newest comparison that completed."""
    job = jobs.board().latest(_COMPARISON, "done")
    return job.result if job else None


def _compare(on_progress: Progress) -> Compared:
    service = connection().service()
    with recording(service.activity, "compare"):
        return Compared(service.scan_store(on_progress), service.elsewhere(on_progress))


@st.cache_data(ttl=memory_calls.FRESH_S, max_entries=16, show_spinner=False)
def _mentions(text: str, version: int) -> tuple[Mention, ...]:
    return connection().service().find(text, texts=True).mentions or ()


def _adoption_of(user_id: UserId) -> str:
    return f"users/adopt/{user_id}"
