"""A test of a real deployment: begun before it, verified after it, by whatever process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ulid import ULID

from ..activity import noted, recording
from ..errors import BackendError, InvalidMemory, LedgerError, NotIndexed, SettingsError
from ..model.progress import OnStep, StepDone
from ..model.records import Kind
from ..service import MemoryService, open_service
from ..settings import Settings
from .evidence import has_canary, missing_users, put_canary, take_census, take_evidence
from .probes import MOST, counted_probes, look, make_probes, probe_users, strangers, write
from .receipt import TestReceipt, begin_receipt, to_file
from .records import (
    begun_key,
    busy_key,
    clean_up,
    completed,
    keep,
    note_cleaned,
    objects_of,
    remains,
    report_of,
)
from .report import Control, Observation, Probe, ProbeResult, ProbeState, Report, Verdict
from .verdict import judge, survived

DEFAULT_PROBES = 12
_LOOKS = 3
_PAUSE_S = 1.0
_GIVE_UP_AFTER = 3

OnReceipt = Callable[[TestReceipt], None]


def ignore(_: Any) -> None:
    """Take no notice."""


@noted(
    "test", lambda receipt: f"Before a real deployment, {counted_probes(receipt.count)}", of=None
)
def begin(
    service: MemoryService,
    count: int = DEFAULT_PROBES,
    *,
    on_receipt: OnReceipt = ignore,
    on_step: OnStep = ignore,
    leave: bool = True,
) -> TestReceipt:
    """Write the probes and read each back; `on_receipt` is given every state of the receipt.

    The receipt is all that `verify` needs; it is also left in object storage, so that the next
    deployment can verify by itself, unless `leave` is False. A probe that could not be indexed or
    found is not acknowledged; the third in a row ends the test.

    Raises:
        InvalidMemory: `count` is not 1 to 200.
        BackendError, NotIndexed: the storage cannot be written.
    """
    if not 1 <= count <= MOST:
        raise InvalidMemory(f"{count} probes were asked for; there can be 1 to {MOST}")
    with step(on_step, "Note where memories are", "storage, embedder, deployment"):
        run, settings = str(ULID()), service.settings
        receipt = begin_receipt(
            run, count, _now(), take_evidence(service), take_census(service.parts.ledger)
        )
        on_receipt(receipt)
        put_canary(settings, run)
        objects_of(service).put_if_absent(busy_key(run), b"{}")
    with step(on_step, "Write the probes", f"{count} memories, each read by id, list and question"):
        for number in _acknowledged(service, make_probes(run, count)):
            receipt = receipt.with_acknowledged(number)
            on_receipt(receipt)
    if leave:
        objects_of(service).put_if_absent(begun_key(run), to_file(receipt, settings))
        objects_of(service).delete([busy_key(run)])
    return receipt


def observe(service: MemoryService, receipt: TestReceipt) -> Observation:
    """Look what became of the probes; what seems lost is looked for three times."""
    probes = receipt.probes
    results = {one.number: one for one in look(service, probes)}
    for _ in range(_LOOKS - 1):
        missing = [
            one
            for one in probes
            if one.number in receipt.acknowledged and results[one.number].state is ProbeState.LOST
        ]
        if not missing or len(missing) == len(receipt.acknowledged):
            break
        time.sleep(_PAUSE_S)
        for again in look(service, missing):
            if again.state is not ProbeState.LOST:
                results[again.number] = _late(again)
    known = set(receipt.acknowledged)
    ledger = service.parts.ledger
    found = [one if one.number in known else _never(one) for one in results.values()]
    return Observation(
        evidence=take_evidence(service),
        results=(*found, *strangers(service, receipt.run, probes)),
        census=take_census(ledger),
        canary=has_canary(service.settings, receipt.run, receipt.evidence),
        missing_users=missing_users(ledger, receipt.census) if receipt.census else 0,
        ended=any(
            entry.kind is Kind.FORGET
            for user_id in probe_users(receipt.run)
            for entry in ledger.view(user_id).entries
        ),
    )


def verify(
    receipt: TestReceipt, settings: Settings | None = None, *, on_step: OnStep = ignore
) -> Report:
    """Look with a service of its own what became of the probes, judge, keep the report, clean up.

    After INCONCLUSIVE (the storage cannot be read, no new deployment was seen) nothing is kept and
    nothing cleaned up: the test goes on, and can be verified again or abandoned. A test has one
    report, whoever verifies it how often; a clean-up that failed is made up for the next time.
    """
    settings = settings or Settings.from_env()
    kept: Report | None = None
    try:
        with (
            open_service(settings, migrate=False) as service,
            recording(service.activity, "test") as operation,
        ):
            operation.detail = f"After the deployment, {counted_probes(receipt.count)}"
            objects = objects_of(service)
            kept = report_of(objects, receipt.run)
            if kept:
                if remains(service, receipt.run):
                    clean_up(service, receipt.run, receipt.evidence)
                return kept
            receipt = completed(objects, receipt, settings)
            with step(on_step, "Look for the probes", "by id, list and question"):
                seen = observe(service, receipt)
            report = make_report(receipt, seen)
            if report.verdict is Verdict.INCONCLUSIVE:
                # Somebody else may have judged it and cleaned up while this process looked.
                return report_of(objects, receipt.run) or report
            kept = keep(objects, report)
            with step(on_step, "Clean up", "forget the probes and count again"):
                left = clean_up(service, receipt.run, receipt.evidence)
                note_cleaned(objects, receipt.run, left)
            return replace(kept, left_behind=left)
    except (BackendError, LedgerError, SettingsError) as exc:
        # A verdict that was kept stands, whatever becomes of the cleaning up.
        return kept or make_report(receipt, Observation(None, error=str(exc)))


def make_report(
    receipt: TestReceipt, seen: Observation, *, level: str = "", control: Control | None = None
) -> Report:
    """Judge what was seen and put it together."""
    verdict, reason, headlines = judge(receipt, seen, level=level, control=control)
    return Report(
        run=receipt.run,
        level=level or "deployment",
        verdict=verdict,
        reason=reason,
        headlines=headlines,
        written=len(receipt.acknowledged),
        survived=survived(seen.results),
        probes=seen.results,
        begun_at=receipt.begun_at,
        ended_at=_now(),
        before=receipt.evidence,
        after=seen.evidence,
        census_before=receipt.census.totals if receipt.census else None,
        census_after=seen.census.totals if seen.census else None,
        control=control,
    )


class step:
    """Tell of a step when it begins and when it ends, with its time."""

    def __init__(self, on_step: OnStep, name: str, detail: str = "") -> None:
        self._tell, self._name, self._detail = on_step, name, detail

    def __enter__(self) -> None:
        self._started = time.monotonic()
        self._tell(StepDone(self._name, self._detail))

    def __exit__(self, kind: object, *_: object) -> None:
        ms = round((time.monotonic() - self._started) * 1000)
        self._tell(StepDone(self._name, self._detail, ms, failed=kind is not None))


def _late(found: ProbeResult) -> ProbeResult:
    return replace(found, state=ProbeState.STALE, detail="it was there only at a later look")


def _never(found: ProbeResult) -> ProbeResult:
    there = "" if found.state is ProbeState.LOST else "; it is there all the same"
    return replace(found, state=ProbeState.NEVER, detail=f"it was not read back before{there}")


def _acknowledged(service: MemoryService, probes: list[Probe]) -> Iterator[int]:
    """Write the probes and yield the numbers of those that were read back."""
    failed = 0
    for probe in probes:
        try:
            if write(service, probe):
                yield probe.number
            failed = 0
        except NotIndexed:
            failed += 1
            if failed == _GIVE_UP_AFTER:
                raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
