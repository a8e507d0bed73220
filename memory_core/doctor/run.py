"""Runs checks one after another; none of them can stop the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import get_args

from ..activity import unnoted
from ..errors import MemoryCoreError, UnknownCheck
from ..settings import Settings, SettingsSurvey, survey
from .checks import (
    buckets,
    credentials,
    disk,
    environment,
    index,
    models,
    round_trip,
    settings,
    user_data,
)
from .context import Context
from .findings import (
    Check,
    CheckRun,
    CheckState,
    Diagnosis,
    Evidence,
    Finding,
    FindingKind,
    Fix,
    Level,
    OnProgress,
    SettingSource,
    Silenced,
    Tag,
    choose,
    in_order,
    masked,
)
from .redact import Masker

CRASHED = FindingKind(
    "doctor.E001",
    "A check could not be finished",
    "Nothing is known about this point, so a problem may be hidden behind it.",
    (Fix("Run this check again; if it lasts, send the support bundle to the developers"),),
)
CUT_OFF = FindingKind(
    "doctor.W001",
    "A check took too long and was cut off",
    "Nothing is known about this point; a service behind it may be slow for customers too.",
    (Fix("Run this check again by itself, and look at the network if it lasts"),),
)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check, how it ended, and what it found."""

    run: CheckRun
    findings: tuple[Finding, ...] = ()

    @property
    def stops_others(self) -> bool:
        return self.run.state in (
            CheckState.SKIPPED,
            CheckState.CRASHED,
            CheckState.CUT_OFF,
        ) or any(one.level is Level.ERROR for one in self.findings)


def run_checks(
    checks: Sequence[Check], context: Context, on_progress: OnProgress | None = None
) -> Iterator[CheckResult]:
    """Yield the outcome of each check, in order; needs that are not among them count as met."""
    stopped: dict[str, str] = {}
    for done, check in enumerate(checks):
        if on_progress:
            on_progress(done, len(checks), check.title)
        outcome = _outcome(check, context, stopped)
        if outcome.stops_others:
            stopped[check.name] = outcome.run.because or check.name
        yield _without_secrets(outcome, context)
    if on_progress:
        on_progress(len(checks), len(checks), "")


def _outcome(check: Check, context: Context, stopped: Mapping[str, str]) -> CheckResult:
    """Run a check, or skip it; `stopped` maps checks to the one that each of them waits for."""
    for name in check.needs:
        if cause := stopped.get(name):
            reason = f"{cause} has to be solved first"
            return CheckResult(
                CheckRun(check.name, check.title, CheckState.SKIPPED, reason, because=cause)
            )
    if check.backend and check.backend != context.backend.name:
        return CheckResult(CheckRun(check.name, check.title, CheckState.NOT_NEEDED))
    if check.of_index and not context.has_index:
        reason = "the first memory makes the index"
        return CheckResult(CheckRun(check.name, check.title, CheckState.NOT_NEEDED, reason))
    return _run(check, context)


def _run(check: Check, context: Context) -> CheckResult:
    found: list[Finding] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            # Memories that a check writes and removes are a part of asking the doctor.
            with unnoted():
                found.extend(check.look(context))
        # The one place where everything is caught, programming errors included: a check that is
        # broken must not keep the others from being made. What it was is said in the finding.
        except BaseException as exc:
            failure.append(exc)

    started = time.monotonic()
    thread = Thread(target=work, name=f"doctor {check.name}", daemon=True)
    thread.start()
    thread.join(check.limit_s)
    cut_off = thread.is_alive()
    run = CheckRun(
        check.name, check.title, CheckState.OK, ms=round((time.monotonic() - started) * 1000)
    )
    if cut_off:
        reason = f"no answer within {check.limit_s:g} seconds"
        return _unfinished(check, replace(run, state=CheckState.CUT_OFF, reason=reason), CUT_OFF)
    if failure:
        reason = _reason(failure[0])
        return _unfinished(check, replace(run, state=CheckState.CRASHED, reason=reason), CRASHED)
    if any(one.level.rank >= Level.WARNING.rank for one in found):
        run = replace(run, state=CheckState.FOUND)
    return CheckResult(run, tuple(found))


def _unfinished(check: Check, run: CheckRun, kind: FindingKind) -> CheckResult:
    finding = kind.found(f"{check.title}: {run.reason}.", Evidence("check", check.name))
    return CheckResult(run, (finding,))


def _reason(exc: BaseException) -> str:
    if isinstance(exc, MemoryCoreError):
        return str(exc)
    said = " ".join(str(exc).split())
    frames = traceback.extract_tb(exc.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(exc).__name__}: {said}{place}" if said else f"{type(exc).__name__}{place}"


def _without_secrets(outcome: CheckResult, context: Context) -> CheckResult:
    hide = context.masker.hide
    return CheckResult(
        replace(outcome.run, reason=hide(outcome.run.reason)),
        tuple(replace(masked(one, hide), check=outcome.run.name) for one in outcome.findings),
    )


CHECKS: tuple[Check, ...] = in_order(
    [
        *settings.CHECKS,
        *environment.CHECKS,
        *credentials.CHECKS,
        *models.CHECKS,
        *buckets.CHECKS,
        *disk.CHECKS,
        *index.CHECKS,
        *user_data.CHECKS,
        *round_trip.CHECKS,
    ]
)
"""Every check, after all that it needs."""

KINDS: tuple[FindingKind, ...] = tuple(
    dict.fromkeys([CRASHED, CUT_OFF, *(kind for check in CHECKS for kind in check.kinds)])
)
"""Every kind of finding; docs/doctor.md has a paragraph for each."""


def diagnose(
    given: Mapping[str, str] | Settings | None = None,
    *,
    tags: Collection[Tag] = (),
    only: Collection[str] = (),
    silenced: Mapping[str, str] | None = None,
    on_progress: OnProgress | None = None,
    with_users: bool = False,
) -> Diagnosis:
    """Run the checks and return what they found; nothing is raised for what is found.

    `given` is an environment, this process's own by default, or settings, of which nobody can say
    any more where they come from. Credentials always come from boto3's own chain. Without `tags`
    the cheap checks run, and with each tag those that bear it. `only` names checks, subjects or
    findings: those run alone, with what they need, whatever their tags. `silenced` maps ids of
    findings to reasons. `with_users` makes it know every user's id, for a bundle without them.

    Raises:
        UnknownCheck: there is no such tag, check, subject or finding, or a reason is empty.
    """
    quiet = dict(silenced or {})
    _check_names(tags, quiet)
    found = SettingsSurvey(given) if isinstance(given, Settings) else survey(given)
    checks, asked = choose(CHECKS, tags, only)
    context = Context(found, tags)
    try:
        outcomes = list(run_checks(checks, context, on_progress))
        shown = _shown(outcomes, asked)
        findings = [one for outcome in shown for one in outcome.findings]
        return Diagnosis(
            findings=tuple(_sorted(one for one in findings if one.id not in quiet)),
            checks=tuple(one.run for one in shown),
            silenced=tuple(Silenced(one.id, quiet[one.id]) for one in findings if one.id in quiet),
            sources=tuple(_sources(found, context.masker)),
            versions=environment.installed(),
            tags=tuple(tags),
            taken_at=datetime.now(UTC),
            user_ids=_user_ids(context, with_users),
            hide=context.masker.hide,
        )
    finally:
        context.close()


def _check_names(tags: Iterable[str], silenced: Mapping[str, str]) -> None:
    for tag in tags:
        if tag not in get_args(Tag):
            raise UnknownCheck(f"there is no tag {tag!r}; use {', '.join(get_args(Tag))}")
    known = {one.id for one in KINDS}
    for name, reason in silenced.items():
        if name not in known:
            raise UnknownCheck(
                f"there is no finding {name!r} to silence; docs/doctor.md lists the findings"
            )
        if not reason.strip():
            raise UnknownCheck(f"finding {name} is silenced without a reason; say why")


def _shown(outcomes: Collection[CheckResult], asked: Collection[str]) -> list[CheckResult]:
    """Return what was asked for, and what kept it from being answered."""
    causes = {one.run.because for one in outcomes if one.run.name in asked}
    return [one for one in outcomes if one.run.name in causes.union(asked)]


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: -one.level.rank)


def _user_ids(context: Context, wanted: bool) -> frozenset[str]:
    """Return the ids on record, as far as they are known or can be had."""
    if wanted or "views" in context.__dict__:
        with suppress(MemoryCoreError, OSError):
            return frozenset(view.user_id for view in context.views)
    return frozenset()


def _sources(found: SettingsSurvey, masker: Masker) -> Iterator[SettingSource]:
    """Yield every variable that Holdfast reads, with its value and where that comes from."""
    for name in found.names:
        value = found.given.get(name)
        if value is None:
            yield SettingSource(name, "", "not set")
        elif not value.strip():
            yield SettingSource(name, "", "environment, but empty")
        else:
            yield SettingSource(name, masker.value_of(name, value), "environment")
    if not found.names:
        for one in fields(found.settings):
            value = str(getattr(found.settings, one.name))
            yield SettingSource(one.name, masker.value_of(one.name, value), "the program")
