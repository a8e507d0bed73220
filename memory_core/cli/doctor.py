"""The doctor on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, get_args

import click

from ..doctor import Level, OnProgress, Tag, diagnose, make_bundle
from ..doctor.logs import analyze_log
from ..memories.log_lines import install_recent_lines
from ..render import diagnosis
from ..render import diagnosis as render_doctor
from .base import EXIT_CHECK_FAILED, cli, json_option, output, progress_bar


@cli.command()
@click.option(
    "--tag",
    "tags",
    multiple=True,
    type=click.Choice(get_args(Tag)),
    help="Also make checks that write probes (live), read memories (data), or all of them (deep).",
)
@click.option("--only", multiple=True, metavar="ID", help="One finding, check or subject alone.")
@click.option(
    "--fail-level",
    type=click.Choice(["error", "warning", "info", "never"]),
    default="error",
    show_default=True,
    help="From which level on the exit code is 1.",
)
@click.option(
    "--silence", multiple=True, metavar="ID=REASON", help="Do not show a finding, and say why."
)
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a file for support, without secrets and personal data.",
)
@click.option("--personal", is_flag=True, help="Leave users' ids in the bundle.")
@json_option
@click.pass_context
def doctor(
    ctx: click.Context,
    tags: tuple[Tag, ...],
    only: tuple[str, ...],
    fail_level: str,
    silence: tuple[str, ...],
    bundle: Path | None,
    personal: bool,
    as_json: bool,
) -> None:
    """Find out why memories are not persistent or missing, and what to do."""
    if personal and not bundle:
        raise click.UsageError("--personal is about the bundle; add --bundle FILE")
    keeper = install_recent_lines()
    diagnosis = diagnose(
        tags=tags,
        only=only,
        silenced=dict(_reason(one) for one in silence),
        on_progress=_teller(as_json),
        with_users=bundle is not None,
    )
    if bundle:
        written = make_bundle(diagnosis, lines=keeper.lines(), personal=personal)
        try:
            bundle.write_bytes(written)
        except OSError as exc:
            raise click.BadParameter(f"{bundle} cannot be written: {exc.strerror}") from exc
    output(
        render_doctor.diagnosis_document(diagnosis),
        render_doctor.diagnosis_text(diagnosis),
        as_json=as_json,
    )
    if fail_level != "never" and diagnosis.worst.rank >= Level(fail_level).rank:
        ctx.exit(EXIT_CHECK_FAILED)


def _reason(given: str) -> tuple[str, str]:
    name, equals, reason = given.partition("=")
    if not equals or not reason.strip():
        raise click.BadParameter(
            f"{given!r} has no reason; write ID=REASON", param_hint="--silence"
        )
    return name, reason


def _teller(as_json: bool) -> OnProgress | None:
    """Say on stderr which check is under way, where somebody looks on."""
    if as_json or not sys.stderr.isatty():
        return None

    def tell(done: int, total: int, title: str) -> None:
        # Over the line before, which is cleared to its end.
        click.echo(f"\r\x1b[K{done}/{total}  {title}" if title else "\r\x1b[K", nl=False, err=True)

    return tell


@cli.group()
def logs() -> None:
    """Read the logs of a backend."""


@logs.command()
@click.argument("file", type=click.File("rb"))
@json_option
@click.pass_context
def analyze(ctx: click.Context, file: BinaryIO, as_json: bool) -> None:
    """Say what a log tells of memories; FILE may be - for standard input.

    Which of the seven lines appear, how the storage changed, which users were saved under one id
    and asked for under another, and which errors there are. The exit code is 1 where something is
    wrong.
    """
    with progress_bar("Reading", as_json=as_json) as advance:
        report = analyze_log(file, on_progress=advance)
    output(diagnosis.logs_document(report), diagnosis.logs_text(report), as_json=as_json)
    if not report.clean:
        ctx.exit(EXIT_CHECK_FAILED)
