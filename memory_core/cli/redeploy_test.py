"""The redeploy test: simulated, or around a real deployment."""

from pathlib import Path
from typing import get_args

import click

from ..redeploy_test import (
    DEFAULT_PROBES,
    Level,
    RedeployReceipt,
    Report,
    StepDone,
    Verdict,
    begin,
    from_code,
    from_file,
    simulate,
    to_code,
    verify,
    write_receipt,
)
from ..render import redeploy_test as render
from ..service import MemoryService
from ..settings import Settings
from .base import (
    EXISTING_FILE,
    FILE,
    cli,
    file_errors,
    json_option,
    json_wanted,
    output,
    with_service,
)

_probes = click.option("--probes", default=DEFAULT_PROBES, help="Number of memories to write.")


@cli.group("redeploy-test")
def redeploy_test() -> None:
    """Prove that memories survive a deployment.

    Probes are written, the deployment happens, and the probes are read back. The exit code is 0
    for the verdict PASS only.
    """


@redeploy_test.command("simulate")
@click.option(
    "--level", type=click.Choice(get_args(Level)), default="redeploy", help="The event to simulate."
)
@_probes
@json_option
def simulate_command(level: Level, probes: int) -> None:
    """Simulate a deployment with its own processes and disk."""
    _conclude(simulate(level, probes, on_step=_show_step))


@redeploy_test.command("begin")
@click.option(
    "--receipt",
    type=FILE,
    required=True,
    help="Where to write the receipt; keep it out of the deployment's reach.",
)
@_probes
@with_service
def begin_command(service: MemoryService, receipt: Path, probes: int) -> None:
    """Write probes and a receipt before a real deployment."""

    def keep(state: RedeployReceipt) -> None:
        with file_errors(receipt, "written", "name another file with --receipt"):
            write_receipt(state, receipt, service.settings)

    begun = begin(service, probes, on_receipt=keep, on_step=_show_step)
    complete = len(begun.acknowledged) == begun.count
    code = to_code(begun, service.settings) if complete else None
    output(render.begun_document, render.begun_text, begun, str(receipt), code, passed=complete)


@redeploy_test.command("verify")
@click.option("--receipt", type=EXISTING_FILE, help="The receipt that `begin` wrote.")
@click.option("--code", help="The code that `begin` printed, in place of the receipt.")
@json_option
def verify_command(receipt: Path | None, code: str | None) -> None:
    """Look for the probes after the deployment, and remove them."""
    if (receipt is None) == (code is None):
        raise click.UsageError("give either --receipt FILE or --code CODE")
    settings = Settings.from_env()
    begun = (
        from_file(receipt.read_bytes(), settings) if receipt else from_code(code or "", settings)
    )
    _conclude(verify(begun, settings, on_step=_show_step))


@redeploy_test.command("watch")
@with_service
def watch_command(service: MemoryService) -> None:
    """Check the standing proof now; the first check stores its probes.

    With MEMORY_WATCH=15m the application does so by itself.
    """
    proof = service.check_proof()
    output(render.proof_document, render.proof_text, proof, passed=proof.well)


@redeploy_test.command("proof")
@with_service
def proof_command(service: MemoryService) -> None:
    """Show the standing proof: since when, the last check, losses."""
    proof = service.proof()
    output(render.proof_document, render.proof_text, proof, passed=proof is not None and proof.well)


def _conclude(report: Report) -> None:
    passed = report.verdict is Verdict.PASS
    output(render.report_document, render.report_text, report, passed=passed)


def _show_step(step: StepDone) -> None:
    """Show a step on stderr, unless JSON was asked for."""
    if json_wanted():
        return
    if step.ms is None:
        click.echo(f"  ..  {step.name}: {step.detail}", err=True)
    else:
        click.echo(f"  {'--' if step.failed else 'ok'}  {step.name}, {step.ms:,} ms", err=True)
