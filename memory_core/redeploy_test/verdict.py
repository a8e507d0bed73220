"""The verdict of a test: expectations against observations, with the reason in a sentence."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from ..model.counting import counted
from .evidence import changes, digest_of, place_digest
from .receipt import RedeployReceipt
from .report import Control, Installation, Observation, ProbeResult, ProbeState, Sample, Verdict

_GONE = (ProbeState.LOST, ProbeState.ALTERED, ProbeState.UNEXPECTED)
_WEAK = (ProbeState.STALE, ProbeState.DUPLICATED)
_RESTART = "restart"


def judge(
    receipt: RedeployReceipt,
    observation: Observation,
    *,
    level: str = "",
    control: Control | None = None,
) -> tuple[Verdict, str, tuple[str, ...]]:
    """Return the verdict, its reason, and what changed between the phases.

    `level` is the simulated one, and empty for a real deployment.
    """
    if observation.evidence is None:
        reason = f"the storage could not be read, so nothing is proven: {observation.error}"
        return Verdict.INCONCLUSIVE, reason, ()
    headlines: tuple[str, ...] = ()
    if receipt.evidence:
        headlines = tuple(changes(receipt.evidence, observation.evidence))
    elif place_digest(observation.evidence) != receipt.marks[1]:
        headlines = (
            "The place of memories changed since the test began; the receipt file says how.",
        )
    verdict, reason = next(_verdicts(receipt, observation, observation.evidence, level, control))
    return verdict, reason, headlines


def _verdicts(
    receipt: RedeployReceipt,
    observation: Observation,
    after: Installation,
    level: str,
    control: Control | None,
) -> Iterator[tuple[Verdict, str]]:
    """Yield every verdict that holds, with its reason; the first one counts."""
    acknowledged = [
        result for result in observation.results if result.state is not ProbeState.NEVER
    ]
    count = Counter(result.state for result in acknowledged)
    written = len(receipt.acknowledged)
    if control and control.survived:
        yield (
            Verdict.INCONCLUSIVE,
            f"the control must be lost, but {control.survived} of its "
            f"{counted(control.written, 'probe')} survived a wiped disk, so the test cannot tell "
            "what is kept from what is lost",
        )
    if control and not control.written:
        yield Verdict.INCONCLUSIVE, "the control was never stored, so its loss shows nothing"
    if not written:
        yield Verdict.INCONCLUSIVE, "no probe was stored before, so there was nothing to lose"
    if place_digest(after) != receipt.marks[1]:
        yield (
            Verdict.INCONCLUSIVE,
            "the memories were looked for in another place than they were written to, which the "
            "application no longer reads; restore the settings and check again",
        )
    if any(count[state] for state in _GONE):
        yield Verdict.FAIL, _loss(acknowledged, written, after)
    sample = observation.sample or Sample(0, 0)
    if sample.damaged or sample.altered:
        yield Verdict.FAIL, f"no probe is lost, but {sample_words(sample)}"
    if observation.missing_users:
        yield (
            Verdict.FAIL,
            f"no probe is lost, but {counted(observation.missing_users, 'real user')} had more "
            "memories before, and nobody deleted them",
        )
    ended = count[ProbeState.ENDED]
    if observation.ended or (ended and ended == written):
        yield (
            Verdict.INCONCLUSIVE,
            "the test was ended earlier: its probes were removed on purpose; begin a new one",
        )
    deployed, evidence = see_deployment(receipt, observation, after)
    if not deployed and level != _RESTART:
        yield (
            Verdict.INCONCLUSIVE,
            f"all that was stored is there, but no new deployment was seen: {evidence}",
        )
    if weak := sum(count[state] for state in _WEAK):
        yield (
            Verdict.DEGRADED,
            f"all that was stored is there, {counted(written, 'probe')}, but "
            f"{counted(weak, 'is not as it should be', 'are not as they should be')}: "
            f"{_first(acknowledged, _WEAK)}",
        )
    if sample.missing or sample.unlike:
        yield Verdict.DEGRADED, f"all that was stored is there, but {sample_words(sample)}"
    if len(acknowledged) < written:
        yield Verdict.INCONCLUSIVE, "not every probe that was stored was looked for"
    if written < receipt.count and level != "crash":
        yield (
            Verdict.DEGRADED,
            f"all that was stored is there, but only {written} of "
            f"{counted(receipt.count, 'probe')} could be stored before",
        )
    if receipt.census is None:
        yield (
            Verdict.DEGRADED,
            f"all that was stored is there and found, {counted(written, 'probe')}, but the real "
            "users were not compared: the storage no longer has the receipt of the test, and its "
            "short code does not count them; next time use the receipt file",
        )
    shown = f", and {evidence}" if deployed else ""
    if ended:
        shown += f"; not compared: {counted(ended, 'probe')} since deleted or changed on purpose"
    if sample.read:
        shown += f"; {sample_words(sample)}"
    if receipt.census and receipt.census.users > len(receipt.census.counts):
        shown += f"; counted one by one: {len(receipt.census.counts):,} of the real users"
    yield (
        Verdict.PASS,
        f"all that was stored before is there and found, {counted(written - ended, 'probe')}"
        f"{shown}",
    )


def sample_words(sample: Sample) -> str:
    """Describe what was compared of real users' memories, and what differs."""
    wrong = {
        "unreadable on record": sample.damaged,
        "different in the vector store": sample.altered,
        "not in the vector store as recorded": sample.missing,
        "with a vector that does not match the text": sample.unlike,
    }
    differences = ", ".join(f"{count:,} {words}" for words, count in wrong.items() if count)
    return (
        f"of the {counted(sample.memories, 'memory')} of real users, {sample.read:,} read: "
        f"{differences or 'record and vector agree'}"
    )


def see_deployment(
    receipt: RedeployReceipt, observation: Observation, after: Installation
) -> tuple[bool, str]:
    """Return whether the second phase ran on another deployment than the first, and why."""
    reason = ""
    if before := receipt.evidence:
        if before.service and before.service != after.service:
            reason = f"this is not the service {before.service} that it began on"
        elif before.deployment and not after.deployment:
            reason = "it began on a host that names its deployments, and this is another"
        elif before.commit and after.commit and before.commit != after.commit:
            return True, f"commit {after.commit[:8]} runs, it was {before.commit[:8]}"
        elif (before.process, before.host) == (after.process, after.host):
            reason = "the same deployment is still running"
    words = _other_machine(receipt, observation, after)
    begun_at = datetime.fromisoformat(receipt.begun_at)
    if not reason and not words:
        reason = "the process was started again, but on the same disk, commit and instance"
    elif not reason and after.started_at and datetime.fromisoformat(after.started_at) < begun_at:
        reason = (
            f"{words}, but by its clock this process was running when the test began, as on "
            "another machine of the same deployment"
        )
    return not reason, reason or words


def survived(results: Sequence[ProbeResult]) -> int:
    """Count the acknowledged probes that are there, even if something else is wrong."""
    return sum(result.state in (ProbeState.OK, *_WEAK) for result in results)


def _other_machine(receipt: RedeployReceipt, observation: Observation, after: Installation) -> str:
    """Return the evidence of another machine than the first, or an empty string."""
    before = receipt.evidence
    if before is None:
        if after.deployment and digest_of(after.deployment) != receipt.marks[0]:
            return "another commit or instance runs than when the test began"
    elif before.instance and after.instance and before.instance != after.instance:
        return f"instance {after.instance} runs, it was {before.instance}"
    return "the local disk is a new one" if observation.canary is False else ""


def _loss(results: Sequence[ProbeResult], written: int, after: Installation) -> str:
    count = Counter(result.state for result in results)
    verbs = {
        ProbeState.LOST: ("is lost", "are lost"),
        ProbeState.ALTERED: ("was altered", "were altered"),
    }
    parts = [
        f"{count[state]} of {written} {verbs[state][count[state] > 1]}"
        for state in verbs
        if count[state]
    ]
    if parts:
        sentence = f"of the probes stored before, {' and '.join(parts)}"
    else:
        sentence = f"{counted(count[ProbeState.UNEXPECTED], 'memory')} that nobody wrote turned up"
    if count[ProbeState.LOST] == written and not after.persistent:
        return f"{sentence}, because ChromaDB was on a disk that a deployment wipes"
    return f"{sentence}: {_first(results, _GONE)}"


def _first(results: Sequence[ProbeResult], states: Sequence[ProbeState]) -> str:
    result = next(result for result in results if result.state in states)
    name = f"probe {result.number}" if result.number else f"memory {result.id}"
    return f"{name}: {result.detail or result.state.value}"
