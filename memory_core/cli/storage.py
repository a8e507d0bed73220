"""The commands about the storage and its diagnosis: status, audit, rebuild, doctor and logs."""

import sys
from pathlib import Path
from typing import Any, BinaryIO, get_args

import click

from ..doctor import Level, OnProgress, Tag, diagnose, make_bundle
from ..doctor.read_log import read_log
from ..memories.log_lines import install_recent_lines
from ..memories.repair import rebuild_index
from ..model.records import Unexpected
from ..render import audit_report, diagnosis, storage_status
from ..render.log_summary import summarize_log
from ..service import MemoryService
from .base import (
    FILE,
    cli,
    file_errors,
    json_option,
    json_wanted,
    output,
    progress_bar,
    with_service,
)


@cli.command()
@with_service
def status(service: MemoryService) -> None:
    """Show the backend in use, why, and what it holds.

    Lists each step of the choice, the embedder, the location, exact counts, and the progress of a
    migration from the local disk.
    """
    output(storage_status.status_document, storage_status.status_text, service.status())


@cli.command()
@click.option("--repair", is_flag=True, help="Make the store match the ledger; safe to repeat.")
@click.option(
    "--unexpected",
    type=click.Choice(get_args(Unexpected)),
    help="What --repair does with vectors that were never recorded.  [default: keep]",
)
@with_service
def audit(service: MemoryService, repair: bool, unexpected: Any) -> None:
    """Compare the store with the ledger, and repair it.

    Covers all users. Without --repair nothing is changed. The exit code is 1 if a difference
    remains.
    """
    if unexpected and not repair:
        raise click.UsageError("--unexpected belongs to a repair; add --repair")
    with progress_bar("audit") as advance:
        report = service.audit(repair=repair, unexpected=unexpected or "keep", on_progress=advance)
    output(audit_report.audit_document, audit_report.audit_text, report, passed=report.clean)


@cli.command()
@json_option
def rebuild() -> None:
    """Rebuild the index from the ledger.

    Creates and fills the index that the settings name, for example after the embedder was changed.
    No other index is touched.
    """
    with progress_bar("rebuild") as advance:
        report = rebuild_index(on_progress=advance)
    passed = report.audit.clean
    output(audit_report.rebuild_document, audit_report.rebuild_text, report, passed=passed)


@cli.command()
@click.option(
    "--tag",
    "tags",
    multiple=True,
    type=click.Choice(get_args(Tag)),
    help="Add checks that write probes (live), read some memories (data), or all (deep).",
)
@click.option("--only", multiple=True, metavar="ID", help="Only this finding, check or subject.")
@click.option(
    "--fail-level",
    type=click.Choice(["error", "warning", "info", "never"]),
    default="error",
    help="Exit with 1 from this level on.",
)
@click.option(
    "--silence", multiple=True, metavar="ID=REASON", help="Hide a finding, for a stated reason."
)
@click.option(
    "--bundle", type=FILE, help="Write a file for support, without secrets and personal data."
)
@click.option("--personal", is_flag=True, help="Include user ids in the bundle.")
@json_option
def doctor(
    tags: tuple[Tag, ...],
    only: tuple[str, ...],
    fail_level: str,
    silence: tuple[str, ...],
    bundle: Path | None,
    personal: bool,
) -> None:
    """Find out why memories are missing or not persistent.

    Every finding says what the customer notices and what to do about it.
    """
    if personal and not bundle:
        raise click.UsageError("--personal belongs to a bundle; add --bundle FILE")
    log = install_recent_lines()
    reasons = (silenced.partition("=") for silenced in silence)
    result = diagnose(
        tags=tags,
        only=only,
        silenced={name: reason for name, _, reason in reasons},
        on_progress=_progress_line(),
        with_users=bundle is not None,
    )
    if bundle:
        content = make_bundle(result, lines=log.lines(), personal=personal)
        with file_errors(bundle, "written", "name another file with --bundle"):
            bundle.write_bytes(content)
    passed = fail_level == "never" or result.worst.rank < Level(fail_level).rank
    output(diagnosis.diagnosis_document, diagnosis.diagnosis_text, result, passed=passed)


@cli.group()
def logs() -> None:
    """Read the logs of a backend."""


@logs.command()
@click.argument("file", type=click.File("rb"))
@json_option
def analyze(file: BinaryIO) -> None:
    """Report what a log reveals about memories; FILE may be - for standard input.

    Lists which of the seven known lines appear, changes of the storage, users saved under one id
    and asked for under another, and errors. The exit code is 1 if anything is wrong.
    """
    with progress_bar("Reading") as advance:
        report = read_log(file, on_progress=advance)
    output(diagnosis.logs_document, diagnosis.logs_text, report, passed=summarize_log(report).clean)


def _progress_line() -> OnProgress | None:
    """Return a callback that shows the current check on stderr, if that is a terminal."""
    if json_wanted() or not sys.stderr.isatty():
        return None

    def show(done: int, total: int, title: str) -> None:
        # Overwrites the previous line.
        click.echo(
            f"\r\x1b[K{done}/{total}  checking: {title}" if title else "\r\x1b[K",
            nl=False,
            err=True,
        )

    return show
