"""The commands that bring memories along from elsewhere, and prove it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click

from .. import migration, render, render_migration
from ..backend import select_backend
from ..embedders import open_embedder
from ..errors import MigrationError
from ..intake import Verdict, Verdicts
from ..service import MemoryService
from ..settings import Settings
from .base import EXIT_CHECK_FAILED, cli, json_option, output, progress_bar, with_service

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
    in_use = migration.address_of(select_backend(settings, open_embedder(settings)))
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
        plan = migration.plan(service, source, on_progress=advance, **options)
    output(render_migration.plan_document(plan), render_migration.plan_text(plan), as_json=as_json)
    if plan.failed:
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
        report = migration.apply(service, source, on_progress=advance, **options)
    verified = _write_receipt(service, source, receipt, options) if receipt else True
    output(
        render_migration.report_document(report),
        render_migration.report_text(report),
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
        proof = migration.verify(service, source, on_progress=advance, **options)
    if receipt:
        _write(receipt, migration.make_receipt(proof, service.settings))
    output(
        render_migration.verification_document(proof),
        render_migration.verification_text(proof),
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
    proof = migration.verify(service, source, **options)
    _write(receipt, migration.make_receipt(proof, service.settings))
    return proof.verified


def _write(path: Path, receipt: dict[str, Any]) -> None:
    try:
        path.write_text(render.to_json(receipt) + "\n", "utf-8")
    except OSError as exc:
        raise MigrationError(
            f"could not write the receipt {str(path)!r}: {exc.strerror or exc}; the migration is "
            "done, repeat it with `migrate verify --receipt`"
        ) from exc
