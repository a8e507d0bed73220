"""The command `activity`: show the activity log, or check it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..activity import VERBS, Wanted
from ..render import activity_log
from ..service import MemoryService
from .base import cli, exit_unless, output, progress_bar, with_service

_AGO = {"h": "hours", "d": "days", "w": "weeks"}
# The log keeps the names that actions were first given; both are accepted.
_RENAMED = {"merge": "reunite", "adopt": "take-up", "erasure-proof": "traces"}


class _Moment(click.ParamType[datetime]):
    """A UTC day or time (2025-11-22, 2025-11-22T14:30), or a time ago: 12h, 7d, 4w."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if ago := re.fullmatch(r"(\d{1,5})([hdw])", str(value)):
                return datetime.now(UTC) - timedelta(**{_AGO[ago[2]]: int(ago[1])})
            at = datetime.fromisoformat(str(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time; write 2025-11-22, 2025-11-22T14:30 or 7d", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


class _Head(click.ParamType[tuple[int, str]]):
    """The head of the chain as `--check` prints it: NUMBER:DIGEST."""

    name = "head"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, str]:
        head = re.fullmatch(r"(\d{1,12}):([0-9a-f]{8,64})", str(value))
        if not head:
            self.fail(f"{value!r} is no head; give the one that --check printed", param, ctx)
        return int(head[1]), head[2]


class _Action(click.Choice[str]):
    """An action of the log, under its name of today or its former one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in _RENAMED.values():
            return str(value)
        action = super().convert(value, param, ctx)
        return _RENAMED.get(action, action)


_ACTIONS = _Action(sorted(VERBS.keys() - {*_RENAMED.values()} | _RENAMED.keys()))


@cli.command("activity")
@click.option("--user", "user_id", metavar="USER", help="Only entries about this user.")
@click.option("--who", help="Only entries by people whose name contains this.")
@click.option("--action", type=_ACTIONS, metavar="ACTION", help="Only this, such as save.")
@click.option("--since", type=_Moment(), help="Only from then on: 7d, 12h or 2025-11-22.")
@click.option("--until", type=_Moment(), help="Only before then.")
@click.option("--limit", default=50, help="Maximum number of entries.")
@click.option("--check", is_flag=True, help="Verify the whole chain; report gaps and changes.")
@click.option("--known", type=_Head(), help="With --check: a head that must still be in the chain.")
@with_service
def activity_command(
    service: MemoryService, limit: int, check: bool, known: tuple[int, str] | None, **given: Any
) -> None:
    """Show who did what with whose memories, or check that log.

    Entries are listed newest first. The log is a chain of digests, so that --check detects removed
    and changed entries; the exit code is 1 if it finds any.
    """
    if known and not check:
        raise click.UsageError("--known belongs to a check; add --check")
    if check:
        with progress_bar("check") as advance:
            report = service.activity.check(known, advance)
        output(activity_log.check_document, activity_log.check_text, report)
        exit_unless(report.whole)
        return
    filters = {name: value for name, value in given.items() if value}
    page = service.activity.page(Wanted(**filters), limit=max(1, limit))
    output(activity_log.page_document, activity_log.page_text, page)
