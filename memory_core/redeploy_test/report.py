"""What a redeploy test writes, sees and says. All of it can be written as JSON as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, Literal

from ..model.progress import StepDone

Level = Literal["restart", "redeploy", "crash", "server-move"]
"""What is simulated: see `simulate`."""

LEVELS: Final[Mapping[str, str]] = {
    "redeploy": "Deployment",
    "restart": "Restart",
    "crash": "Crash, then deployment",
    "server-move": "Move to another server",
}
"""The levels in words."""


class Verdict(StrEnum):
    """What a test says. Only PASS is a proof that memories survive."""

    PASS = "PASS"
    FAIL = "FAIL"
    DEGRADED = "DEGRADED"
    INCONCLUSIVE = "INCONCLUSIVE"


class ProbeState(StrEnum):
    """What became of a probe.

    STALE is there, but not by every way of reading, or not at the first look. NEVER was not
    acknowledged before the deployment, so that its absence means nothing.
    """

    OK = "ok"
    LOST = "lost"
    ALTERED = "altered"
    STALE = "stale"
    DUPLICATED = "duplicated"
    UNEXPECTED = "unexpected"
    NEVER = "never acknowledged"


@dataclass(frozen=True, slots=True)
class Probe:
    """One memory of a test; all of it follows from the test's id and the number, from 1."""

    number: int
    kind: str
    id: str
    raw_user_id: str
    user_id: str
    text: str
    question: str
    agent_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What became of one probe; number 0 is a memory that no probe is."""

    number: int
    kind: str
    id: str
    user_id: str
    state: ProbeState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where memories were, and on which deployment; times are ISO 8601 in UTC, or empty.

    `started_at` is when the process began, `data_dir` where its local data is.
    """

    backend: str
    persistent: bool
    reason: str
    location: Mapping[str, str]
    index_created_at: str
    embedder: str
    dimensions: int
    commit: str
    instance: str
    service: str
    host: str
    boot: str
    process: str
    versions: Mapping[str, str] = field(default_factory=dict)
    started_at: str = ""
    data_dir: str = ""

    @property
    def deployment(self) -> str:
        """What names a deployment where the host tells; empty where it does not."""
        return "/".join(filter(None, (self.commit, self.instance)))


@dataclass(frozen=True, slots=True)
class RealUsers:
    """Real users and their memories; `counts` has them by a digest of the user's id.

    `newest` names the last entry of each that was counted. Reports have the totals alone.
    """

    users: int
    memories: int
    counts: Mapping[str, int] = field(default_factory=dict)
    newest: Mapping[str, str] = field(default_factory=dict)

    @property
    def totals(self) -> RealUsers:
        """The same without what is known of single users."""
        return RealUsers(self.users, self.memories)


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen after the deployment. With `error` nothing could be read.

    `ended` says that the probes were removed on purpose meanwhile.
    """

    evidence: Installation | None
    results: tuple[ProbeResult, ...] = ()
    census: RealUsers | None = None
    canary: bool | None = None
    missing_users: int = 0
    error: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """The same probes on a throw-away local store, whose disk was wiped: they must be lost."""

    written: int
    survived: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a test says, and what it says it by."""

    run: str
    level: str
    verdict: Verdict
    reason: str
    headlines: tuple[str, ...]
    written: int
    survived: int
    probes: tuple[ProbeResult, ...]
    begun_at: str
    ended_at: str
    before: Installation | None
    after: Installation | None
    census_before: RealUsers | None
    census_after: RealUsers | None
    control: Control | None = None
    left_behind: int | None = None
    steps: tuple[StepDone, ...] = ()


def observation_from(data: Mapping[str, Any]) -> Observation:
    """Undo `encode` of an observation."""
    return Observation(
        evidence=_evidence(data["evidence"]),
        results=_results(data["results"]),
        census=_census(data["census"]),
        canary=data["canary"],
        missing_users=data["missing_users"],
        error=data["error"],
        ended=data["ended"],
    )


def report_from(data: Mapping[str, Any]) -> Report:
    """Undo `encode` of a report; KeyError, TypeError or ValueError for what is none."""
    return Report(
        **{
            **data,
            "verdict": Verdict(data["verdict"]),
            "headlines": tuple(data["headlines"]),
            "probes": _results(data["probes"]),
            "before": _evidence(data["before"]),
            "after": _evidence(data["after"]),
            "census_before": _census(data["census_before"]),
            "census_after": _census(data["census_after"]),
            "control": Control(**data["control"]) if data["control"] else None,
            "steps": tuple(StepDone(**one) for one in data["steps"]),
        }
    )


def evidence_from(data: Mapping[str, Any]) -> Installation:
    """Undo `encode` of evidence; what another release knows beyond that is left out."""
    known = {one.name for one in fields(Installation)}
    return Installation(**{name: value for name, value in data.items() if name in known})


def _evidence(data: Mapping[str, Any] | None) -> Installation | None:
    return evidence_from(data) if data else None


def _census(data: Mapping[str, Any] | None) -> RealUsers | None:
    return RealUsers(**data) if data else None


def _results(found: Any) -> tuple[ProbeResult, ...]:
    return tuple(ProbeResult(**{**one, "state": ProbeState(one["state"])}) for one in found)
