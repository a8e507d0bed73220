"""The activity log: entries for what visitors read, and the page that shows, checks and exports it.

The service itself notes what changes or exports memories. Only the dashboard knows what visitors
were shown, since it caches answers. Neither texts nor questions go into the log.
"""

from typing import Any, Final

from memory_core.activity import (
    ActivityEntry,
    ActivityLog,
    ChainReport,
    Page,
    Wanted,
)
from memory_core.model.counting import Progress, counted
from memory_core.render import activity_log

from ..auth import notes, visitor
from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import connection

MOST_EXPORTED: Final = 50_000


def note(action: str, *, detail: str | None = "", **about: Any) -> None:
    """Write an entry for the current visitor, as `notes.note`; never with the text of a memory.

    Nothing is written if `detail` is None.
    """
    if detail is not None:
        notes.note(visitor.actor_of(visitor.current()), action, detail=detail, **about)


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
