"""The command `activity`: show the activity log, or check it."""

import re
from datetime import UTC, datetime
from typing import Any

import click

from ..activity import VERBS, Wanted
from ..model.moments import read_moment
from ..render import activity_log
from ..service import MemoryService
from .base import cli, output, progress_bar, with_service

# The log keeps the names that actions were first given; both are accepted.
_RENAMED = {"merge": "reunite", "adopt": "take-up", "erasure-proof": "traces"}


def _moment(value: str) -> datetime:
    """Read a time, or how long ago it was: 2025-11-22T14:30, 12h, 7d, 4w."""
    moment = read_moment(value, datetime.now(UTC))
    if isinstance(moment, str):
        raise click.BadParameter(f"{value!r} is an event of the ledger; give a time, such as 7d")
    return moment


def _head(value: str) -> tuple[int, str]:
    """Read the head of the chain as `--check` prints it: NUMBER:DIGEST."""
    head = re.fullmatch(r"(\d{1,12}):([0-9a-f]{8,64})", value)
    if not head:
        raise click.BadParameter(f"{value!r} is not a head; give the one that --check printed")
    return int(head[1]), head[2]


def _action(value: str) -> str:
    action = _RENAMED.get(value, value)
    if action not in VERBS:
        names = sorted(VERBS.keys() - {*_RENAMED.values()} | _RENAMED.keys())
        raise click.BadParameter(f"{value!r} is not an action; use one of {', '.join(names)}")
    return action


@cli.command("activity")
@click.option("--user", "user_id", metavar="USER", help="Only entries about this user.")
@click.option("--who", help="Only entries by people whose name contains this.")
@click.option("--action", type=_action, metavar="ACTION", help="Only this action, such as save.")
@click.option(
    "--since", type=_moment, metavar="WHEN", help="Only entries since then: 7d, 12h or 2025-11-22."
)
@click.option("--until", type=_moment, metavar="WHEN", help="Only entries before then.")
@click.option("--limit", default=50, help="Maximum number of entries.")
@click.option("--check", is_flag=True, help="Verify the whole chain; report gaps and changes.")
@click.option(
    "--known",
    type=_head,
    metavar="HEAD",
    help="With --check: a head that must still be in the chain.",
)
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
        documents = activity_log.check_document, activity_log.check_text
        output(*documents, report, passed=report.whole)
        return
    filters = {name: value for name, value in given.items() if value}
    page = service.activity.page(Wanted(**filters), limit=max(1, limit))
    output(activity_log.page_document, activity_log.page_text, page)
