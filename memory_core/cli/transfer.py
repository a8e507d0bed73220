"""The commands that write memories to a file, and read them back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click

from ..embedders import open_embedder
from ..errors import MigrationError
from ..render import transfer
from ..render.text import to_json
from ..service import MemoryService
from ..settings import Settings
from ..storage.backend import select_backend
from ..transfer import (
    Existing,
    Kind,
    Verdict,
    Verdicts,
    address_of,
    apply,
    export_memories,
    export_stream,
    import_memories,
    make_receipt,
    plan,
    verify,
)
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
    document = transfer.export_document(report)
    output(document, transfer.export_text(report), as_json=as_json)


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
    document = transfer.import_document(report)
    output(document, transfer.import_text(report), as_json=as_json)
    if not report.ok:
        ctx.exit(EXIT_CHECK_FAILED)


_FILE = click.Path(dir_okay=False, path_type=Path)


@cli.group()
def migrate() -> None:
    """Bring memories along from ChromaDB, S3 Vectors, an export or mem0's history.

    SOURCE is chroma:FOLDER[#COLLECTION], chroma-http://HOST:PORT, s3vectors:BUCKET/INDEX,
    jsonl:FILE, history:FILE or local (the local disk of this installation). Memories go to the
    service in use; to take them out of it, use `export`.
    """


def _check_target(ctx: click.Context, parameter: click.Parameter, target: str | None) -> None:
    """Refuse a target other than the service in use, which memories go to without it."""
    if target is None:
        return
    settings = Settings.from_env()
    in_use = address_of(select_backend(settings, open_embedder(settings)))
    if target not in ("here", in_use):
        raise click.UsageError(
            f"memories go to the service in use, {in_use}, and not to {target!r}; to take them "
            "elsewhere use `export`"
        )


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what all three commands take."""
    for option in (
        json_option,
        click.option(
            "--decide",
            multiple=True,
            metavar="ID=VERDICT",
            help="Decide over one conflict; may be given often.",
        ),
        click.option(
            "--conflicts",
            type=click.Choice(get_args(Verdict)),
            help="Decide over all conflicts: keep what is here, take theirs, or both.",
        ),
        click.option("--history", type=_FILE, help="mem0's history.db, for what happened before."),
        click.option("--user", help="Whose memories those are that name nobody."),
        click.option("--to", callback=_check_target, expose_value=False, hidden=True),
        click.option("--from", "source", required=True, help="Where the memories are."),
    ):
        command = option(command)

    @wraps(command)
    def run(*args: Any, decide: tuple[str, ...], conflicts: Verdict | None, **more: Any) -> None:
        command(*args, verdicts=Verdicts(dict(map(_verdict, decide)), conflicts), **more)

    return run


@migrate.command("plan")
@_options
@with_service
@click.pass_context
def plan_command(
    ctx: click.Context, /, service: MemoryService, source: str, as_json: bool, **options: Any
) -> None:
    """Say what `apply` would do, how long it takes; nothing is written."""
    with progress_bar("plan", as_json=as_json) as advance:
        planned = plan(service, source, on_progress=advance, **options)
    output(transfer.plan_document(planned), transfer.plan_text(planned), as_json=as_json)
    if planned.failed:
        ctx.exit(EXIT_CHECK_FAILED)


@migrate.command("apply")
@click.option("--receipt", type=_FILE, help="Verify afterwards, and write the receipt here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_options
@with_service
@click.pass_context
def apply_command(
    ctx: click.Context,
    /,
    service: MemoryService,
    source: str,
    as_json: bool,
    receipt: Path | None,
    yes: bool,
    **options: Any,
) -> None:
    """Copy what is not there yet and read it back; safe to repeat, the source is not changed."""
    if not yes and not as_json:
        click.confirm(f"Copy the memories of {source} to the service in use?", abort=True, err=True)
    with progress_bar("migrate", as_json=as_json) as advance:
        report = apply(service, source, on_progress=advance, **options)
    verified = _write_receipt(service, source, receipt, options) if receipt else True
    output(
        transfer.report_document(report),
        transfer.report_text(report),
        as_json=as_json,
    )
    if not (report.ok and verified):
        ctx.exit(EXIT_CHECK_FAILED)


@migrate.command("verify")
@click.option("--receipt", type=_FILE, help="Write the receipt here.")
@_options
@with_service
@click.pass_context
def verify_command(
    ctx: click.Context,
    /,
    service: MemoryService,
    source: str,
    as_json: bool,
    receipt: Path | None,
    **options: Any,
) -> None:
    """Compare every memory of the source with the service in use, by id and content."""
    with progress_bar("verify", as_json=as_json) as advance:
        proof = verify(service, source, on_progress=advance, **options)
    if receipt:
        _write(receipt, make_receipt(proof, service.settings))
    output(
        transfer.verification_document(proof),
        transfer.verification_text(proof),
        as_json=as_json,
    )
    if not proof.verified:
        ctx.exit(EXIT_CHECK_FAILED)


def _verdict(given: str) -> tuple[str, Verdict]:
    memory_id, _, word = given.rpartition("=")
    for verdict in get_args(Verdict):
        if word == verdict and memory_id:
            return memory_id, verdict
    raise click.UsageError(f"--decide {given!r} is no decision; use ID=keep, ID=take or ID=both")


def _write_receipt(
    service: MemoryService, source: str, receipt: Path, options: dict[str, Any]
) -> bool:
    proof = verify(service, source, **options)
    _write(receipt, make_receipt(proof, service.settings))
    return proof.verified


def _write(path: Path, receipt: dict[str, Any]) -> None:
    try:
        path.write_text(to_json(receipt) + "\n", "utf-8")
    except OSError as exc:
        raise MigrationError(
            f"could not write the receipt {str(path)!r}: {exc.strerror or exc}; the migration is "
            "done, repeat it with `migrate verify --receipt`"
        ) from exc
