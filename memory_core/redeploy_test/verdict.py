"""From what was expected and what was seen to a verdict and the sentence that goes with it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from ..model.words import counted
from .evidence import changes, digest_of, is_elsewhere, place_digest
from .receipt import TestReceipt
from .report import Control, Installation, Observation, ProbeResult, ProbeState, Verdict

_GONE = (ProbeState.LOST, ProbeState.ALTERED, ProbeState.UNEXPECTED)
_WEAK = (ProbeState.STALE, ProbeState.DUPLICATED)
_RESTART = "restart"


class Judgement(NamedTuple):
    """A verdict, why, and what changed between the phases."""

    verdict: Verdict
    reason: str
    headlines: tuple[str, ...]


class DeploymentChange(NamedTuple):
    """Whether another deployment ran the second phase, and what shows it."""

    proven: bool
    words: str


def judge(
    receipt: TestReceipt, seen: Observation, *, level: str = "", control: Control | None = None
) -> Judgement:
    """Judge a test; `level` names what was simulated, and is empty for a real deployment."""
    if seen.evidence is None:
        return _inconclusive(f"the storage could not be read, so nothing is proven: {seen.error}")
    headlines = tuple(_headlines(receipt, seen.evidence))

    def of(verdict: Verdict, reason: str) -> Judgement:
        return Judgement(verdict, reason, headlines)

    acknowledged = [one for one in seen.results if one.state is not ProbeState.NEVER]
    count = Counter(one.state for one in acknowledged)
    written = len(receipt.acknowledged)
    if control and control.survived:
        return of(
            Verdict.INCONCLUSIVE,
            f"the control must be lost, but {control.survived} of its {control.written} probes "
            "were found on a wiped disk, so the test cannot tell what is kept from what is lost",
        )
    if control and not control.written:
        return of(
            Verdict.INCONCLUSIVE,
            "the control was never stored, so that its loss shows nothing",
        )
    if seen.ended:
        return of(
            Verdict.INCONCLUSIVE,
            "the test was ended before: its probes were removed on purpose; begin a new one",
        )
    if not written:
        return of(Verdict.INCONCLUSIVE, "no probe was stored before, so there was nothing to lose")
    if _is_elsewhere(receipt, seen.evidence):
        return of(
            Verdict.INCONCLUSIVE,
            "the memories were looked for in another place than they were written to, where the "
            "application does not see them now; restore the settings and check again",
        )
    if any(count[state] for state in _GONE):
        return of(Verdict.FAIL, _loss(acknowledged, written, seen.evidence))
    if seen.missing_users:
        return of(
            Verdict.FAIL,
            f"the probes are there, but {counted(seen.missing_users, 'real user')} had more "
            "memories before, and nobody deleted them",
        )
    deployment = see_deployment(receipt, seen)
    if not deployment.proven and level != _RESTART:
        return of(
            Verdict.INCONCLUSIVE,
            f"all that was stored is there, but no new deployment was seen: {deployment.words}",
        )
    if any(count[state] for state in _WEAK):
        weak = sum(count[state] for state in _WEAK)
        return of(
            Verdict.DEGRADED,
            f"all {written} probes are there, but {weak} of them not as they should be: "
            f"{_first(acknowledged, _WEAK)}",
        )
    if len(acknowledged) < written:
        return of(Verdict.INCONCLUSIVE, "not all that was stored before was looked for")
    if written < receipt.count and level != "crash":
        return of(
            Verdict.DEGRADED,
            f"what was stored is all there, but only {written} of {receipt.count} probes could "
            "be stored before",
        )
    return of(Verdict.PASS, _passed(written, deployment))


def see_deployment(receipt: TestReceipt, seen: Observation) -> DeploymentChange:
    """Say whether the second phase ran on another deployment than the first."""
    after, before = seen.evidence, receipt.evidence
    if after is None:
        return DeploymentChange(False, "the storage could not be opened")
    if before:
        if before.service and before.service != after.service:
            return DeploymentChange(
                False, f"this is not the service {before.service} that it began on"
            )
        if before.deployment and not after.deployment:
            reason = "it began on a host that names its deployments, and this is another"
            return DeploymentChange(False, reason)
        if before.commit and after.commit and before.commit != after.commit:
            return DeploymentChange(
                True, f"commit {after.commit[:8]} runs, it was {before.commit[:8]}"
            )
        if (before.process, before.host) == (after.process, after.host):
            return DeploymentChange(False, "the same deployment is still running")
    words = _another_machine(receipt, seen, after)
    if words and _ran_before(receipt, after):
        return DeploymentChange(
            False,
            f"{words}, but by its clock this process ran already when the test began, as on "
            "another machine of the same deployment",
        )
    if words:
        return DeploymentChange(True, words)
    return DeploymentChange(
        False, "the process was started again, but on the same disk, commit and instance"
    )


def _another_machine(receipt: TestReceipt, seen: Observation, after: Installation) -> str:
    """Say what shows another machine than the one the test began on, if anything does."""
    before = receipt.evidence
    if before is None:
        if after.deployment and digest_of(after.deployment) != receipt.marks[0]:
            return "another commit or instance runs than when the test began"
    elif before.instance and after.instance and before.instance != after.instance:
        return f"instance {after.instance} runs, it was {before.instance}"
    return "the local disk is a new one" if seen.canary is False else ""


def _ran_before(receipt: TestReceipt, after: Installation) -> bool:
    if not after.started_at:
        return False
    return datetime.fromisoformat(after.started_at) < datetime.fromisoformat(receipt.begun_at)


def survived(results: tuple[ProbeResult, ...]) -> int:
    """Count the acknowledged probes that are there, whatever else is wrong with them."""
    return sum(one.state in (ProbeState.OK, *_WEAK) for one in results)


def _headlines(receipt: TestReceipt, after: Installation) -> list[str]:
    if receipt.evidence:
        return list(changes(receipt.evidence, after))
    if _is_elsewhere(receipt, after):
        return ["The place of memories changed since the test began; the receipt file says how."]
    return []


def _is_elsewhere(receipt: TestReceipt, after: Installation) -> bool:
    if receipt.evidence:
        return is_elsewhere(receipt.evidence, after)
    return place_digest(after) != receipt.marks[1]


def _loss(results: list[ProbeResult], written: int, after: Installation) -> str:
    count = Counter(one.state for one in results)
    parts = [
        f"{count[state]} of {written} {word}"
        for state, word in ((ProbeState.LOST, "are lost"), (ProbeState.ALTERED, "were altered"))
        if count[state]
    ]
    if not parts:
        parts = [f"{counted(count[ProbeState.UNEXPECTED], 'memory')} nobody wrote turned up"]
    sentence = " and ".join(parts)
    if count[ProbeState.LOST] or count[ProbeState.ALTERED]:
        sentence = f"of the probes stored before, {sentence}"
    if count[ProbeState.LOST] == written and not after.persistent:
        return f"{sentence}, because ChromaDB was on a disk that goes with the deployment"
    return f"{sentence}: {_first(results, _GONE)}"


def _first(results: list[ProbeResult], states: tuple[ProbeState, ...]) -> str:
    one = next(result for result in results if result.state in states)
    name = f"probe {one.number}" if one.number else f"memory {one.id}"
    return f"{name}: {one.detail or one.state.value}"


def _passed(written: int, deployment: DeploymentChange) -> str:
    shown = f", and {deployment.words}" if deployment.proven else ""
    return f"all {written} probes that were stored before are there and found{shown}"


def _inconclusive(reason: str) -> Judgement:
    return Judgement(Verdict.INCONCLUSIVE, reason, ())
