"""The values of a redeploy test, from probes to report; `model.encoder` writes all as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, Literal

from ..model.counting import StepDone

Level = Literal["restart", "redeploy", "crash", "server-move"]
"""A simulated event: see `simulate`."""

LEVELS: Final[Mapping[str, str]] = {
    "redeploy": "Deployment",
    "restart": "Restart",
    "crash": "Crash, then deployment",
    "server-move": "Move to another server",
}
"""The levels in words."""


class Verdict(StrEnum):
    """Verdict of a test. Only PASS proves that memories survive."""

    PASS = "PASS"
    FAIL = "FAIL"
    DEGRADED = "DEGRADED"
    INCONCLUSIVE = "INCONCLUSIVE"


class ProbeState(StrEnum):
    """State of a probe after the deployment.

    STALE was not found by every way of reading, or not at the first look. NEVER was not
    acknowledged before the deployment, so its absence means nothing.
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
    """State of one probe; number 0 is a memory that is no probe."""

    number: int
    kind: str
    id: str
    user_id: str
    state: ProbeState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Installation:
    """Place of memories and facts of the deployment; times are ISO 8601 in UTC, or empty.

    `started_at` is the start of the process, `data_dir` the folder of its local data.
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
        """The name of the deployment; empty where the host gives none."""
        return "/".join(filter(None, (self.commit, self.instance)))


@dataclass(frozen=True, slots=True)
class RealUsers:
    """Real users and their memories; `counts` has them by a digest of the user's id.

    `newest` has the last entry of each user that was counted. Reports have the totals alone.
    """

    users: int
    memories: int
    counts: Mapping[str, int] = field(default_factory=dict)
    newest: Mapping[str, str] = field(default_factory=dict)

    @property
    def totals(self) -> RealUsers:
        """The same without single users."""
        return RealUsers(self.users, self.memories)


@dataclass(frozen=True, slots=True)
class Observation:
    """Observations after the deployment. With `error` nothing could be read.

    `ended` is True where the probes were removed on purpose meanwhile.
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
    """Verdict of a test, with its evidence."""

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
    """Read what `encode` wrote of an observation."""
    return Observation(
        **{
            **data,
            "evidence": _evidence(data["evidence"]),
            "results": _results(data["results"]),
            "census": _census(data["census"]),
        }
    )


def report_from(data: Mapping[str, Any]) -> Report:
    """Read what `encode` wrote of a report.

    Raises:
        KeyError, TypeError, ValueError: it is no report.
    """
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
            "steps": tuple(StepDone(**step) for step in data["steps"]),
        }
    )


def evidence_from(data: Mapping[str, Any]) -> Installation:
    """Read what `encode` wrote of evidence; fields of a newer release are left out."""
    known = {attribute.name for attribute in fields(Installation)}
    return Installation(**{name: value for name, value in data.items() if name in known})


def _evidence(data: Mapping[str, Any] | None) -> Installation | None:
    return evidence_from(data) if data else None


def _census(data: Mapping[str, Any] | None) -> RealUsers | None:
    return RealUsers(**data) if data else None


def _results(items: Any) -> tuple[ProbeResult, ...]:
    return tuple(ProbeResult(**{**item, "state": ProbeState(item["state"])}) for item in items)
