"""Exports and imports -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..model.encoder import encode, pick
from ..model.words import counted
from ..transfer import (
    COPIED,
    FAILED,
    SKIPPED,
    Conflict,
    ExportReport,
    ImportReport,
    IntakeReport,
    MigrationPlan,
    MigrationReport,
    Outcome,
    RefusedMemory,
    SourceSurvey,
    UserPlan,
    UserResult,
    Verification,
)
from .text import one_line

_SHOWN = 20


def export_document(report: ExportReport) -> dict[str, Any]:
    return {
        "file": str(report.path) if report.path else None,
        "manifest": str(report.manifest) if report.manifest else None,
        "format": report.kind,
        "memories": report.memories,
        "users": len(report.users),
        **pick(report, "resumed", "bytes", "sha256"),
        "vectors": report.header.vectors,
        "embedder": {"name": report.header.embedder, "dimensions": report.header.dimensions},
        "as_of": report.header.as_of,
        "per_user": encode(report.users),
    }


def export_text(report: ExportReport) -> str:
    told = f"Exported {counted(report.memories, 'memory')} of {counted(len(report.users), 'user')}"
    if report.path:
        told += f" to {one_line(str(report.path))}"
    if report.resumed:
        told += f"; {report.resumed:,} of them were written before"
    return f"{told}.\n  sha256  {report.sha256}"


def import_document(report: ImportReport) -> dict[str, Any]:
    intake = report.intake
    return {
        "file": str(report.path),
        "format": report.kind,
        "whole": report.whole,
        **pick(intake, "existing", "dry_run", "read"),
        **{str(outcome): intake.counts[outcome] for outcome in _COUNTED},
        **pick(intake, "renamed", "brought_back", "healed", "embedded"),
        "conflicts": intake.counts[Outcome.CONFLICT],
        "refused_count": intake.counts[Outcome.REFUSED],
        "refused": encode(intake.refused),
        "conflicting": encode(intake.conflicts),
        "verified": intake.verified,
        "per_user": {user.user_id: _user(user) for user in intake.users},
    }


def import_text(report: ImportReport) -> str:
    intake = report.intake
    counts = intake.counts
    of_users = f"of {counted(len(intake.users), 'user')}"
    read = f"{counted(intake.read, 'memory')} {of_users} read from {one_line(report.path.name)}"
    lines = [f"Nothing was written: a dry run. {read}." if intake.dry_run else f"{read}."]
    if report.whole is False:
        lines.append("The file is not whole; this is what can be read of it.")
    lines += [
        f"  {counts[outcome]:>8,}  {told}" for outcome, told in _COUNTED.items() if counts[outcome]
    ]
    lines += [f"  {number:>8,}  {told}" for number, told in _asides(intake) if number]
    lines += [_problem_line(one) for one in (*intake.conflicts, *intake.refused)[:_SHOWN]]
    if counts[Outcome.DELETED] or counts[Outcome.FORGOTTEN]:
        lines.append(
            "What was deleted or forgotten here was left out; --existing keep-both brings it back."
        )
    return "\n".join([*lines, *_proof(intake)])


_COUNTED = {
    Outcome.ADDED: "added",
    Outcome.ALREADY: "there already",
    Outcome.OVERWRITTEN: "overwritten",
    Outcome.KEPT_BOTH: "kept beside another text of the same id",
    Outcome.DUPLICATE: "the same as another in the file",
    Outcome.DELETED: "deleted here, and left out",
    Outcome.FORGOTTEN: "forgotten here, and left out",
}


def _asides(intake: IntakeReport) -> Iterable[tuple[int, str]]:
    return (
        (intake.counts[Outcome.CONFLICT], "of an id that has another text here, which stays"),
        (intake.counts[Outcome.REFUSED], "refused"),
        (intake.renamed, "of these under a new id: theirs belongs to another user"),
        (intake.brought_back, "of these brought back: they had been deleted or forgotten here"),
        (intake.healed, "of these put into the store again, which had lost them"),
    )


def _proof(intake: IntakeReport) -> list[str]:
    if intake.verified is None:
        return []
    wrong = [user for user in intake.users if user.verified is False]
    if not wrong:
        read_back = sum(user.found or 0 for user in intake.users)
        return [f"Verified: {read_back:,} read back, by count and digest of every user."]
    verb = "differs" if len(wrong) == 1 else "differ"
    lines = [
        f"  {one_line(user.user_id)}: {user.expected:,} expected, {user.found:,} found, "
        f"{user.unindexed:,} not searchable"
        for user in wrong[:_SHOWN]
    ]
    return [
        f"NOT verified: {counted(len(wrong), 'user')} {verb} from the file; run `python -m "
        "memory_core audit --repair` and import again.",
        *lines,
    ]


def _user(user: UserResult) -> dict[str, Any]:
    return {
        **{str(outcome): number for outcome, number in user.counts.items() if number},
        **pick(user, "expected", "found", "expected_digest", "found_digest"),
        **pick(user, "unindexed", "verified"),
    }


def _problem_line(one: RefusedMemory) -> str:
    return f"  line {one.line:,}: {one_line(encode(one.reason))}"


_SHOWN_CONFLICTS = 20
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
        "refused": _migration_problems(plan.intake.refused),
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
    lines += [_user_line(user) for user in plan.users[:_SHOWN_CONFLICTS]]
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
        "refused": _migration_problems(intake.refused),
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
        "refused": _migration_problems(proof.intake.refused),
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
        for one in proof.differences[:_SHOWN_CONFLICTS]
    ]
    lines += _more(proof.differing, "difference")
    return "\n".join([*lines, *_failures((), proof.intake.refused, proof.failed)])


def _found(survey: SourceSurvey) -> Iterable[str]:
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
    conflicts: Iterable[Conflict], refused: Iterable[RefusedMemory], failed: int
) -> Iterable[str]:
    shown = list(conflicts)[:_SHOWN_CONFLICTS]
    for one in shown:
        yield f"  {one_line(one.user_id)}, {one_line(one.id)}:"
        yield f"    here    {one.here_at}  {one_line(one.here[:200])}"
        yield f"    theirs  {one.theirs_at}  {one_line(one.theirs[:200])}"
    if shown:
        yield "Decide with --conflicts keep|take|both, or one by one with --decide ID=keep."
    for problem in list(refused)[:_SHOWN_CONFLICTS]:
        where = f"{encode(problem.id) or 'without an id'}, number {problem.line:,}"
        yield f"  {one_line(where)}: {one_line(encode(problem.reason))}"
    if failed:
        yield f"{counted(failed, 'memory')} cannot be taken as they are; everything else can."


def _more(total: int, what: str) -> list[str]:
    return [f"  and {counted(total - _SHOWN_CONFLICTS, what)} more; --json lists all"] * (
        total > _SHOWN_CONFLICTS
    )


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


def _survey(survey: SourceSurvey) -> dict[str, Any]:
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


def _migration_problems(problems: Iterable[RefusedMemory]) -> list[dict[str, Any]]:
    return [{"number": one.line, **pick(one, "id", "user_id", "reason")} for one in problems]
