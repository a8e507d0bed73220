"""Who reads what of whose memories: noted for the record, and read back on the page Activity.

What changes or exports memories is noted by the service itself. What a visitor was shown only the
pages know, since they keep answers for a while: `noted` stands above the calls that read, below
`requires`, so that what is not allowed is not noted as done. No text of a memory and no question
goes into the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, Final, ParamSpec, TypeVar

from dashboard.auth import visitor
from dashboard.auth.roles import Role
from dashboard.auth.visitor import requires
from memory_core.activity import (
    MUST_BE_WRITTEN,
    ActivityEntry,
    ActivityLog,
    ChainReport,
    Outcome,
    Page,
    Wanted,
    verb_of,
)
from memory_core.errors import MemoryCoreError
from memory_core.model.records import Progress
from memory_core.render import activity_log

from ..connection import connection

MOST_EXPORTED: Final = 50_000
_logger = logging.getLogger("dashboard")
P = ParamSpec("P")
T = TypeVar("T")


def note(
    action: str,
    *,
    user_id: str | None = None,
    detail: str = "",
    outcome: Outcome = "done",
) -> None:
    """Note what the visitor of now did, for which user and how it ended; never a memory's text.

    Raises:
        MemoryCoreError: only for an action that has to be on record before it is done, such as
            reveal, where the log cannot be written.
    """
    action = action.replace(" ", "-")
    try:
        log = _log()
    except MemoryCoreError as error:
        if action in MUST_BE_WRITTEN:
            raise
        _logger.warning("activity could not be noted: %s: %s", action, error)
        return
    who = visitor.actor_of(visitor.current())
    log.note(who, action, user_id=user_id, detail=detail, outcome=outcome)


def noted(
    action: str,
    tell: Callable[[Any], str | None] = lambda _: "",
    *,
    of: str | None = "user_id",
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Note a call: `tell` makes the detail of its result, None where it is not worth an entry.

    `of` names the parameter that says whom it concerns.
    """

    def decorate(call: Callable[P, T]) -> Callable[P, T]:
        parameters = signature(call)

        @wraps(call)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            given = parameters.bind(*args, **kwargs).arguments
            user_id = None if of is None else str(given[of])
            try:
                result = call(*args, **kwargs)
            except MemoryCoreError as error:
                if verb_of(action).weight != "look":
                    note(action, user_id=user_id, detail=type(error).__name__, outcome="failed")
                raise
            if (detail := tell(result)) is not None:
                note(action, user_id=user_id, detail=detail)
            return result

        return run

    return decorate


@requires(Role.OPERATOR)
def page(wanted: Wanted, limit: int) -> Page:
    """Return the newest entries that are wanted."""
    note("activity")
    return _log().page(wanted, limit=limit)


@requires(Role.OPERATOR)
def days() -> int:
    """Return how long entries are kept, 0 for ever."""
    return _log().days


@requires(Role.OPERATOR)
def check(on_progress: Progress) -> ChainReport:
    """Read the whole chain."""
    found = _log().check(on_progress=on_progress)
    note("check-log", detail="whole" if found.whole else f"{len(found.problems)} problems")
    return found


@requires(Role.ADMIN)
def export(wanted: Wanted, kind: str) -> bytes:
    """Return the entries that are wanted as CSV or JSON Lines, newest first, at most 50,000."""
    log, entries = _log(), []
    before = None
    while len(entries) < MOST_EXPORTED:
        part = log.page(wanted, before=before, limit=1_000)
        entries += part.entries
        before = part.before
        if before is None:
            break
    note("export-log", detail=f"{len(entries):,} entries")
    return _file(entries, kind)


def _file(entries: list[ActivityEntry], kind: str) -> bytes:
    if kind == "csv":
        return activity_log.entries_csv(entries)
    return activity_log.entries_jsonl(entries)


def _log() -> ActivityLog:
    # Not at the top: `data` notes what it does.

    return connection().service().activity
