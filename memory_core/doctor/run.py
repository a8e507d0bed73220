"""A run of the doctor: the checks one after another, none of which can stop the others."""

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
    KIND,
    Check,
    CheckRun,
    CheckState,
    Diagnosis,
    Evidence,
    Finding,
    FindingKind,
    Level,
    OnProgress,
    SettingSource,
    Silenced,
    Tag,
    choose,
    finding,
    in_order,
)
from .redact import Masker

_CRASHED = "doctor.E001"
_CUT_OFF = "doctor.W001"

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
    KIND[name]
    for name in dict.fromkeys(
        [_CRASHED, _CUT_OFF, *(name for check in CHECKS for name in check.ids)]
    )
)
"""Every kind of finding; docs/doctor.md has a paragraph for each."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check, how it ended, and its findings."""

    run: CheckRun
    findings: tuple[Finding, ...] = ()

    @property
    def stops_others(self) -> bool:
        unfinished = (CheckState.SKIPPED, CheckState.CRASHED, CheckState.CUT_OFF)
        has_error = any(finding.level is Level.ERROR for finding in self.findings)
        return has_error or self.run.state in unfinished


def diagnose(
    given: Mapping[str, str] | Settings | None = None,
    *,
    tags: Collection[Tag] = (),
    only: Collection[str] = (),
    silenced: Mapping[str, str] | None = None,
    on_progress: OnProgress | None = None,
    with_users: bool = False,
) -> Diagnosis:
    """Run the checks and return their findings; no finding raises an error.

    `given` is an environment, this process's own by default, or settings, whose origin is then
    unknown. Credentials always come from boto3's own chain. Without `tags` the cheap checks run;
    each tag adds the checks that bear it. `only` names checks, subjects or findings: those run
    alone, with the checks they need, whatever their tags. `silenced` maps ids of findings to
    reasons. `with_users` loads every user's id, for a bundle without them.

    Raises:
        UnknownCheck: there is no such tag, check, subject or finding, or a reason is empty.
    """
    quiet = dict(silenced or {})
    _check_names(tags, quiet)
    surveyed = SettingsSurvey(given) if isinstance(given, Settings) else survey(given)
    checks, asked = choose(CHECKS, tags, only)
    context = Context(surveyed, tags)
    try:
        results = list(run_checks(checks, context, on_progress))
        # Also the checks that kept a requested one from running.
        names = asked.union(result.run.because for result in results if result.run.name in asked)
        shown = [result for result in results if result.run.name in names]
        findings = sorted(
            (finding for result in shown for finding in result.findings),
            key=lambda finding: -finding.level.rank,
        )
        return Diagnosis(
            findings=tuple(finding for finding in findings if finding.id not in quiet),
            checks=tuple(result.run for result in shown),
            silenced=tuple(
                Silenced(finding.id, quiet[finding.id])
                for finding in findings
                if finding.id in quiet
            ),
            sources=tuple(_sources(surveyed, context.masker)),
            versions=environment.installed(),
            tags=tuple(tags),
            taken_at=datetime.now(UTC),
            user_ids=_user_ids(context, with_users),
            hide=context.masker.hide,
        )
    finally:
        context.close()


def run_checks(
    checks: Sequence[Check], context: Context, on_progress: OnProgress | None = None
) -> Iterator[CheckResult]:
    """Yield the result of each check, in order; a need that is not listed counts as met."""
    # For each check that did not pass, the one that caused it.
    stopped: dict[str, str] = {}
    for done, check in enumerate(checks):
        if on_progress:
            on_progress(done, len(checks), check.title)
        result = _skipped(check, context, stopped) or _run(check, context)
        if result.stops_others:
            stopped[check.name] = result.run.because or check.name
        yield _without_secrets(result, context.masker)
    if on_progress:
        on_progress(len(checks), len(checks), "")


def _skipped(check: Check, context: Context, stopped: Mapping[str, str]) -> CheckResult | None:
    """Return the result of a check that cannot run or does not apply, None for the others."""
    run = CheckRun(check.name, check.title, CheckState.NOT_NEEDED)
    for name in check.needs:
        if cause := stopped.get(name):
            reason = f"{cause} must pass first"
            return CheckResult(replace(run, state=CheckState.SKIPPED, reason=reason, because=cause))
    if check.backend and check.backend != context.backend.name:
        return CheckResult(run)
    if check.of_index and not context.has_index:
        return CheckResult(replace(run, reason="the first memory creates the index"))
    return None


def _run(check: Check, context: Context) -> CheckResult:
    findings: list[Finding] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            # Memories that a check writes and removes belong to this run.
            with unnoted():
                findings.extend(check.look(context))
        # The one place where everything is caught, programming errors included: a broken check
        # must not stop the others. The finding says what happened.
        except BaseException as exc:
            failure.append(exc)

    started = time.monotonic()
    thread = Thread(target=work, name=f"doctor {check.name}", daemon=True)
    thread.start()
    thread.join(check.limit_s)
    cut_off = thread.is_alive()
    ms = round((time.monotonic() - started) * 1000)
    run = CheckRun(check.name, check.title, CheckState.OK, ms=ms)
    if cut_off or failure:
        name, state = (_CUT_OFF, CheckState.CUT_OFF) if cut_off else (_CRASHED, CheckState.CRASHED)
        reason = f"no answer within {check.limit_s:g} s" if cut_off else _reason(failure[0])
        cause = finding(name, f"{check.title}: {reason}.", Evidence("check", check.name))
        return CheckResult(replace(run, state=state, reason=reason), (cause,))
    if any(finding.level.rank >= Level.WARNING.rank for finding in findings):
        run = replace(run, state=CheckState.FOUND)
    return CheckResult(run, tuple(findings))


def _reason(exc: BaseException) -> str:
    if isinstance(exc, MemoryCoreError):
        return str(exc)
    message = " ".join(str(exc).split())
    frames = traceback.extract_tb(exc.__traceback__)
    line = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(exc).__name__}{': ' if message else ''}{message}{line}"


def _without_secrets(result: CheckResult, masker: Masker) -> CheckResult:
    hide, name = masker.hide, result.run.name
    return CheckResult(
        replace(result.run, reason=hide(result.run.reason)),
        tuple(replace(finding.masked(hide), check=name) for finding in result.findings),
    )


def _check_names(tags: Iterable[str], silenced: Mapping[str, str]) -> None:
    for tag in tags:
        if tag not in get_args(Tag):
            raise UnknownCheck(f"there is no tag {tag!r}; use {', '.join(get_args(Tag))}")
    known = {kind.id for kind in KINDS}
    for name, reason in silenced.items():
        if name not in known:
            raise UnknownCheck(
                f"there is no finding {name!r} to silence; docs/doctor.md lists the findings"
            )
        if not reason.strip():
            raise UnknownCheck(f"finding {name} is silenced without a reason; add one")


def _user_ids(context: Context, wanted: bool) -> frozenset[str]:
    """Return the ids on record, as far as they are known or can be read."""
    if wanted or "views" in context.__dict__:
        with suppress(MemoryCoreError, OSError):
            return frozenset(view.user_id for view in context.views)
    return frozenset()


def _sources(surveyed: SettingsSurvey, masker: Masker) -> Iterator[SettingSource]:
    """Yield every variable that Holdfast reads, with its value and source."""
    for name in surveyed.names:
        value = surveyed.given.get(name)
        if value is None:
            yield SettingSource(name, "", "not set")
        elif not value.strip():
            yield SettingSource(name, "", "environment, but empty")
        else:
            yield SettingSource(name, masker.value_of(name, value), "environment")
    if not surveyed.names:
        for setting in fields(surveyed.settings):
            value = str(getattr(surveyed.settings, setting.name))
            yield SettingSource(setting.name, masker.value_of(setting.name, value), "the program")
