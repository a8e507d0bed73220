"""Migrations -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .intake import IntakeReport, Outcome, Problem
from .migration import (
    Conflict,
    MigrationPlan,
    MigrationReport,
    Survey,
    UserPlan,
    Verification,
)
from .migration.values import COPIED, FAILED, SKIPPED
from .render import counted, one_line

_SHOWN = 20
_WORDS = {
    Outcome.ADDED: "to copy",
    Outcome.OVERWRITTEN: "take the text of the source, as decided",
    Outcome.KEPT_BOTH: "kept beside the text that is here, as decided",
    Outcome.ALREADY: "there already",
    Outcome.DUPLICATE: "the same as another in the source",
    Outcome.KEPT: "stay as they are here: decided so, or changed here since they came",
    Outcome.DELETED: "deleted here, and left out",
    Outcome.FORGOTTEN: "forgotten here, and left out",
    Outcome.CONFLICT: "of an id that has another text here: decide",
    Outcome.REFUSED: "refused",
}
_VECTORS = {
    "kept": "kept: the embedder in use makes the same",
    "made anew": "made anew: the embedder in use makes others",
    "none there": "made anew: none of the right length are there",
}


def plan_document(plan: MigrationPlan) -> dict[str, Any]:
    return {
        "source": plan.source,
        "target": plan.target,
        "as_of": plan.as_of,
        "planned": plan.planned,
        "copied": 0,
        "skipped": plan.skipped,
        "failed": plan.failed,
        "verified": None,
        "to_embed": plan.to_embed,
        "normalised": plan.normalised,
        **_survey(plan.survey),
        **_counts(plan.intake),
        "estimate": {
            "seconds": plan.estimate.seconds,
            "requests": plan.estimate.requests,
            "assumptions": list(plan.estimate.assumptions),
        },
        "conflicting": [_conflict(one) for one in plan.conflicts],
        "refused": _problems(plan.intake.refused),
        "per_user": {user.user_id: _user_plan(user) for user in plan.users},
    }


def plan_text(plan: MigrationPlan) -> str:
    estimate = plan.estimate
    lines = [
        f"From {one_line(plan.source)} to {one_line(plan.target)}; nothing was written.",
        *_found(plan.survey),
        *_outcomes(plan.intake),
    ]
    if plan.normalised:
        lines.append(f"  {plan.normalised:>8,}  stand under another form of their user's id")
    if plan.planned:
        requests = f" and {counted(estimate.requests, 'request')}" * bool(estimate.requests)
        lines.append(f"About {estimate.seconds:,.0f} s{requests}:")
        lines += [f"  {one_line(one)}" for one in estimate.assumptions]
    lines += [_user_line(user) for user in plan.users[:_SHOWN]]
    lines += _more(len(plan.users), "user")
    return "\n".join([*lines, *_failures(plan.conflicts, plan.intake.refused, plan.failed)])


def report_document(report: MigrationReport) -> dict[str, Any]:
    intake = report.intake
    return {
        "source": report.source,
        "target": report.target,
        "started_at": report.started_at,
        "finished_at": report.finished_at,
        "planned": report.copied,
        "copied": report.copied,
        "skipped": report.skipped,
        "failed": report.failed,
        "verified": intake.verified,
        "embedded": intake.embedded,
        "renamed": intake.renamed,
        "healed": intake.healed,
        **_survey(report.survey),
        **_counts(intake),
        "conflicting": [_conflict(one) for one in report.conflicts],
        "refused": _problems(intake.refused),
        "per_user": {
            user.user_id: {
                "copied": sum(user.counts.get(one, 0) for one in COPIED),
                "skipped": sum(user.counts.get(one, 0) for one in SKIPPED),
                "failed": sum(user.counts.get(one, 0) for one in FAILED),
                "expected": user.expected,
                "found": user.found,
                "expected_digest": user.expected_digest,
                "found_digest": user.found_digest,
                "verified": user.verified,
            }
            for user in intake.users
        },
    }


def report_text(report: MigrationReport) -> str:
    spent = (report.finished_at - report.started_at).total_seconds()
    lines = [
        f"From {one_line(report.source)} to {one_line(report.target)}: "
        f"{counted(report.copied, 'memory')} copied in {spent:,.1f} s.",
        *_found(report.survey),
        *_outcomes(report.intake, done=True),
    ]
    if report.intake.renamed:
        lines.append(f"  {report.intake.renamed:>8,}  under a new id: theirs is another user's")
    if report.intake.verified:
        found = sum(user.found or 0 for user in report.intake.users)
        lines.append(f"{found:,} read back, by count and digest of every user.")
    else:
        lines.append(
            "NOT all of it was read back; run `python -m memory_core audit --repair`, then migrate "
            "again."
        )
    lines += _failures(report.conflicts, report.intake.refused, report.failed)
    return "\n".join(lines)


def verification_document(proof: Verification) -> dict[str, Any]:
    return {
        "source": proof.source,
        "target": proof.target,
        "as_of": proof.as_of,
        "planned": proof.expected,
        "copied": 0,
        "skipped": sum(user.left_out for user in proof.users),
        "failed": proof.failed + proof.differing,
        "verified": proof.verified,
        "expected": proof.expected,
        "found": proof.found,
        "differing": proof.differing,
        **_survey(proof.survey),
        "differences": [
            {"id": one.id, "user_id": one.user_id, "detail": one.detail}
            for one in proof.differences
        ],
        "refused": _problems(proof.intake.refused),
        "per_user": {
            user.user_id: {
                "expected": user.expected,
                "found": user.found,
                "left_out": user.left_out,
                "expected_digest": user.expected_digest,
                "found_digest": user.found_digest,
            }
            for user in proof.users
        },
    }


def verification_text(proof: Verification) -> str:
    word = "VERIFIED" if proof.verified else "NOT verified"
    lines = [
        f"{word}: of {proof.expected:,} memories of {counted(len(proof.users), 'user')} in "
        f"{one_line(proof.source)}, {proof.found:,} are in {one_line(proof.target)}, "
        f"{proof.differing:,} of all differ.",
    ]
    lines += [
        f"  {one_line(one.user_id)}, {one_line(one.id or 'without an id')}: {one_line(one.detail)}"
        for one in proof.differences[:_SHOWN]
    ]
    lines += _more(proof.differing, "difference")
    return "\n".join([*lines, *_failures((), proof.intake.refused, proof.failed)])


def _found(survey: Survey) -> Iterable[str]:
    for part in survey.parts:
        more = f", {part.dimensions} dimensions" if part.dimensions else ""
        more += f", {part.metric}" if part.metric else ""
        more += f"; left out: {part.skipped}" if part.skipped else ""
        yield f"  {part.rows:>8,}  in {one_line(part.name)}{more}"
    if not survey.rows:
        yield "There is nothing to migrate in it."
        return
    if survey.split:
        yield f"  {survey.split:>8,}  texts too long for one memory, cut into linked parts"
    if survey.with_history:
        yield f"  {survey.with_history:>8,}  bring along what happened to them before"
    yield f"  vectors {_VECTORS[survey.vectors]} ({survey.agreed} of {survey.sampled} tried)"


def _outcomes(intake: IntakeReport, *, done: bool = False) -> Iterable[str]:
    for outcome, told in _WORDS.items():
        if intake.counts[outcome]:
            word = "copied" if done and outcome is Outcome.ADDED else told
            yield f"  {intake.counts[outcome]:>8,}  {word}"


def _failures(
    conflicts: Iterable[Conflict], refused: Iterable[Problem], failed: int
) -> Iterable[str]:
    shown = list(conflicts)[:_SHOWN]
    for one in shown:
        yield f"  {one_line(one.user_id)}, {one_line(one.id)}:"
        yield f"    here    {one.here_at}  {one_line(one.here[:200])}"
        yield f"    theirs  {one.theirs_at}  {one_line(one.theirs[:200])}"
    if shown:
        yield "Decide with --conflicts keep|take|both, or one by one with --decide ID=keep."
    for problem in list(refused)[:_SHOWN]:
        where = f"{_plain(problem.id) or 'without an id'}, number {problem.line:,}"
        yield f"  {one_line(where)}: {one_line(_plain(problem.reason) or '')}"
    if failed:
        yield f"{counted(failed, 'memory')} cannot be taken as they are; everything else can."


def _more(total: int, what: str) -> list[str]:
    return [f"  and {counted(total - _SHOWN, what)} more; --json lists all"] * (total > _SHOWN)


def _user_line(user: UserPlan) -> str:
    total = sum(user.forms.values())
    said = ", ".join(repr(raw) for raw in list(user.forms)[:3] if raw != user.user_id)
    more = f", written {one_line(said)}" if said else ""
    return f"  {total:>8,}  of {one_line(user.user_id)}{more}"


def _user_plan(user: UserPlan) -> dict[str, Any]:
    return {
        "forms": dict(user.forms),
        "to_embed": user.to_embed,
        "normalised": user.normalised,
        **{str(outcome): number for outcome, number in user.counts.items() if number},
    }


def _survey(survey: Survey) -> dict[str, Any]:
    return {
        "read": survey.rows,
        "split": survey.split,
        "with_history": survey.with_history,
        "vectors": survey.vectors,
        "source_digest": survey.digest,
        "parts": [
            {
                "name": one.name,
                "rows": one.rows,
                "dimensions": one.dimensions,
                "metric": one.metric,
                "skipped": one.skipped,
            }
            for one in survey.parts
        ],
    }


def _counts(intake: IntakeReport) -> dict[str, Any]:
    return {"counts": {str(outcome): intake.counts[outcome] for outcome in Outcome}}


def _conflict(one: Conflict) -> dict[str, Any]:
    return {
        "id": one.id,
        "user_id": one.user_id,
        "here": one.here,
        "here_at": one.here_at,
        "theirs": one.theirs,
        "theirs_at": one.theirs_at,
    }


def _problems(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "number": one.line,
            "id": _plain(one.id),
            "user_id": _plain(one.user_id),
            "reason": _plain(one.reason),
        }
        for one in problems
    ]


def _plain(text: str | None) -> str | None:
    """Replace half characters, which a damaged source may have."""
    return None if text is None else str(text).encode(errors="backslashreplace").decode()
