"""What the doctor says: frozen values that can be compared, and written as JSON as they stand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Literal

from ..errors import UnknownCheck

if TYPE_CHECKING:
    from .context import Context

About = Literal["", "user", "memory"]
"""Whether a piece of evidence is a user's id, a memory's id, or nothing personal."""

Tag = Literal["live", "data", "deep"]
"""`live` writes probes and removes them, `data` reads users and memories, `deep` all of them."""

OnProgress = Callable[[int, int, str], None]
"""Called with how many of how many checks are done, and the title of the one that begins."""

LONGEST_TITLE = 80

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
    "history": "mem0's own history",
    "versions": "Versions",
    "environment": "Environment",
    "doctor": "The doctor itself",
}
"""What checks and findings are about, by the first part of their names."""


class Level(StrEnum):
    """How bad a finding is. Only `warning` and `error` ask somebody to act."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class CheckState(StrEnum):
    """How a check ended. FOUND has a warning or an error; NOT_NEEDED does not apply here."""

    OK = "ok"
    FOUND = "found"
    NOT_NEEDED = "not needed"
    SKIPPED = "skipped"
    CRASHED = "crashed"
    CUT_OFF = "cut off"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact, and where it comes from: a variable, a file, a role, a service."""

    name: str
    value: str
    source: str = ""
    about: About = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do: in words, and where there is one the command, the variable or the page."""

    text: str
    command: str = ""
    variable: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `consequence` says what it means for the customer.

    `check` names the check that found it.
    """

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
        """The first thing to do, in words; empty where nothing is to be done."""
        return self.fixes[0].text if self.fixes else ""


_LEVELS = {"I": Level.INFO, "W": Level.WARNING, "E": Level.ERROR}


@dataclass(frozen=True, slots=True)
class FindingKind:
    """A kind of finding: what is the same each time. Its id names subject, level and number."""

    id: str
    title: str
    consequence: str
    fixes: tuple[Fix, ...] = ()

    def found(self, detail: str, *evidence: Evidence, fixes: tuple[Fix, ...] = ()) -> Finding:
        """Return a finding of this kind; `fixes` come before those of the kind."""
        return Finding(
            self.id, self.level, self.title, detail, self.consequence, evidence, fixes + self.fixes
        )

    @property
    def level(self) -> Level:
        return _LEVELS[self.id.partition(".")[2][0]]


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One check and how it ended.

    `because` names the check that has to be passed first, `reason` says why there is no result;
    `ms` is None where it did not run.
    """

    name: str
    title: str
    state: CheckState
    reason: str = ""
    because: str = ""
    ms: int | None = None


@dataclass(frozen=True, slots=True)
class SettingSource:
    """A setting, its value (secrets masked) and where it comes from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding that was made and is not shown, and why somebody said so."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that one run of the doctor found, worst first, of `taken_at` (aware UTC).

    `hide` takes the secrets of this installation out of any other text.
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
        """How many checks found nothing to act on, and how many findings there are by level."""
        counts = {level.value: 0 for level in Level}
        for one in self.findings:
            counts[one.level.value] += 1
        counts["ok"] = sum(one.state is CheckState.OK for one in self.checks)
        return counts

    @property
    def worst(self) -> Level:
        return max((one.level for one in self.findings), key=lambda one: one.rank, default=Level.OK)

    def renewed(self, later: Diagnosis) -> Diagnosis:
        """Return this diagnosis with the checks of a later one in the place of their own."""
        names = {one.name for one in later.checks}
        findings = [one for one in self.findings if one.check not in names]
        return replace(
            self,
            findings=tuple(sorted((*findings, *later.findings), key=lambda one: -one.level.rank)),
            checks=(*(one for one in self.checks if one.name not in names), *later.checks),
            sources=later.sources,
            versions=later.versions,
            tags=tuple(dict.fromkeys((*self.tags, *later.tags))),
            user_ids=self.user_ids | later.user_ids,
            hide=later.hide,
        )

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        errors, warnings = self.summary["error"], self.summary["warning"]
        if errors:
            first = next(one.title for one in self.findings if one.level is Level.ERROR)
            more = f"{errors} problems, the first of them: " if errors > 1 else "1 problem: "
            return f"{more}{first}."
        if warnings:
            verb = "needs" if warnings == 1 else "need"
            noun = "thing" if warnings == 1 else "things"
            return f"Memories work, and {warnings} {noun} {verb} attention."
        return "Nothing wrong was found."


def masked(one: Finding, hide: Callable[[str], str]) -> Finding:
    """Return a finding with all its texts passed through `hide`."""
    return replace(
        one,
        title=hide(one.title),
        detail=hide(one.detail),
        consequence=hide(one.consequence),
        evidence=tuple(
            replace(
                piece, name=hide(piece.name), value=hide(piece.value), source=hide(piece.source)
            )
            for piece in one.evidence
        ),
        fixes=tuple(
            replace(fix, text=hide(fix.text), command=hide(fix.command)) for fix in one.fixes
        ),
    )


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names as a phrase, the first few of many."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


Look = Callable[["Context"], Iterator[Finding]]
"""A plain function that yields what it finds, and nothing where all is well."""

DEFAULT_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Check:
    """One question. It is asked once all of `needs` were answered without an error.

    With `tags` it is asked only where one of them is wanted; `backend` is the one it is about,
    empty for any, and with `of_index` it is about an index that is there. `kinds` are all that it
    may find. After `limit_s` seconds it is cut off.
    """

    name: str
    title: str
    look: Look
    kinds: tuple[FindingKind, ...]
    needs: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    backend: str = ""
    of_index: bool = False
    limit_s: float = DEFAULT_LIMIT_S

    @property
    def subject(self) -> str:
        return self.name.partition(".")[0]

    def answers_to(self, name: str) -> bool:
        """Say whether it goes by that name, as its own, its subject's or a finding's."""
        return name in (self.name, self.subject) or name in [one.id for one in self.kinds]


def in_order(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks, each after all that it needs, and otherwise as they are given.

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

    With `only`, the checks that these names mean and all that they need, whatever their tags.

    Raises:
        UnknownCheck: nothing goes by one of the names.
    """
    for name in only:
        if not any(one.answers_to(name) for one in checks):
            raise UnknownCheck(
                f"the doctor knows no check, finding or subject {name!r}; docs/doctor.md lists "
                "the findings"
            )
    if only:
        asked = [one for one in checks if any(map(one.answers_to, only))]
    else:
        asked = [one for one in checks if not one.tags or set(one.tags) & set(tags)]
    wanted = {one.name for one in asked}
    needed = set(_with_needs({one.name: one for one in checks}, wanted))
    return [one for one in checks if one.name in needed], frozenset(wanted)


def _with_needs(known: dict[str, Check], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield name
        yield from _with_needs(known, known[name].needs)
