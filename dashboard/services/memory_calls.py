"""Reads and writes of memories, through the one service and the caches that all visitors share.

Reads are cached for some seconds under the number of the last write: a write made here shows at
once, one made by another process soon after.
"""

import ctypes
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import streamlit as st

from memory_core import MemoryService, ServiceStart, Settings
from memory_core.errors import InvalidMemory, MemoryCoreError
from memory_core.memories import log_lines
from memory_core.model.call_counts import CallCounts
from memory_core.model.census import Census, Placement
from memory_core.model.counting import Progress
from memory_core.model.records import Event, MemoryRecord, SavedMemories, SearchResult
from memory_core.model.user_id import UserId

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import Connection, Health, T, Timed, Trouble, connection
from . import privacy
from .activity_log import note

FRESH_S = 20
"""Seconds for which a read is cached."""

PLACED_S = 300
"""Seconds for which the comparison with the store and the starts are cached."""

COUNTED_UP_TO = 10_000
"""Most memories whose ids in the store are counted without asking; on S3 it takes 20 requests."""


@requires(Role.VIEWER)
def health() -> Health:
    """Return the state of the storage; never raises a `MemoryCoreError`.

    A process that has not counted yet shows the figures of the last count, and counts meanwhile.
    """
    shared = connection()
    try:
        service = shared.service()
        last = None if shared.counted else service.last_status()
        if last and shared.count_in_background(lambda: _counted(shared.writes)):
            return Health(last, None, counting=True)
        shared.counted = True
        # One count serves the status as well, so that nothing is listed twice.
        return Health(service.status(census()), None)
    except MemoryCoreError as error:
        return Health(None, Trouble.of(error))


@requires(Role.VIEWER)
def census() -> Census:
    """Return every user with numbers, counted at most `FRESH_S` ago."""
    counted = _counted(connection().writes)
    if isinstance(counted, MemoryCoreError):
        raise counted.with_traceback(None)
    if not counted.users:
        # Quick to count, and the first memory shows at once.
        _counted.clear()
    return counted


@requires(Role.VIEWER)
def count_again() -> None:
    """Forget the count of users, so that they are recounted. For callbacks."""
    _counted.clear()


@requires(Role.VIEWER)
def placement() -> Placement:
    """Return what is in the store and on record, compared by ids at most `PLACED_S` ago."""
    return _placement(connection().writes)


@requires(Role.VIEWER)
def check_again() -> None:
    """Forget what is in the store, so that it is compared again. For callbacks."""
    _placement.clear()


@requires(Role.VIEWER)
def starts() -> list[ServiceStart]:
    """Return the newest starts of the service, oldest first."""
    return _starts()


@requires(Role.VIEWER)
def call_counts() -> CallCounts:
    """Return the counts of this process's saves and questions."""
    return connection().service().counts


@requires(Role.VIEWER)
def memories(user_id: UserId) -> list[MemoryRecord]:
    """Return all memories of a user, newest first; a viewer gets them without their texts."""
    records = privacy.records_for_visitor(_memories(user_id, connection().writes))
    note("view", user_id=user_id, detail=privacy.shown_detail(records))
    return records


@requires(Role.OPERATOR)
def search(user_id: UserId, question: str, limit: int) -> Timed[SearchResult]:
    """Search a user's memories."""
    answer = _search(user_id, question, limit, connection().writes)
    if hits := answer.result.hits:
        note("search", user_id=user_id, detail=f"{len(hits)} found")
    return answer


@requires(Role.VIEWER)
def history(user_id: UserId, memory_id: str) -> list[Event]:
    """Return the events of one memory, oldest first."""
    events = privacy.events_for_visitor(connection().service().history(user_id, memory_id))
    note("history", user_id=user_id, detail=privacy.shown_detail(events))
    return events


@requires(Role.VIEWER)
def reveal(user_id: UserId, memory_id: str, reason: str) -> MemoryRecord:
    """Return one memory in full and record who read it and why.

    Raises:
        InvalidMemory: the reason has fewer than `LEAST_REASON` characters.
        MemoryNotFound: the memory is gone.
    """
    why = " ".join(reason.split())[: privacy.MOST_REASON]
    if len(why) < privacy.LEAST_REASON:
        raise InvalidMemory("a reason is missing; write why you need to read this memory")
    record = connection().service().get_memory(user_id, memory_id)
    note("reveal", user_id=user_id, detail=f"memory {memory_id}, reason: {why}")
    privacy.remember_revealed(record)
    return record


@requires(Role.VIEWER)
def recent_lines(limit: int) -> list[log_lines.LogLine]:
    """Return the last log lines of this process, newest last."""
    return log_lines.install_recent_lines().lines()[-limit:]


@requires(Role.VIEWER)
def known_values() -> dict[str, str]:
    """Return the values of variables that are set and not secret, by name."""
    known = connection().settings
    if known is None:
        return {}
    values = {
        "AWS_S3_BUCKET": known.bucket,
        "AWS_REGION": known.region,
        "AWS_ENDPOINT_URL": known.endpoint_s3,
        "MEMORY_PREFIX": known.prefix,
        "MEMORY_INDEX": known.index,
        "MEMORY_EMBEDDER": known.embedder,
        "MEMORY_LLM": known.llm,
    }
    return {name: value for name, value in values.items() if value}


@requires(Role.OPERATOR)
def save_text(raw_user_id: str, text: str, *, infer: bool) -> Timed[SavedMemories]:
    """Save one text for a user and read it back."""
    return _save(lambda s: s.add_text_memory(raw_user_id, text, infer=infer, verify=True))


@requires(Role.OPERATOR)
def save_messages(
    raw_user_id: str, messages: list[dict[str, Any]], *, infer: bool
) -> Timed[SavedMemories]:
    """Save a conversation for a user and read it back."""
    return _save(lambda s: s.add_messages(raw_user_id, messages, infer=infer, verify=True))


@requires(Role.OPERATOR)
def save_document(
    raw_user_id: str, name: str, content: bytes, on_progress: Progress
) -> Timed[SavedMemories]:
    """Save the passages of a document for a user and read them back."""
    options: dict[str, Any] = {"verify": True, "on_progress": on_progress}
    return _save(lambda s: s.add_document(raw_user_id, name, content, **options))


@requires(Role.OPERATOR)
def change_memory(
    user_id: UserId, memory_id: str, text: str, expires: date | str | None = None
) -> MemoryRecord:
    """Replace the text of one memory, and its expiry date where one is given; read it back."""
    return write(lambda s: s.update_memory(user_id, memory_id, text, expires=expires, verify=True))


@requires(Role.VIEWER)
def settings() -> Settings:
    """Return the settings of the service."""
    return connection().service().settings


@requires(Role.VIEWER)
def try_again() -> None:
    """Clear the caches and the last failure to open the store."""
    shared = connection()
    shared.forget_failure()
    _clear_caches(shared)
    # Part of the key under which redeploy tests are cached.
    shared.tests += 1


@requires(Role.OPERATOR)
def write(call: Callable[[MemoryService], T]) -> T:
    """Make a call that changes memories, then clear the caches."""
    # Whatever of Streamlit can interrupt a script comes before the call.
    shared = connection()
    try:
        with shared.writing() as service:
            return call(service)
    finally:
        # Also after an error: a memory may be recorded but not searchable yet.
        _clear_caches(shared)


def _save(call: Callable[[MemoryService], SavedMemories]) -> Timed[SavedMemories]:
    return _timed(lambda: write(call))


@requires(Role.OPERATOR)
def forget_reads() -> None:
    """Clear the caches, after a change that bypassed the service."""
    _clear_caches(connection())


def _clear_caches(shared: Connection) -> None:
    shared.writes += 1
    for cached in (_counted, _placement, _starts, _memories, _search):
        cached.clear()


def _timed(call: Callable[[], T]) -> Timed[T]:
    started = time.perf_counter()
    result = call()
    return Timed(result, max(1, round((time.perf_counter() - started) * 1000)))


# `version`, the number of the last write, is part of each key: a read that was under way during a
# write is never shown afterwards.


# A resource, since it is immutable: copying 10,000 users on every redraw takes long.
@st.cache_resource(ttl=FRESH_S, max_entries=2, show_spinner=False)
def _counted(version: int) -> Census | MemoryCoreError:
    try:
        return connection().service().count_users(keep=True)
    except MemoryCoreError as error:
        return error
    finally:
        _give_back()


@st.cache_resource(ttl=PLACED_S, max_entries=2, show_spinner=False)
def _placement(version: int) -> Placement:
    placement = connection().service().placement()
    _give_back()
    return placement


def _give_back() -> None:
    """Return freed memory to the system: with 100,000 memories glibc would keep some 50 MB."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


@st.cache_resource(ttl=PLACED_S, max_entries=1, show_spinner=False)
def _starts() -> list[ServiceStart]:
    return connection().service().starts()


@st.cache_data(ttl=FRESH_S, max_entries=8, show_spinner=False)
def _memories(user_id: UserId, version: int) -> list[MemoryRecord]:
    return connection().service().list_memories(user_id)


@st.cache_data(ttl=FRESH_S, max_entries=32, show_spinner=False)
def _search(user_id: UserId, question: str, limit: int, version: int) -> Timed[SearchResult]:
    return _timed(lambda: connection().service().search(user_id, question, limit=limit))
