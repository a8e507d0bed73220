"""The dashboard's way to `memory_core`, and the only place with cache decorators.

One service serves all visitors. What is read is kept for a few seconds under the number of the
last write, so a write made here is seen at once and one made elsewhere soon after.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from memory_core import MemoryService, Settings
from memory_core.errors import MemoryCoreError
from memory_core.memories import log_lines
from memory_core.model.census import Census, OtherPlaces, StoreScan
from memory_core.model.census import UserSearch as WhoFound
from memory_core.model.records import Event, MemoryRecord, Receipt, UserId, UserSummary

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import Connection, Found, Health, Saved, T, Trouble, connection
from . import privacy
from .activity_log import noted

FRESH_S = 20
"""How long something read is shown again without asking the store."""

COUNTED_UP_TO = 10_000
"""Memories on S3 Vectors that are counted unasked: about 20 requests to read all keys."""


@requires(Role.VIEWER)
def health() -> Health:
    """Return the state of the storage; never raises a `MemoryCoreError`."""
    try:
        # The one count serves the status as well, so that nothing is listed twice.
        return Health(connection().service().status(census()), None)
    except MemoryCoreError as error:
        return Health(None, Trouble.of(error))


@requires(Role.VIEWER)
def census() -> Census:
    """Return every user with numbers, as they were counted some seconds ago at most."""
    counted = _counted(connection().writes)
    if isinstance(counted, MemoryCoreError):
        raise counted.with_traceback(None)
    if not counted.users:
        # Quickly counted, and the first memory is to be seen at once.
        _counted.clear()
    return counted


@requires(Role.VIEWER)
def count_again() -> None:
    """Forget the count of users, so that the next one is of now. For callbacks."""
    _counted.clear()


@requires(Role.VIEWER)
def users() -> list[UserSummary]:
    """Return every user that has memories, most memories first."""
    return list(census().users)


@requires(Role.VIEWER)
def find(text: str, scan: StoreScan | None = None, away: OtherPlaces | None = None) -> WhoFound:
    """Return whose memories may be meant, counted now; in the store as it was scanned."""
    return connection().service().find(text, scan=scan, elsewhere=away)


@requires(Role.VIEWER)
def storage() -> dict[str, int]:
    """Return how many memories lie in which backend, and how many only in the ledger."""
    return _storage(connection().writes)


@requires(Role.VIEWER)
@noted("view", privacy.told)
def memories(user_id: UserId) -> list[MemoryRecord]:
    """Return all memories of a user, newest first; a viewer gets them without their texts."""
    return privacy.records_for_visitor(_memories(user_id, connection().writes))


@requires(Role.OPERATOR)
@noted("search", lambda found: f"{len(found.result.hits)} found" if found.result.hits else None)
def search(user_id: UserId, question: str, limit: int) -> Found:
    """Return the memories that answer the question best."""
    return _search(user_id, question, limit, connection().writes)


@requires(Role.VIEWER)
@noted("history", privacy.told)
def history(user_id: UserId, memory_id: str) -> list[Event]:
    """Return what happened to one memory, oldest first."""
    return privacy.events_for_visitor(connection().service().history(user_id, memory_id))


@requires(Role.VIEWER)
def reveal(user_id: UserId, memory_id: str, reason: str) -> MemoryRecord:
    """Return one memory in full for a reason, which is noted."""
    return privacy.reveal(connection().service(), user_id, memory_id, reason)


@requires(Role.VIEWER)
def recent_lines(limit: int) -> list[log_lines.LogLine]:
    """Return the last log lines of this process, newest last."""
    return log_lines.install_recent_lines().lines()[-limit:]


@requires(Role.VIEWER)
def language_model() -> str | None:
    """Return the name of the model that extracts memories, None where there is none."""
    settings = connection().settings
    return settings.llm if settings else None


@requires(Role.OPERATOR)
def save_text(raw_user_id: str, text: str, *, infer: bool) -> Saved:
    """Save one text for a user and read it back."""
    return _save(lambda s: s.add_text_memory(raw_user_id, text, infer=infer, verify=True))


@requires(Role.OPERATOR)
def save_messages(raw_user_id: str, messages: list[dict[str, str]], *, infer: bool) -> Saved:
    """Save a conversation for a user and read it back."""
    return _save(lambda s: s.add_messages(raw_user_id, messages, infer=infer, verify=True))


@requires(Role.OPERATOR)
def save_document(
    raw_user_id: str, name: str, content: bytes, on_progress: Callable[[int, int], None]
) -> Saved:
    """Save the passages of a document for a user and read them back."""
    more = {"verify": True, "on_progress": on_progress}
    return _save(lambda s: s.add_document(raw_user_id, name, content, **more))


@requires(Role.OPERATOR)
def change_memory(user_id: UserId, memory_id: str, text: str) -> MemoryRecord:
    """Give one memory a new text and read it back."""
    return write(lambda s: s.update_memory(user_id, memory_id, text, verify=True))


@requires(Role.OPERATOR)
def delete_memory(user_id: UserId, memory_id: str) -> Receipt:
    """Delete one memory and count what is left of it."""
    return write(lambda s: s.delete_memory(user_id, memory_id, verify=True))


@requires(Role.VIEWER)
def settings() -> Settings:
    """Return the settings that the service was opened with, opening it if need be."""
    return connection().service().settings


@requires(Role.VIEWER)
def try_again() -> None:
    """Forget what was read and the last failure to open the store."""
    shared = connection()
    shared.forget_failure()
    _forget_reads(shared)
    # A part of the key under which reports of redeploy tests are kept.
    shared.tests += 1


def _save(call: Callable[[MemoryService], list[MemoryRecord]]) -> Saved:
    started = time.perf_counter()
    records = write(call)
    return Saved(tuple(records), _ms_since(started))


@requires(Role.OPERATOR)
def write(call: Callable[[MemoryService], T]) -> T:
    """Do something that changes memories."""
    # All of Streamlit that can interrupt a script comes before the call.
    shared = connection()
    try:
        with shared.writing() as service:
            return call(service)
    finally:
        # Also after an error: a memory may be recorded though not searchable yet.
        _forget_reads(shared)


def _forget_reads(shared: Connection) -> None:
    shared.writes += 1
    for cached in (_counted, _storage, _memories, _search):
        cached.clear()


def _ms_since(started: float) -> int:
    return max(1, round((time.perf_counter() - started) * 1000))


# `version` is the number of the last write: part of the key, so that a read that was under way
# while something was written is never shown afterwards.


# Frozen, so a resource: copying 10,000 users on every redraw takes long.
@st.cache_resource(ttl=FRESH_S, max_entries=2, show_spinner=False)
def _counted(version: int) -> Census | MemoryCoreError:
    try:
        return connection().service().count_users()
    except MemoryCoreError as error:
        return error


@st.cache_data(ttl=FRESH_S, max_entries=2, show_spinner=False)
def _storage(version: int) -> dict[str, int]:
    return connection().service().storage()


@st.cache_data(ttl=FRESH_S, max_entries=8, show_spinner=False)
def _memories(user_id: UserId, version: int) -> list[MemoryRecord]:
    return connection().service().list_memories(user_id)


@st.cache_data(ttl=FRESH_S, max_entries=32, show_spinner=False)
def _search(user_id: UserId, question: str, limit: int, version: int) -> Found:
    started = time.perf_counter()
    result = connection().service().search(user_id, question, limit=limit)
    return Found(result, _ms_since(started))
