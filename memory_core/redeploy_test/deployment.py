"""A test of a real deployment: begun before it, verified after it, by any process.

The deployment itself can be started by Render's deploy hook, an address that takes a POST.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ulid import ULID

from ..activity import noted, recording
from ..errors import (
    BackendError,
    BackendUnavailable,
    InvalidMemory,
    LedgerError,
    NotIndexed,
    SettingsError,
)
from ..model.counting import OnStep, StepDone, counted
from ..model.records import Kind
from ..service import MemoryService, open_service
from ..settings import Settings
from ..watch.alerts import post
from .evidence import compare_users, has_canary, put_canary, real_users, take_census, take_evidence
from .probes import DEFAULT_PROBES, MOST, look, make_probes, probe_users, unexpected, write
from .receipt import RedeployReceipt, begin_receipt, receipt_key, to_file
from .records import clean_up_judged, completed, keep, key_of, objects_of, remains_of, report_of
from .report import Control, Observation, Probe, ProbeResult, ProbeState, Report, Verdict
from .verdict import judge, survived

_LOOKS = 3
_PAUSE_S = 1.0
_GIVE_UP_AFTER = 3
_HOOK_TIMEOUT_S = 20.0

OnReceipt = Callable[[RedeployReceipt], None]


def ignore(_: Any) -> None:
    """Do nothing."""


@noted("test", lambda begun: f"Before a real deployment, {counted(begun.count, 'probe')}", of=None)
def begin(
    service: MemoryService,
    count: int = DEFAULT_PROBES,
    *,
    on_receipt: OnReceipt = ignore,
    on_step: OnStep = ignore,
    leave: bool = True,
) -> RedeployReceipt:
    """Write the probes and read each back; `on_receipt` gets every state of the receipt.

    The receipt is all that `verify` needs. Unless `leave` is False it is also stored with the
    ledger, so that the next deployment can verify by itself. A probe that could not be indexed or
    found is not acknowledged; the third indexing failure in a row ends the test.

    Raises:
        InvalidMemory: `count` is not 1 to 200.
        BackendError, NotIndexed: the storage cannot be written.
    """
    if not 1 <= count <= MOST:
        raise InvalidMemory(f"{counted(count, 'probe')} asked for; there can be 1 to {MOST}")
    with step(on_step, "Note where memories are", "storage, embedder, deployment"):
        run, settings = str(ULID()), service.settings
        real = real_users(service.parts.ledger.tolerant())
        census = take_census(real, receipt_key(settings))
        receipt = begin_receipt(run, count, _now(), take_evidence(service), census)
        on_receipt(receipt)
        put_canary(settings, run)
        objects_of(service).put_if_absent(key_of(run, "busy"), b"{}")
    with step(
        on_step,
        "Write the probes",
        f"{counted(count, 'memory')}, each read by id, list and question",
    ):
        for number in _acknowledged(service, make_probes(run, count)):
            receipt = replace(receipt, acknowledged=(*receipt.acknowledged, number))
            on_receipt(receipt)
    if leave:
        objects = objects_of(service)
        objects.put_if_absent(key_of(run, "begun"), to_file(receipt, settings))
        objects.delete([key_of(run, "busy")])
    return receipt


def observe(service: MemoryService, receipt: RedeployReceipt) -> Observation:
    """Look for the probes, and compare a sample of real users' memories.

    Probes that seem lost are looked for three times. If all is well, `verify` sends at most
    7 n + 2 m + 60 requests for n probes and m memories, and one for each 1,000 entries.
    """
    probes, acknowledged = receipt.probes, set(receipt.acknowledged)
    results = {result.number: result for result in look(service, probes)}
    for _ in range(_LOOKS - 1):
        missing = [
            probe
            for probe in probes
            if probe.number in acknowledged and results[probe.number].state is ProbeState.LOST
        ]
        everything = len(missing) == len(acknowledged)
        if not missing or (everything and not _has_ended(service, receipt.run)):
            break
        time.sleep(_PAUSE_S)
        for again in look(service, missing):
            if again.state is ProbeState.ENDED:
                results[again.number] = again
            elif again.state is not ProbeState.LOST:
                results[again.number] = replace(
                    again, state=ProbeState.STALE, detail="it was found only at a later attempt"
                )
    census, missing_users, sample = compare_users(
        service.parts, receipt.census, receipt_key(service.settings)
    )
    of_probes = [
        result if result.number in acknowledged else _never(result) for result in results.values()
    ]
    return Observation(
        evidence=take_evidence(service),
        results=(*of_probes, *unexpected(service, receipt.run, probes)),
        census=census,
        canary=has_canary(service.settings, receipt.run, receipt.evidence),
        missing_users=missing_users,
        ended=_has_ended(service, receipt.run),
        sample=sample,
    )


def verify(
    receipt: RedeployReceipt, settings: Settings | None = None, *, on_step: OnStep = ignore
) -> Report:
    """Look for the probes with a new service, judge, store the report and clean up.

    After INCONCLUSIVE (the storage cannot be read, no new deployment was seen) nothing is kept or
    cleaned up: the test goes on, and can be verified again or abandoned. A test has one report,
    however often it is verified; a clean-up that failed is repeated the next time.
    """
    settings = settings or Settings.from_env()
    kept: Report | None = None
    try:
        with (
            open_service(settings, migrate=False) as service,
            recording(service.activity, "test") as operation,
        ):
            operation.detail = f"After the deployment, {counted(receipt.count, 'probe')}"
            objects = objects_of(service)
            kept = report_of(objects, receipt.run)
            if kept:
                return _made_up_for(service, receipt, kept)
            receipt = completed(objects, receipt, settings)
            with step(on_step, "Look for the probes", "by id, list and question"):
                observation = observe(service, receipt)
            report = make_report(receipt, observation)
            if report.verdict is Verdict.INCONCLUSIVE:
                # Another process may have judged it and cleaned up meanwhile.
                return report_of(objects, receipt.run) or report
            kept = keep(objects, report)
            with step(on_step, "Clean up", "forget the probes and count again"):
                left = clean_up_judged(service, receipt)
            return replace(kept, left_behind=left)
    except (BackendError, LedgerError, SettingsError) as exc:
        # A stored verdict stands, even if the clean-up fails.
        return kept or make_report(receipt, Observation(None, error=str(exc)))


def _made_up_for(service: MemoryService, receipt: RedeployReceipt, kept: Report) -> Report:
    """Finish an interrupted clean-up; return the stored report with what was left."""
    remains = remains_of(service, receipt.run)
    if not remains:
        return kept
    left = clean_up_judged(service, receipt)
    headline = (
        f"An earlier check was cut off, or is still running, and had left {remains}; a recount "
        f"after the clean-up finds {counted(left, 'item')}."
    )
    return replace(kept, left_behind=left, headlines=(*kept.headlines, headline))


def make_report(
    receipt: RedeployReceipt,
    observation: Observation,
    *,
    level: str = "",
    control: Control | None = None,
) -> Report:
    """Judge the observations and build the report."""
    verdict, reason, headlines = judge(receipt, observation, level=level, control=control)
    return Report(
        run=receipt.run,
        level=level or "deployment",
        verdict=verdict,
        reason=reason,
        headlines=headlines,
        written=len(receipt.acknowledged),
        survived=survived(observation.results),
        probes=observation.results,
        begun_at=receipt.begun_at,
        ended_at=_now(),
        before=receipt.evidence,
        after=observation.evidence,
        census_before=receipt.census.totals if receipt.census else None,
        census_after=observation.census.totals if observation.census else None,
        control=control,
        sample=observation.sample,
    )


def start_deployment(settings: Settings) -> None:
    """Ask the host for a new deployment of the latest commit.

    Raises:
        SettingsError: there is no hook, or its address is not https (http only on this machine).
        BackendUnavailable: the host did not accept it; the address is a secret and is not shown.
    """
    import urllib3

    url = settings.deployment.hook_url
    if not url:
        raise SettingsError(
            "RENDER_DEPLOY_HOOK_URL is not set; copy the deploy hook from the service's settings "
            "on Render, or start the deployment there"
        )
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise SettingsError("RENDER_DEPLOY_HOOK_URL is not an https address; copy it from Render")
    failure = "did not answer"
    with suppress(urllib3.exceptions.HTTPError, OSError):
        # A redirect would turn the POST into a GET, which starts nothing.
        if (status := post(url, b"", _HOOK_TIMEOUT_S)) < 300:
            return
        failure = f"answered {status}"
    raise BackendUnavailable(
        f"the deploy hook {failure}, so no deployment was started; check RENDER_DEPLOY_HOOK_URL, "
        "or start the deployment on the host",
        backend="render",
        operation="deploy",
    )


@contextmanager
def step(on_step: OnStep, name: str, detail: str = "") -> Iterator[None]:
    """Report a step when it begins, and with its time when it ends."""
    on_step(StepDone(name, detail))
    started, failed = time.monotonic(), True
    try:
        yield
        failed = False
    finally:
        ms = round((time.monotonic() - started) * 1000)
        on_step(StepDone(name, detail, ms, failed=failed))


def _has_ended(service: MemoryService, run: str) -> bool:
    """Return whether the users of the test were forgotten in the meantime."""
    return any(
        entry.kind is Kind.FORGET
        for user_id in probe_users(run)
        for entry in service.parts.ledger.tolerant().view(user_id).entries
    )


def _never(result: ProbeResult) -> ProbeResult:
    present = "" if result.state is ProbeState.LOST else ", but it is there"
    return replace(result, state=ProbeState.NEVER, detail=f"it was not read back before{present}")


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
