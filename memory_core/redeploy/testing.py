"""A test of a real deployment: begun before it, verified after it, by whatever process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ulid import ULID

from ..errors import BackendError, EntryExists, InvalidMemory, LedgerError, SettingsError
from ..identity import is_probe
from ..objects import ObjectStore
from ..service import MemoryService, open_service
from ..settings import Settings
from .evidence import (
    has_canary,
    missing_users,
    put_canary,
    remove_canary,
    take_census,
    take_evidence,
)
from .judging import judge, survived
from .probes import MOST, look, make_probes, probe_users, run_of, strangers, write
from .receipts import Receipt, begin_receipt, from_file, to_file
from .values import (
    Control,
    Observation,
    OnStep,
    ProbeResult,
    Report,
    State,
    StepDone,
    Verdict,
    report_from,
    to_json,
)

ROOT = "redeploy/v1/"
DEFAULT_PROBES = 12
_LOOKS = 3
_PAUSE_S = 1.0
_KEPT = 200

OnReceipt = Callable[[Receipt], None]


def ignore(_: Any) -> None:
    """Take no notice."""


def begin(
    service: MemoryService,
    count: int = DEFAULT_PROBES,
    *,
    on_receipt: OnReceipt = ignore,
    on_step: OnStep = ignore,
) -> Receipt:
    """Write the probes and read each back; `on_receipt` is given every state of the receipt.

    The receipt is all that `verify` needs; it is also left in object storage, so that the next
    deployment can verify by itself.

    Raises:
        InvalidMemory: `count` is not 1 to 200.
        BackendError: the storage cannot be written.
    """
    if not 1 <= count <= MOST:
        raise InvalidMemory(f"{count} probes were asked for; there can be 1 to {MOST}")
    with step(on_step, "Note where memories are", "storage, embedder, deployment"):
        run, settings = str(ULID()), service.settings
        receipt = begin_receipt(
            run, count, _now(), take_evidence(service), take_census(service.parts.ledger)
        )
        put_canary(settings, run)
        on_receipt(receipt)
    with step(on_step, "Write the probes", f"{count} memories, each read by id, list and question"):
        for probe in make_probes(run, count):
            if write(service, probe):
                receipt = receipt.with_acknowledged(probe.number)
                on_receipt(receipt)
    _objects(service).put_if_absent(_begun(run), to_file(receipt, settings))
    return receipt


def observe(service: MemoryService, receipt: Receipt) -> Observation:
    """Look what became of the probes; what seems lost is looked for three times."""
    probes = receipt.probes
    results = {one.number: one for one in look(service, probes)}
    for _ in range(_LOOKS - 1):
        missing = [one for one in probes if results[one.number].state is State.LOST]
        if not missing or len(missing) == len(probes):
            break
        time.sleep(_PAUSE_S)
        for again in look(service, missing):
            if again.state is not State.LOST:
                results[again.number] = _late(again)
    known = set(receipt.acknowledged)
    found = [one if one.number in known else _never(one) for one in results.values()]
    census = take_census(service.parts.ledger)
    return Observation(
        evidence=take_evidence(service),
        results=(*found, *strangers(service, receipt.run, probes)),
        census=census,
        canary=has_canary(service.settings, receipt.run),
        missing_users=missing_users(service.parts.ledger, receipt.census, receipt.run)
        if receipt.census
        else 0,
    )


def verify(
    receipt: Receipt, settings: Settings | None = None, *, on_step: OnStep = ignore
) -> Report:
    """Look with a service of its own what became of the probes, judge, keep the report, clean up.

    After INCONCLUSIVE (the storage cannot be read, no new deployment was seen) nothing is kept and
    nothing cleaned up: the test goes on, and can be verified again or abandoned.
    """
    settings = settings or Settings.from_env()
    try:
        with open_service(settings) as service:
            known = _report(_objects(service), receipt.run)
            if known:
                return known
            with step(on_step, "Look for the probes", "by id, list and question"):
                seen = observe(service, receipt)
            report = make_report(receipt, seen)
            if report.verdict is Verdict.INCONCLUSIVE:
                return report
            kept = keep(service, report)
            with step(on_step, "Clean up", "forget the probes and count again"):
                left = clean_up(service, receipt.run)
            return replace(kept, left_behind=left)
    except (BackendError, LedgerError, SettingsError) as exc:
        return make_report(receipt, Observation(None, error=str(exc)))


def make_report(
    receipt: Receipt, seen: Observation, *, level: str = "", control: Control | None = None
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
        census_before=receipt.census,
        census_after=seen.census,
        control=control,
    )


def clean_up(service: MemoryService, run: str) -> int:
    """Forget all that a test wrote; return how much of it a recount still finds."""
    left = 0
    for user_id in probe_users(run):
        left += service.forget_user(user_id).left or 0
        left += len(service.list_memories(user_id))
    remove_canary(service.settings, run)
    _objects(service).delete([_begun(run)])
    return left


def abandon(service: MemoryService, run: str) -> int:
    """End a test without a verdict; return how much of it a recount still finds."""
    return clean_up(service, run)


def keep(service: MemoryService, report: Report) -> Report:
    """Keep a report for the timeline; of two of one test the first counts."""
    objects = _objects(service)
    data = json.dumps(to_json(report), ensure_ascii=False).encode()
    try:
        objects.put_if_absent(_kept(report.run), data)
    except EntryExists:
        return _report(objects, report.run) or report
    return report


def reports(service: MemoryService) -> list[Report]:
    """Return the newest reports, at most 200, newest first."""
    objects = _objects(service)
    keys = [key for key in objects.list(ROOT) if key.endswith(".report.json")][-_KEPT:]
    found = objects.get_many(keys)
    return [report_from(json.loads(found[key])) for key in reversed(keys) if key in found]


def pending(service: MemoryService) -> list[Receipt]:
    """Return the tests that were begun here and not verified yet, oldest first."""
    objects = _objects(service)
    keys = [key for key in objects.list(ROOT) if key.endswith(".begun.json")]
    found = objects.get_many(keys)
    return [from_file(found[key], service.settings) for key in keys if key in found]


def leftovers(service: MemoryService) -> list[str]:
    """Return the ids of tests whose probes are still stored though nobody waits for them."""
    waiting = {receipt.run for receipt in pending(service)}
    found = {
        run_of(view.user_id): None
        for view in service.parts.ledger.users()
        if is_probe(view.user_id) and view.live
    }
    return [run for run in found if run not in waiting]


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
    return replace(found, state=State.STALE, detail="it was there only at a later look")


def _never(found: ProbeResult) -> ProbeResult:
    there = "" if found.state is State.LOST else "; it is there all the same"
    return replace(found, state=State.NEVER, detail=f"it was not read back before{there}")


def _objects(service: MemoryService) -> ObjectStore:
    return service.parts.backend.objects


def _report(objects: ObjectStore, run: str) -> Report | None:
    data = objects.get(_kept(run))
    return report_from(json.loads(data)) if data else None


def _begun(run: str) -> str:
    return f"{ROOT}{run}.begun.json"


def _kept(run: str) -> str:
    return f"{ROOT}{run}.report.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
