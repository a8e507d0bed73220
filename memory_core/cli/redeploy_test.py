"""The redeploy test: simulated, or around a real deployment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from ..redeploy_test import (
    DEFAULT_PROBES,
    Level,
    Report,
    StepDone,
    TestReceipt,
    Verdict,
    begin,
    from_code,
    from_file,
    simulate,
    to_code,
    to_file,
    verify,
)
from ..render import redeploy_test as render_redeploy
from ..service import MemoryService
from ..settings import Settings
from .base import EXIT_CHECK_FAILED, cli, json_option, output, with_service

_probes = click.option(
    "--probes", default=DEFAULT_PROBES, show_default=True, help="How many memories to write."
)


@cli.group("redeploy-test")
def redeploy_test() -> None:
    """Prove that memories survive a deployment, or see which do not.

    The exit code is 0 for PASS alone.
    """


@redeploy_test.command("simulate")
@click.option("--level", type=click.Choice(get_args(Level)), default="redeploy", show_default=True)
@_probes
@json_option
@click.pass_context
def simulate_command(ctx: click.Context, level: Level, probes: int, as_json: bool) -> None:
    """Let a deployment happen in seconds, in processes and on a disk of its own."""
    report = simulate(level, probes, on_step=_teller(as_json))
    _conclude(ctx, report, as_json)


@redeploy_test.command("begin")
@click.option(
    "--receipt",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where to write the receipt; keep it where the deployment does not reach.",
)
@_probes
@json_option
@with_service
@click.pass_context
def begin_command(
    ctx: click.Context, service: MemoryService, receipt: Path, probes: int, as_json: bool
) -> None:
    """Write probes before a real deployment, and a receipt to verify them with afterwards."""

    def keep(state: TestReceipt) -> None:
        staged = receipt.with_name(f".{receipt.name}.new")
        try:
            staged.write_bytes(to_file(state, service.settings))
            os.replace(staged, receipt)
        except OSError as exc:
            raise click.BadParameter(
                f"{str(receipt)!r} cannot be written: {exc.strerror}", param_hint="--receipt"
            ) from exc

    done = begin(service, probes, on_receipt=keep, on_step=_teller(as_json))
    complete = len(done.acknowledged) == done.count
    code = to_code(done, service.settings) if complete else None
    document = {
        "run": done.run,
        "probes": done.count,
        "acknowledged": len(done.acknowledged),
        "receipt": str(receipt),
        "code": code,
    }
    told = (
        f"Stored {len(done.acknowledged)} of {done.count} probes. Now deploy, then run\n\n"
        f"    python -m memory_core redeploy-test verify --receipt {receipt}"
    )
    output(document, told + (f"\n\nor give the code {code}" if code else ""), as_json=as_json)
    if not complete:
        ctx.exit(EXIT_CHECK_FAILED)


@redeploy_test.command("verify")
@click.option("--receipt", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--code", help="The code that `begin` gave, in place of the receipt.")
@json_option
@click.pass_context
def verify_command(
    ctx: click.Context, receipt: Path | None, code: str | None, as_json: bool
) -> None:
    """Look after a deployment what became of the probes, and clean up."""
    if (receipt is None) == (code is None):
        raise click.UsageError("give either --receipt FILE or --code CODE")
    settings = Settings.from_env()
    if receipt:
        begun = from_file(receipt.read_bytes(), settings)
    else:
        begun = from_code(code or "", settings)
    _conclude(ctx, verify(begun, settings, on_step=_teller(as_json)), as_json)


def _conclude(ctx: click.Context, report: Report, as_json: bool) -> None:
    document = render_redeploy.report_document(report)
    output(document, render_redeploy.report_text(report), as_json=as_json)
    if report.verdict is not Verdict.PASS:
        ctx.exit(EXIT_CHECK_FAILED)


def _teller(as_json: bool) -> Callable[[StepDone], Any]:
    """Say on stderr what is under way, where somebody looks on."""

    def tell(step: StepDone) -> None:
        if as_json:
            return
        if step.ms is None:
            click.echo(f"  ..  {step.name}: {step.detail}", err=True)
        else:
            click.echo(f"  {'--' if step.failed else 'ok'}  {step.name}, {step.ms:,} ms", err=True)

    return tell
