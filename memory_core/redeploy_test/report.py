"""The values of a redeploy test, from probe to report; `model.encoder` turns them into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from ..model.counting import StepDone

Level = Literal["restart", "redeploy", "crash", "server-move"]
"""A simulated event; `simulate` explains each."""

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

    STALE was not found by every way of reading, or not at the first attempt. NEVER was not
    acknowledged before the deployment, so its absence means nothing. ENDED was deleted or changed
    since, by a recorded call.
    """

    OK = "ok"
    LOST = "lost"
    ALTERED = "altered"
    STALE = "stale"
    DUPLICATED = "duplicated"
    UNEXPECTED = "unexpected"
    NEVER = "never acknowledged"
    ENDED = "ended on purpose"


@dataclass(frozen=True, slots=True)
class Probe:
    """One memory of a test, derived from the test's id and its number, which begins at 1."""

    number: int
    kind: str
    id: str
    raw_user_id: str
    user_id: str
    text: str
    question: str
    in_other_words: str
    agent_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """State of one probe; number 0 is a memory that is not a probe."""

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
class Sample:
    """Comparison of some real users' memories: `read` of `memories`, record and vector.

    `damaged` counts records, and batches of all users, that cannot be read; an `altered` vector
    holds something else than its record, a `missing` one is not in the recorded state, and an
    `unlike` one does not match its text.
    """

    read: int
    memories: int
    damaged: int = 0
    altered: int = 0
    missing: int = 0
    unlike: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """Observations after the deployment. With `error` nothing could be read.

    `ended` is True if the probes were removed on purpose in the meantime.
    """

    evidence: Installation | None
    results: tuple[ProbeResult, ...] = ()
    census: RealUsers | None = None
    canary: bool | None = None
    missing_users: int = 0
    error: str = ""
    ended: bool = False
    sample: Sample | None = None


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
    sample: Sample | None = None
