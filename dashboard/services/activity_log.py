"""The activity log: entries for what visitors read, and the page that shows, checks and exports it.

The service itself notes what changes or exports memories. Only the dashboard knows what visitors
were shown, since it caches answers: `noted` stands above the calls that read, below `requires`, so
that a refused call is not noted as done. Neither texts nor questions go into the log.
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, Final, ParamSpec, TypeVar

from memory_core.activity import (
    ActivityEntry,
    ActivityLog,
    ChainReport,
    Page,
    Wanted,
    verb_of,
)
from memory_core.errors import MemoryCoreError
from memory_core.model.counting import Progress, counted
from memory_core.render import activity_log

from ..auth import notes, visitor
from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import connection

MOST_EXPORTED: Final = 50_000
P = ParamSpec("P")
T = TypeVar("T")


def note(action: str, **about: Any) -> None:
    """Write an entry for the current visitor, as `notes.note`; never with the text of a memory."""
    notes.note(visitor.actor_of(visitor.current()), action, **about)


def noted(
    action: str,
    detail_of: Callable[[Any], str | None] = lambda _: "",
    *,
    of: str | None = "user_id",
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Note each call of a function.

    Args:
        detail_of: returns the detail for a result, None for a result not worth an entry.
        of: parameter that holds the id of the user concerned.
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
            if (detail := detail_of(result)) is not None:
                note(action, user_id=user_id, detail=detail)
            return result

        return run

    return decorate


@requires(Role.OPERATOR)
def page(wanted: Wanted, limit: int) -> Page:
    """Return the newest entries that match."""
    note("activity")
    return _log().page(wanted, limit=limit)


@requires(Role.OPERATOR)
def days() -> int:
    """Return for how many days entries are kept, 0 for ever."""
    return _log().days


@requires(Role.OPERATOR)
def check(on_progress: Progress) -> ChainReport:
    """Verify the whole chain."""
    report = _log().check(on_progress=on_progress)
    note("check-log", detail="whole" if report.whole else counted(len(report.problems), "problem"))
    return report


@requires(Role.ADMIN)
def export(wanted: Wanted, kind: str) -> bytes:
    """Return the matching entries as CSV or JSON Lines, newest first, at most `MOST_EXPORTED`."""
    log, before = _log(), None
    entries: list[ActivityEntry] = []
    while len(entries) < MOST_EXPORTED:
        part = log.page(wanted, before=before, limit=1_000)
        entries += part.entries
        before = part.before
        if before is None:
            break
    note("export-log", detail=counted(len(entries), "entry"))
    if kind == "csv":
        return activity_log.entries_csv(entries)
    return activity_log.entries_jsonl(entries)


def _log() -> ActivityLog:
    return connection().service().activity
