"""The activity log: what is in it, and whether it is as it was written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..activity import VERBS, Wanted
from ..render import activity_log
from ..service import MemoryService
from .base import EXIT_CHECK_FAILED, cli, json_option, output, progress_bar, with_service

_AGO = {"h": "hours", "d": "days", "w": "weeks"}


class _Moment(click.ParamType[datetime]):
    """A UTC day or time (2025-11-22, 2025-11-22T14:30), or a while ago: 12h, 7d, 4w."""

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
    """A head as `--check` prints it: NUMBER:DIGEST."""

    name = "head"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, str]:
        found = re.fullmatch(r"(\d{1,12}):([0-9a-f]{8,64})", str(value))
        if not found:
            self.fail(f"{value!r} is no head; give what an earlier --check printed", param, ctx)
        return int(found[1]), found[2]


@cli.command("activity")
@click.option("--user", default="", help="Only what was done for this user.")
@click.option("--who", default="", help="Only what somebody of this name did, or a part of it.")
@click.option("--action", type=click.Choice(sorted(VERBS)), help="Only this.")
@click.option("--since", type=_Moment(), help="Not older: 7d, 12h, 2025-11-22.")
@click.option("--until", type=_Moment(), help="Older than this.")
@click.option("--limit", default=50, show_default=True, help="How many entries at most.")
@click.option("--check", is_flag=True, help="Read all of it; say what was removed or changed.")
@click.option("--known", type=_Head(), help="With --check: a head that has to be in it still.")
@json_option
@with_service
@click.pass_context
def activity_command(
    ctx: click.Context,
    service: MemoryService,
    user: str,
    who: str,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    check: bool,
    known: tuple[int, str] | None,
    as_json: bool,
) -> None:
    """Show who did what with whose memories, newest first, or check that log."""
    if known and not check:
        raise click.UsageError("--known is for a check; add --check")
    if check:
        with progress_bar("check", as_json=as_json) as advance:
            found = service.activity.check(known, advance)
        document = activity_log.check_document(found)
        output(document, activity_log.check_text(found), as_json=as_json)
        if not found.whole:
            ctx.exit(EXIT_CHECK_FAILED)
        return
    wanted = Wanted(who, action or "", user, since, until)
    page = service.activity.page(wanted, limit=max(1, limit))
    output(activity_log.page_document(page), activity_log.page_text(page), as_json=as_json)
