"""One run of the doctor, from an environment to a diagnosis."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from typing import get_args

from ..errors import MemoryCoreError, UnknownCheck
from ..settings import Settings, Survey, survey
from . import configuring, credentials, disk, indexes, models, people, places, probing, surroundings
from .context import Context
from .masking import Masker
from .registry import Check, choose, in_order
from .runner import CRASHED, CUT_OFF, Outcome, run_checks
from .values import Diagnosis, Finding, Kind, OnProgress, Silenced, Source, Tag

CHECKS: tuple[Check, ...] = in_order(
    [
        *configuring.CHECKS,
        *surroundings.CHECKS,
        *credentials.CHECKS,
        *models.CHECKS,
        *places.CHECKS,
        *disk.CHECKS,
        *indexes.CHECKS,
        *people.CHECKS,
        *probing.CHECKS,
    ]
)
"""Every check, after all that it needs."""

KINDS: tuple[Kind, ...] = tuple(
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
    found = Survey(given) if isinstance(given, Settings) else survey(given)
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
            versions=surroundings.installed(),
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


def _shown(outcomes: Collection[Outcome], asked: Collection[str]) -> list[Outcome]:
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


def _sources(found: Survey, masker: Masker) -> Iterator[Source]:
    """Yield every variable that Holdfast reads, with its value and where that comes from."""
    for name in found.names:
        value = found.given.get(name)
        if value is None:
            yield Source(name, "", "not set")
        elif not value.strip():
            yield Source(name, "", "environment, but empty")
        else:
            yield Source(name, masker.value_of(name, value), "environment")
    if not found.names:
        for one in fields(found.settings):
            value = str(getattr(found.settings, one.name))
            yield Source(one.name, masker.value_of(one.name, value), "the program")
