"""The commands that export, import and migrate memories."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click

from ..embedders import open_embedder
from ..render import transfer as render
from ..render.text import to_json
from ..service import MemoryService
from ..settings import Settings
from ..storage.backend import select_backend
from ..transfer import (
    address_of,
    apply,
    export_memories,
    export_stream,
    import_memories,
    make_receipt,
    plan,
    verify,
)
from ..transfer.format import Kind
from ..transfer.reports import Existing, Verdict, Verdicts, Verification
from .base import (
    EXISTING_FILE,
    FILE,
    cli,
    file_errors,
    json_wanted,
    output,
    progress_bar,
    where_option,
    with_service,
)

_STDOUT = "-"


@cli.command("export")
@click.option("--user", "user_id", metavar="USER", help="Only this user's memories.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(get_args(Kind)),
    default="jsonl",
    help="JSON Lines, or CSV for a spreadsheet.",
)
@click.option("--vectors", is_flag=True, help="Include the vectors (jsonl only).")
@click.option("--history", is_flag=True, help="Include earlier texts (jsonl only).")
@click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=str),
    default=_STDOUT,
    help="The file to write, with a manifest beside it; - is stdout.",
)
@where_option
@click.option("--resume", is_flag=True, help="Continue an interrupted export to that file.")
@with_service
def export_command(service: MemoryService, target: str, resume: bool, **options: Any) -> None:
    """Export memories to a file that `import` reads."""
    if target == _STDOUT and (resume or json_wanted()):
        raise click.UsageError("--resume and --json need a file; add --output FILE")
    with progress_bar("export") as advance:
        options["on_progress"] = advance
        if target == _STDOUT:
            export_stream(service, sys.stdout.buffer, **options)
            return
        report = export_memories(service, Path(target), resume=resume, **options)
    output(render.export_document, render.export_text, report)


@cli.command("import")
@click.argument("file", type=EXISTING_FILE)
@click.option(
    "--existing",
    type=click.Choice(get_args(Existing)),
    default="skip",
    help="What to do with a memory whose id or text is stored already.",
)
@click.option("--user", "user_id", metavar="USER", help="Import every memory as this user's.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be done.")
@click.option("--partial", is_flag=True, help="Import what can be read of an incomplete file.")
@click.option(
    "--include-inactive",
    "inactive",
    is_flag=True,
    help="Import what the other system has deleted, archived or paused, too.",
)
@with_service
def import_command(service: MemoryService, file: Path, **options: Any) -> None:
    """Import memories from a file, and verify that they arrived.

    FILE is an export, or one of mem0, OpenMemory, Letta, Zep or Supermemory: JSON, lines of JSON
    or a table, also as .gz or .zip. Repeating an import is safe. The exit code is 1 if a memory
    was refused, or could not be verified.
    """
    with progress_bar("import") as advance:
        report = import_memories(service, file, on_progress=advance, **options)
    output(render.import_document, render.import_text, report, passed=report.ok)


@cli.group()
def migrate() -> None:
    """Copy memories from another store into the one in use.

    \b
    SOURCE is one of:
      local                         the local disk of this installation
      chroma:FOLDER[#COLLECTION]    a ChromaDB folder
      chroma-http://HOST:PORT       a ChromaDB server
      s3vectors:BUCKET/INDEX        an index of S3 Vectors
      jsonl:FILE                    an export, ours or another system's
      history:FILE                  mem0's history.db

    The source is never changed. To copy memories out of the store in use, use `export`.
    """


def _check_target(ctx: click.Context, parameter: click.Parameter, target: str | None) -> None:
    """Refuse a target other than the service in use; `--to` remains for old scripts."""
    if target is None:
        return
    settings = Settings.from_env()
    in_use = address_of(select_backend(settings, open_embedder(settings)))
    if target not in ("here", in_use):
        raise click.UsageError(
            f"memories go to the service in use, {in_use}, not to {target!r}; to take them "
            "elsewhere, use `export`"
        )


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all three commands share."""

    @click.option("--from", "source", metavar="SOURCE", required=True, help="What to copy from.")
    @click.option("--to", callback=_check_target, expose_value=False, hidden=True)
    @click.option("--user", metavar="USER", help="The owner of memories that name no user.")
    @click.option("--history", type=FILE, help="mem0's history.db, to migrate histories as well.")
    @click.option(
        "--conflicts",
        type=click.Choice(get_args(Verdict)),
        help="Settle all conflicts: keep what is here, take the source's, or both.",
    )
    @click.option(
        "--decide", multiple=True, metavar="ID=VERDICT", help="Settle one conflict; repeatable."
    )
    @with_service
    @wraps(command)
    def run(*args: Any, decide: tuple[str, ...], conflicts: Verdict | None, **options: Any) -> None:
        command(*args, verdicts=Verdicts(dict(map(_verdict, decide)), conflicts), **options)

    return run


@migrate.command("plan")
@_options
def plan_command(service: MemoryService, /, source: str, **options: Any) -> None:
    """Show what `apply` would do, and how long it would take."""
    with progress_bar("plan") as advance:
        planned = plan(service, source, on_progress=advance, **options)
    output(render.plan_document, render.plan_text, planned, passed=not planned.failed)


@migrate.command("apply")
@click.option("--receipt", type=FILE, help="Verify afterwards, and write the receipt here.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_options
def apply_command(
    service: MemoryService, /, source: str, receipt: Path | None, yes: bool, **options: Any
) -> None:
    """Copy the memories that are missing here. Repeating it is safe."""
    if not yes and not json_wanted():
        click.confirm(f"Copy the memories of {source} to the service in use?", abort=True, err=True)
    with progress_bar("migrate") as advance:
        report = apply(service, source, on_progress=advance, **options)
    verified = True
    if receipt:
        proof = verify(service, source, **options)
        _write_receipt(service, proof, receipt)
        verified = proof.verified
    output(render.report_document, render.report_text, report, passed=report.ok and verified)


@migrate.command("verify")
@click.option("--receipt", type=FILE, help="Write the receipt here.")
@_options
def verify_command(
    service: MemoryService, /, source: str, receipt: Path | None, **options: Any
) -> None:
    """Compare every memory of the source with the service in use."""
    with progress_bar("verify") as advance:
        proof = verify(service, source, on_progress=advance, **options)
    if receipt:
        _write_receipt(service, proof, receipt)
    output(render.verification_document, render.verification_text, proof, passed=proof.verified)


def _verdict(decision: str) -> tuple[str, Verdict]:
    memory_id, _, word = decision.rpartition("=")
    for verdict in get_args(Verdict):
        if word == verdict and memory_id:
            return memory_id, verdict
    raise click.UsageError(f"--decide {decision!r} is invalid; use ID=keep, ID=take or ID=both")


def _write_receipt(service: MemoryService, proof: Verification, path: Path) -> None:
    content = to_json(make_receipt(proof, service.settings)) + "\n"
    advice = "the migration is not affected; repeat `migrate verify` with another --receipt"
    with file_errors(path, "written", advice):
        path.write_text(content, "utf-8")
