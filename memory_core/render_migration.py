"""Migrations -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .encoder import encode, pick
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
        **pick(plan, "source", "target", "as_of", "planned"),
        "copied": 0,
        **pick(plan, "skipped", "failed"),
        "verified": None,
        **pick(plan, "to_embed", "normalised"),
        **_survey(plan.survey),
        **_counts(plan.intake),
        "estimate": encode(plan.estimate),
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
        **pick(report, "source", "target", "started_at", "finished_at"),
        "planned": report.copied,
        **pick(report, "copied", "skipped", "failed"),
        **pick(intake, "verified", "embedded", "renamed", "healed"),
        **_survey(report.survey),
        **_counts(intake),
        "conflicting": [_conflict(one) for one in report.conflicts],
        "refused": _problems(intake.refused),
        "per_user": {
            user.user_id: {
                "copied": sum(user.counts.get(one, 0) for one in COPIED),
                "skipped": sum(user.counts.get(one, 0) for one in SKIPPED),
                "failed": sum(user.counts.get(one, 0) for one in FAILED),
                **pick(user, "expected", "found", "expected_digest", "found_digest", "verified"),
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
        **pick(proof, "source", "target", "as_of"),
        "planned": proof.expected,
        "copied": 0,
        "skipped": sum(user.left_out for user in proof.users),
        "failed": proof.failed + proof.differing,
        **pick(proof, "verified", "expected", "found", "differing"),
        **_survey(proof.survey),
        "differences": encode(proof.differences),
        "refused": _problems(proof.intake.refused),
        "per_user": {
            user.user_id: pick(
                user, "expected", "found", "left_out", "expected_digest", "found_digest"
            )
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
        where = f"{encode(problem.id) or 'without an id'}, number {problem.line:,}"
        yield f"  {one_line(where)}: {one_line(encode(problem.reason))}"
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
        **pick(user, "forms", "to_embed", "normalised"),
        **{str(outcome): number for outcome, number in user.counts.items() if number},
    }


def _survey(survey: Survey) -> dict[str, Any]:
    return {
        "read": survey.rows,
        **pick(survey, "split", "with_history", "vectors"),
        "source_digest": survey.digest,
        "parts": encode(survey.parts),
    }


def _counts(intake: IntakeReport) -> dict[str, Any]:
    return {"counts": {str(outcome): intake.counts[outcome] for outcome in Outcome}}


def _conflict(one: Conflict) -> dict[str, Any]:
    return pick(one, "id", "user_id", "here", "here_at", "theirs", "theirs_at")


def _problems(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [{"number": one.line, **pick(one, "id", "user_id", "reason")} for one in problems]
