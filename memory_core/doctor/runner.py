"""Runs checks one after another; none of them can stop the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

from ..activity import unnoted
from ..errors import MemoryCoreError
from .context import Context
from .registry import Check
from .values import CheckRun, Evidence, Finding, Fix, Kind, Level, OnProgress, State, masked

CRASHED = Kind(
    "doctor.E001",
    "A check could not be finished",
    "Nothing is known about this point, so a problem may be hidden behind it.",
    (Fix("Run this check again; if it lasts, send the support bundle to the developers"),),
)
CUT_OFF = Kind(
    "doctor.W001",
    "A check took too long and was cut off",
    "Nothing is known about this point; a service behind it may be slow for customers too.",
    (Fix("Run this check again by itself, and look at the network if it lasts"),),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check, how it ended, and what it found."""

    run: CheckRun
    findings: tuple[Finding, ...] = ()

    @property
    def stops_others(self) -> bool:
        return self.run.state in (State.SKIPPED, State.CRASHED, State.CUT_OFF) or any(
            one.level is Level.ERROR for one in self.findings
        )


def run_checks(
    checks: Sequence[Check], context: Context, on_progress: OnProgress | None = None
) -> Iterator[Outcome]:
    """Yield the outcome of each check, in order; needs that are not among them count as met."""
    stopped: dict[str, str] = {}
    for done, check in enumerate(checks):
        if on_progress:
            on_progress(done, len(checks), check.title)
        outcome = _outcome(check, context, stopped)
        if outcome.stops_others:
            stopped[check.name] = outcome.run.because or check.name
        yield _without_secrets(outcome, context)
    if on_progress:
        on_progress(len(checks), len(checks), "")


def _outcome(check: Check, context: Context, stopped: Mapping[str, str]) -> Outcome:
    """Run a check, or skip it; `stopped` maps checks to the one that each of them waits for."""
    for name in check.needs:
        if cause := stopped.get(name):
            reason = f"{cause} has to be solved first"
            return Outcome(CheckRun(check.name, check.title, State.SKIPPED, reason, because=cause))
    if check.backend and check.backend != context.backend.name:
        return Outcome(CheckRun(check.name, check.title, State.NOT_NEEDED))
    if check.of_index and not context.has_index:
        reason = "the first memory makes the index"
        return Outcome(CheckRun(check.name, check.title, State.NOT_NEEDED, reason))
    return _run(check, context)


def _run(check: Check, context: Context) -> Outcome:
    found: list[Finding] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            # Memories that a check writes and removes are a part of asking the doctor.
            with unnoted():
                found.extend(check.look(context))
        # The one place where everything is caught, programming errors included: a check that is
        # broken must not keep the others from being made. What it was is said in the finding.
        except BaseException as exc:
            failure.append(exc)

    started = time.monotonic()
    thread = Thread(target=work, name=f"doctor {check.name}", daemon=True)
    thread.start()
    thread.join(check.limit_s)
    cut_off = thread.is_alive()
    run = CheckRun(check.name, check.title, State.OK, ms=round((time.monotonic() - started) * 1000))
    if cut_off:
        reason = f"no answer within {check.limit_s:g} seconds"
        return _unfinished(check, replace(run, state=State.CUT_OFF, reason=reason), CUT_OFF)
    if failure:
        reason = _reason(failure[0])
        return _unfinished(check, replace(run, state=State.CRASHED, reason=reason), CRASHED)
    if any(one.level.rank >= Level.WARNING.rank for one in found):
        run = replace(run, state=State.FOUND)
    return Outcome(run, tuple(found))


def _unfinished(check: Check, run: CheckRun, kind: Kind) -> Outcome:
    finding = kind.found(f"{check.title}: {run.reason}.", Evidence("check", check.name))
    return Outcome(run, (finding,))


def _reason(exc: BaseException) -> str:
    if isinstance(exc, MemoryCoreError):
        return str(exc)
    said = " ".join(str(exc).split())
    frames = traceback.extract_tb(exc.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(exc).__name__}: {said}{place}" if said else f"{type(exc).__name__}{place}"


def _without_secrets(outcome: Outcome, context: Context) -> Outcome:
    hide = context.masker.hide
    return Outcome(
        replace(outcome.run, reason=hide(outcome.run.reason)),
        tuple(replace(masked(one, hide), check=outcome.run.name) for one in outcome.findings),
    )
