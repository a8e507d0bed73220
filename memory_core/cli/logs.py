"""Logs of a backend on the command line."""

from __future__ import annotations

from typing import BinaryIO

import click

from .. import render_logs
from ..doctor.logs import analyze_log
from .base import EXIT_CHECK_FAILED, cli, json_option, output, progress_bar


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
    output(render_logs.logs_document(report), render_logs.logs_text(report), as_json=as_json)
    if not report.clean:
        ctx.exit(EXIT_CHECK_FAILED)
