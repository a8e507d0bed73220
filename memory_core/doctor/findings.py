"""Findings of the doctor and the checks that yield them: frozen, comparable values.

`model.encoder` writes all of them as JSON. The end of the file orders and chooses checks.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import UnknownCheck
from ..model.counting import counted

if TYPE_CHECKING:
    from .context import Context

About = Literal["", "user", "memory"]
"""The person-related content of a piece of evidence: a user's id, a memory's id, or none."""

Tag = Literal["live", "data", "deep"]
"""`live` writes probes and removes them, `data` reads users and memories, `deep` all of them."""

OnProgress = Callable[[int, int, str], None]
"""Called with the number of checks done, their total, and the title of the next one."""

Look = Callable[["Context"], Iterator["Finding"]]
"""A plain function that yields its findings, none if all is well."""

SUBJECTS: Mapping[str, str] = {
    "settings": "Settings",
    "credentials": "Credentials",
    "region": "Region",
    "backend": "Backend",
    "bucket": "Document bucket",
    "vectors": "S3 Vectors",
    "index": "Index",
    "embedder": "Embedder",
    "llm": "Language model",
    "disk": "Local disk",
    "records": "Record against store",
    "identity": "Identity",
    "leakage": "Leakage",
    "probe": "A memory saved and found",
    "redeploy": "Redeploy tests",
    "alerts": "Alerts",
    "history": "mem0's own history",
    "versions": "Versions",
    "environment": "Environment",
    "doctor": "The doctor itself",
}
"""Subjects of checks and findings, by the first part of their names."""


class Level(StrEnum):
    """Severity of a finding. Only `warning` and `error` call for action."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class CheckState(StrEnum):
    """Outcome of a check. FOUND has a warning or an error; NOT_NEEDED does not apply here."""

    OK = "ok"
    FOUND = "found"
    NOT_NEEDED = "not needed"
    SKIPPED = "skipped"
    CRASHED = "crashed"
    CUT_OFF = "cut off"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact and its source: a variable, a file, a role, a service."""

    name: str
    value: str
    source: str = ""
    about: About = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """A remedy in words, with its command, variable or page if there is one."""

    text: str
    command: str = ""
    variable: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A result of a check; `consequence` is its effect on the customer."""

    id: str
    level: Level
    title: str
    detail: str
    consequence: str
    evidence: tuple[Evidence, ...] = ()
    fixes: tuple[Fix, ...] = ()
    check: str = field(default="", compare=False)

    @property
    def subject(self) -> str:
        return self.id.partition(".")[0]

    @property
    def hint(self) -> str:
        """The first remedy in words, or an empty string."""
        return self.fixes[0].text if self.fixes else ""

    def masked(self, hide: Callable[[str], str]) -> Finding:
        """Return the finding with its variable texts passed through `hide`."""
        return replace(
            self,
            detail=hide(self.detail),
            evidence=tuple(
                Evidence(hide(fact.name), hide(fact.value), hide(fact.source), fact.about)
                for fact in self.evidence
            ),
            fixes=tuple(
                replace(fix, text=hide(fix.text), variable=hide(fix.variable)) for fix in self.fixes
            ),
        )


_LEVELS = {"I": Level.INFO, "W": Level.WARNING, "E": Level.ERROR}


@dataclass(frozen=True, slots=True)
class FindingKind:
    """The constant part of findings. The id names subject, level and number.

    `log_pattern`, case ignored, recognizes errors of this kind in a log; if several kinds match,
    that of the earliest check wins. Errors of AWS and botocore are matched by our own words.
    """

    id: str
    title: str
    consequence: str
    fixes: tuple[Fix, ...] = ()
    log_pattern: str = ""

    def finding(self, detail: str, *evidence: Evidence, fixes: tuple[Fix, ...] = ()) -> Finding:
        """Return a finding of this kind; `fixes` come before those of the kind."""
        return Finding(
            self.id, self.level, self.title, detail, self.consequence, evidence, fixes + self.fixes
        )

    @property
    def level(self) -> Level:
        return _LEVELS[self.id.partition(".")[2][0]]


def _read_catalogue() -> dict[str, FindingKind]:
    text = Path(__file__).with_name("findings.toml").read_text("utf-8")
    return {
        name: FindingKind(
            name,
            entry["title"],
            entry["consequence"],
            tuple(Fix(**fix) for fix in entry.get("fixes", ())),
            entry.get("log_pattern", ""),
        )
        for name, entry in tomllib.loads(text).items()
    }


KIND: Mapping[str, FindingKind] = _read_catalogue()
"""Every kind of finding by its id, from `findings.toml`."""


def finding(name: str, detail: str, *evidence: Evidence, fixes: tuple[Fix, ...] = ()) -> Finding:
    """Return a finding of the kind with this id; `fixes` come before those of the kind."""
    return KIND[name].finding(detail, *evidence, fixes=fixes)


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One check and its outcome.

    `because` names the check that must pass first, `reason` explains a missing result; `ms` is
    None where the check did not run.
    """

    name: str
    title: str
    state: CheckState
    reason: str = ""
    because: str = ""
    ms: int | None = None


@dataclass(frozen=True, slots=True)
class SettingSource:
    """A setting, its value (secrets masked) and its source."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding that is hidden, and the reason given for that."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Result of one run of the doctor at `taken_at` (aware UTC), worst findings first.

    `hide` masks the secrets of this installation in any other text.
    """

    findings: tuple[Finding, ...]
    checks: tuple[CheckRun, ...]
    silenced: tuple[Silenced, ...]
    sources: tuple[SettingSource, ...]
    versions: Mapping[str, str]
    tags: tuple[str, ...]
    taken_at: datetime
    user_ids: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    hide: Callable[[str], str] = field(default=str, repr=False, compare=False)

    @property
    def summary(self) -> dict[str, int]:
        """Number of checks that passed, and of findings by level."""
        counts = {level.value: 0 for level in Level}
        for finding in self.findings:
            counts[finding.level.value] += 1
        counts["ok"] = sum(check.state is CheckState.OK for check in self.checks)
        return counts

    @property
    def worst(self) -> Level:
        return self.findings[0].level if self.findings else Level.OK

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        errors, warnings = self.summary["error"], self.summary["warning"]
        if errors:
            colon = ", the first of them: " if errors > 1 else ": "
            return f"{counted(errors, 'problem')}{colon}{self.findings[0].title}."
        if warnings:
            verb = "needs" if warnings == 1 else "need"
            return f"Memories work, and {counted(warnings, 'thing')} {verb} attention."
        untried = "" if "live" in self.tags else "; the tag live tests saving, too"
        return f"Nothing wrong was found{untried}."


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names as a phrase, the first few of many."""
    items = list(names)
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + rest


@dataclass(frozen=True, slots=True)
class Check:
    """A check. It runs once all that it `needs` ended without an error.

    With `tags` it runs only if one of them was asked for, with `backend` only on that backend, and
    with `of_index` only if the index exists. `finds` are the ids of all its findings. It is cut
    off after `limit_s` seconds.
    """

    name: str
    title: str
    look: Look
    finds: str
    needs: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    backend: str = ""
    of_index: bool = False
    limit_s: float = 15.0

    @property
    def subject(self) -> str:
        return self.name.partition(".")[0]

    @property
    def ids(self) -> list[str]:
        return self.finds.split()

    def answers_to(self, name: str) -> bool:
        """Match the name of the check, of its subject or of one of its findings."""
        return name in (self.name, self.subject, *self.ids)


def in_order(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks, each after those it needs, and otherwise in the order given.

    Raises:
        CycleError: two checks need each other.
        KeyError: a check needs one that is not given.
    """
    known = {check.name: check for check in checks}
    rank = {name: at for at, name in enumerate(known)}
    sorter = TopologicalSorter({check.name: check.needs for check in known.values()})
    sorter.prepare()
    names: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=rank.__getitem__)
        names += ready
        sorter.done(*ready)
    return tuple(known[name] for name in names)


def choose(
    checks: Collection[Check], tags: Collection[str], only: Collection[str]
) -> tuple[list[Check], frozenset[str]]:
    """Return the checks to run, in order, and the names of those that were asked for.

    `only` selects checks by name, whatever their tags, with all that they need.

    Raises:
        UnknownCheck: one of the names is unknown.
    """
    for name in only:
        if not any(check.answers_to(name) for check in checks):
            raise UnknownCheck(
                f"the doctor has no check, finding or subject {name!r}; docs/doctor.md lists the "
                "findings"
            )
    asked = frozenset(
        check.name
        for check in checks
        if (
            any(map(check.answers_to, only))
            if only
            else not check.tags or set(check.tags) & set(tags)
        )
    )
    needed = set(asked)
    # Each check comes after those it needs.
    for check in reversed(list(checks)):
        if check.name in needed:
            needed.update(check.needs)
    return [check for check in checks if check.name in needed], asked
