"""The commands that write memories to a file, and read them back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import click

from .. import render_transfer
from ..intake import Existing
from ..service import MemoryService
from ..transfer import Kind, export_memories, export_stream, import_memories
from .base import EXIT_CHECK_FAILED, cli, json_option, output, progress_bar, with_service

_STDOUT = "-"


@cli.command("export")
@click.option("--user", help="Only this user's memories; everybody's if it is left out.")
@click.option(
    "--format", "kind", type=click.Choice(get_args(Kind)), default="jsonl", show_default=True
)
@click.option("--vectors", is_flag=True, help="With the vectors (jsonl only).")
@click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=str),
    default=_STDOUT,
    help="The file to write, with a manifest beside it; - is stdout.  [default: -]",
)
@click.option("--resume", is_flag=True, help="Go on with an export of that file that was cut off.")
@json_option
@with_service
def export_command(
    service: MemoryService,
    user: str | None,
    kind: Kind,
    vectors: bool,
    target: str,
    resume: bool,
    as_json: bool,
) -> None:
    """Write memories to a file that `import` reads: jsonl or csv."""
    if target == _STDOUT and (resume or as_json):
        raise click.UsageError("--resume and --json need a file; add --output FILE")
    with progress_bar("export", as_json=as_json) as advance:
        if target == _STDOUT:
            stdout = sys.stdout.buffer
            export_stream(
                service, stdout, user_id=user, kind=kind, vectors=vectors, on_progress=advance
            )
            return
        report = export_memories(
            service,
            Path(target),
            user_id=user,
            kind=kind,
            vectors=vectors,
            resume=resume,
            on_progress=advance,
        )
    document = render_transfer.export_document(report)
    output(document, render_transfer.export_text(report), as_json=as_json)


@cli.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--existing",
    type=click.Choice(get_args(Existing)),
    default="skip",
    show_default=True,
    help="What is done where a memory of that id or text is there already.",
)
@click.option("--user", help="Import everything as this user's.")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be.")
@click.option("--partial", is_flag=True, help="Take what can be read of a file that is not whole.")
@json_option
@with_service
@click.pass_context
def import_command(
    ctx: click.Context,
    service: MemoryService,
    file: Path,
    existing: Existing,
    user: str | None,
    dry_run: bool,
    partial: bool,
    as_json: bool,
) -> None:
    """Take in FILE, which `export` wrote, and prove that all of it is there; safe to repeat."""
    with progress_bar("import", as_json=as_json) as advance:
        report = import_memories(
            service,
            file,
            existing=existing,
            user_id=user,
            dry_run=dry_run,
            partial=partial,
            on_progress=advance,
        )
    document = render_transfer.import_document(report)
    output(document, render_transfer.import_text(report), as_json=as_json)
    if not report.ok:
        ctx.exit(EXIT_CHECK_FAILED)
