"""The past of a user, and bulk changes of their memories: preview, job, receipt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import streamlit as st

from memory_core import MemoryService
from memory_core.activity import RecallReceipt
from memory_core.model.past import Change, ChangeReceipt, MemoryFilter
from memory_core.model.records import MemoryRecord
from memory_core.model.user_id import UserId

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import connection
from . import jobs, memory_calls, privacy
from .activity_log import note

if TYPE_CHECKING:
    from memory_core.memories.time_machine import PastMemories

LATEST: Final = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class BulkChange:
    """A call of the service that changes memories of a user, and its options except `preview`."""

    user_id: UserId
    call: Literal["restore_user", "change_memories"]
    options: Mapping[str, Any]

    def do(self, service: MemoryService, **how: Any) -> ChangeReceipt:
        """Make the call."""
        receipt: ChangeReceipt = getattr(service, self.call)(self.user_id, **self.options, **how)
        return receipt


@requires(Role.VIEWER)
def past(user_id: UserId, moment: dt.datetime | str) -> PastMemories:
    """Return the user's memories at a moment; `records` returns their texts."""
    return connection().service().memories_at(user_id, moment)


@requires(Role.VIEWER)
def records(state: PastMemories, ids: Iterable[str]) -> dict[str, MemoryRecord]:
    """Return memories of a state by their ids, as the visitor sees them."""
    known = state.read([*filter(set(state.ids).__contains__, ids)])
    return {record.id: record for record in privacy.records_for_visitor(known)}


@requires(Role.VIEWER)
def step(user_id: UserId, before: str | None, event_id: str) -> list[Change]:
    """Return what one event changed."""
    return _for_visitor(connection().service().changes(user_id, before, event_id))


@requires(Role.VIEWER)
def difference(
    user_id: UserId, at: dt.datetime | str, ids: frozenset[str] | None = None
) -> ChangeReceipt:
    """Preview the restoration of all memories, or of some `ids`, as the visitor may see it."""
    receipt = _difference(user_id, at, ids, connection().writes)
    changes = tuple(_for_visitor(receipt.changes))
    records = [change.before or change.after for change in changes]
    note("history", user_id=user_id, detail=privacy.shown_detail([*filter(None, records)]))
    return replace(receipt, changes=changes)


@requires(Role.OPERATOR)
def recalls(user_id: UserId) -> list[RecallReceipt] | None:
    """Return which memories questions of programs got, newest first; None if none are kept."""
    service = connection().service()
    return service.recalls(user_id) if service.settings.recall_days else None


@requires(Role.VIEWER)
def resolve(user_id: UserId, where: MemoryFilter) -> MemoryFilter:
    """Return the filter with its condition `asked`, if any, replaced by the ids of memories."""
    return connection().service().recall_log.resolve(user_id, where) or where


@requires(Role.OPERATOR)
def preview(change: BulkChange) -> ChangeReceipt:
    """Return what a change would do."""
    return change.do(connection().service(), preview=True)


@requires(Role.OPERATOR)
def start(change: BulkChange) -> str:
    """Start a change, and return the id of its job. For callbacks.

    Raises:
        TooBusy: another change of this user's memories is under way.
    """
    running = latest(change.user_id)
    if running and not running.finished:
        raise jobs.TooBusy("this user's memories are being changed; try again when that is done")
    return jobs.board().submit(
        lambda job: memory_calls.write(lambda service: change.do(service, on_progress=job)),
        subject="Change",
        fingerprint=_fingerprint(change.user_id),
    )


@requires(Role.VIEWER)
def latest(user_id: UserId) -> jobs.Job | None:
    """Return the job of the newest change of the user's memories."""
    return jobs.board().latest(_fingerprint(user_id))


def _for_visitor(changes: tuple[Change, ...] | list[Change]) -> list[Change]:
    def shown(record: MemoryRecord | None) -> MemoryRecord | None:
        return record and privacy.records_for_visitor([record])[0]

    return [
        replace(change, before=shown(change.before), after=shown(change.after))
        for change in changes
    ]


def _fingerprint(user_id: UserId) -> str:
    return f"user/many/{user_id}"


@st.cache_data(ttl=memory_calls.FRESH_S, max_entries=8, show_spinner=False)
def _difference(
    user_id: UserId, at: dt.datetime | str, ids: frozenset[str] | None, version: int
) -> ChangeReceipt:
    where = MemoryFilter(ids=ids)
    return connection().service().restore_user(user_id, at, where=where, preview=True)
