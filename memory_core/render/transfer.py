"""Exports, imports and migrations as JSON and as text."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..model.census import scope
from ..model.counting import counted
from ..model.encoder import encode
from ..transfer.reports import (
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
    Verification,
)
from .text import fields, first_of, one_line, table

_SHOWN = 20
_OUTCOMES = {
    Outcome.ADDED: "added",
    Outcome.ALREADY: "there already",
    Outcome.OVERWRITTEN: "overwritten with the text of the source",
    Outcome.KEPT_BOTH: "kept beside another text of the same id",
    Outcome.DUPLICATE: "the same as another in the source",
    Outcome.DELETED: "deleted here, and left out",
    Outcome.FORGOTTEN: "forgotten here, and left out",
    Outcome.KEPT: "kept as they are here: decided so, or changed here since they came",
    Outcome.CONFLICT: "in conflict: the same id has another text here, which stays",
    Outcome.REFUSED: "refused",
}
_VECTORS = {
    "kept": "kept: the embedder in use produces the same",
    "made anew": "computed again: the embedder in use produces others",
    "none there": "computed: the source has none of the right length",
}


def export_document(report: ExportReport) -> dict[str, Any]:
    return {
        **fields(report, "file=path manifest format=kind memories"),
        "users": len(report.users),
        **fields(report, "left_out resumed bytes sha256 vectors=header.vectors"),
        "embedder": fields(report.header, "name=embedder dimensions"),
        **fields(report, "as_of=header.as_of per_user=users"),
    }


def export_text(report: ExportReport) -> str:
    line = f"Exported {counted(report.memories, 'memory')} of {counted(len(report.users), 'user')}"
    if report.path:
        line += f" to {one_line(str(report.path))}"
    if report.resumed:
        line += f"; {report.resumed:,} of them had been written before"
    if report.left_out:
        line += f"; {one_line(scope(report.left_out))}"
    return f"{line}.\n  sha256  {report.sha256}"


def import_document(report: ImportReport) -> dict[str, Any]:
    intake = report.intake
    return {
        **fields(report, "file=path format=kind whole"),
        **fields(intake, "existing dry_run read"),
        **{str(outcome): intake.counts[outcome] for outcome in list(_OUTCOMES)[:7]},
        **fields(intake, "renamed brought_back healed unlike embedded"),
        "conflicts": intake.counts[Outcome.CONFLICT],
        "refused_count": intake.counts[Outcome.REFUSED],
        **fields(report, "left_out not_carried"),
        **fields(intake, "refused conflicting=conflicts verified"),
        "per_user": {
            user.user_id: {
                **_nonzero(user.counts),
                **fields(user, "expected found expected_digest found_digest unindexed verified"),
            }
            for user in intake.users
        },
    }


def import_text(report: ImportReport) -> str:
    intake = report.intake
    counts = intake.counts
    users = counted(len(intake.users), "user")
    line = f"{counted(intake.read, 'memory')} of {users} read from {one_line(report.path.name)}"
    lines = [f"Nothing was written: a dry run. {line}." if intake.dry_run else f"{line}."]
    if report.whole is False:
        lines.append("The file is incomplete; these are the memories that can be read.")
    rows = [
        (intake.renamed, "of these under a new id: theirs belongs to another user"),
        (intake.brought_back, "of these restored: they had been deleted or forgotten here"),
        (intake.healed, "of these put into the store again, which had lost them"),
        (intake.unlike, "of these with other metadata or another expiry here, which stays"),
    ]
    lines += _outcomes(intake, "added")
    lines += table(row for row in rows if row[0])
    lines += [
        f"  {report.unit} {memory.line:,}: {one_line(encode(memory.reason))}"
        for memory in (*intake.conflicts, *intake.refused)[:_SHOWN]
    ]
    if counts[Outcome.DELETED] or counts[Outcome.FORGOTTEN]:
        lines.append("To restore what was deleted or forgotten here, use --existing keep-both.")
    if report.left_out:
        lines.append(f"Left out because they are not in use there: {_numbers(report.left_out)}.")
    if report.not_carried:
        lines.append(f"Not carried, and not verified: {_numbers(report.not_carried)}.")
    return "\n".join([*lines, *_proof(intake)])


def plan_document(plan: MigrationPlan) -> dict[str, Any]:
    return {
        **fields(plan, "source target as_of planned"),
        "copied": 0,
        **fields(plan, "skipped failed"),
        "verified": None,
        **fields(plan, "to_embed normalised"),
        **_survey(plan.survey),
        **_counts(plan.intake),
        "estimate": encode(plan.estimate),
        "conflicting": _conflicts(plan.conflicts),
        "refused": _refused(plan.intake),
        "per_user": {
            user.user_id: {**fields(user, "forms to_embed normalised"), **_nonzero(user.counts)}
            for user in plan.users
        },
    }


def plan_text(plan: MigrationPlan) -> str:
    estimate = plan.estimate
    lines = [
        f"From {one_line(plan.source)} to {one_line(plan.target)}; nothing was written.",
        *_survey_lines(plan.survey),
        *_outcomes(plan.intake, "to copy"),
    ]
    if plan.normalised:
        lines += table([(plan.normalised, "under another form of the user's id")])
    if plan.planned:
        requests = f" and {counted(estimate.requests, 'request')}" * bool(estimate.requests)
        lines.append(f"About {estimate.seconds:,.0f} s{requests}:")
        lines += [f"  {one_line(assumption)}" for assumption in estimate.assumptions]
    lines += first_of([_user_line(user) for user in plan.users])
    return "\n".join([*lines, *_failures(plan.conflicts, plan.intake.refused, plan.failed)])


def report_document(report: MigrationReport) -> dict[str, Any]:
    intake = report.intake
    outcomes = {"copied": COPIED, "skipped": SKIPPED, "failed": FAILED}
    return {
        **fields(report, "source target started_at finished_at"),
        **fields(report, "planned=copied copied skipped failed"),
        **fields(intake, "verified embedded renamed healed"),
        **_survey(report.survey),
        **_counts(intake),
        "conflicting": _conflicts(report.conflicts),
        "refused": _refused(intake),
        "per_user": {
            user.user_id: {
                **{
                    word: sum(user.counts.get(outcome, 0) for outcome in group)
                    for word, group in outcomes.items()
                },
                **fields(user, "expected found expected_digest found_digest verified"),
            }
            for user in intake.users
        },
    }


def report_text(report: MigrationReport) -> str:
    intake = report.intake
    seconds = (report.finished_at - report.started_at).total_seconds()
    lines = [
        f"From {one_line(report.source)} to {one_line(report.target)}: "
        f"{counted(report.copied, 'memory')} copied in {seconds:,.1f} s.",
        *_survey_lines(report.survey),
        *_outcomes(intake, "copied"),
    ]
    if intake.renamed:
        lines += table([(intake.renamed, "under a new id: theirs belongs to another user")])
    lines += _proof(intake)
    return "\n".join([*lines, *_failures(report.conflicts, intake.refused, report.failed)])


def verification_document(proof: Verification) -> dict[str, Any]:
    counts = "expected found left_out expected_digest found_digest"
    return {
        **fields(proof, "source target as_of planned=expected"),
        "copied": 0,
        "skipped": sum(user.left_out for user in proof.users),
        "failed": proof.failed + proof.differing,
        **fields(proof, "verified expected found differing"),
        **_survey(proof.survey),
        "differences": encode(proof.differences),
        "refused": _refused(proof.intake),
        "per_user": {user.user_id: fields(user, counts) for user in proof.users},
    }


def verification_text(proof: Verification) -> str:
    lines = [
        f"{'VERIFIED' if proof.verified else 'NOT verified'}: of "
        f"{counted(proof.expected, 'memory')} of {counted(len(proof.users), 'user')} in "
        f"{one_line(proof.source)}, {proof.found:,} found in {one_line(proof.target)}; "
        f"different: {proof.differing:,}."
    ]
    lines += [
        f"  {one_line(difference.user_id)}, {one_line(difference.id or 'without an id')}: "
        f"{one_line(difference.detail)}"
        for difference in proof.differences[:_SHOWN]
    ]
    if (left := proof.differing - _SHOWN) > 0:
        lines.append(f"  and {left:,} more; --json lists all")
    return "\n".join([*lines, *_failures((), proof.intake.refused, proof.failed)])


def _proof(intake: IntakeReport) -> list[str]:
    if intake.verified is None:
        return []
    wrong = [user for user in intake.users if user.verified is False]
    if not wrong:
        read_back = sum(user.found or 0 for user in intake.users)
        if not read_back:
            return ["None of the memories is stored, so nothing was verified."]
        return [
            f"Verified: {read_back:,} read back, the id and text of each, by count and digest of "
            "every user."
        ]
    verb = "differs" if len(wrong) == 1 else "differ"
    return [
        f"NOT verified: {counted(len(wrong), 'user')} {verb} from the source; run `python -m "
        "memory_core audit --repair`, then repeat this.",
        *(
            f"  {one_line(user.user_id)}: {user.expected:,} expected, {user.found:,} found, "
            f"{user.unindexed:,} not searchable"
            for user in wrong[:_SHOWN]
        ),
    ]


def _survey_lines(survey: SourceSurvey) -> Iterator[str]:
    for part in survey.parts:
        about = f", {counted(part.dimensions, 'dimension')}" if part.dimensions else ""
        about += f", {part.metric}" if part.metric else ""
        about += f"; left out: {part.skipped}" if part.skipped else ""
        yield from table([(part.rows, f"in {one_line(part.name)}{about}")])
    if not survey.rows:
        yield "It holds nothing to migrate."
        return
    rows = (
        (survey.split, "cut into linked parts, too long for one memory"),
        (survey.with_history, "with their history"),
    )
    yield from table(row for row in rows if row[0])
    yield f"  vectors {_VECTORS[survey.vectors]} ({survey.agreed} of {survey.sampled} tried)"


def _outcomes(intake: IntakeReport, added: str) -> list[str]:
    words = {**_OUTCOMES, Outcome.ADDED: added}
    counts = intake.counts
    return table((counts[outcome], words[outcome]) for outcome in words if counts[outcome])


def _failures(
    conflicts: Iterable[Conflict], refused: Iterable[RefusedMemory], failed: int
) -> Iterator[str]:
    shown = list(conflicts)[:_SHOWN]
    for conflict in shown:
        yield f"  {one_line(conflict.user_id)}, {one_line(conflict.id)}:"
        yield f"    here    {conflict.here_at}  {one_line(conflict.here[:200])}"
        yield f"    theirs  {conflict.theirs_at}  {one_line(conflict.theirs[:200])}"
    if shown:
        yield "Decide with --conflicts keep|take|both, or one by one with --decide ID=keep."
    for memory in list(refused)[:_SHOWN]:
        where = f"{encode(memory.id) or 'without an id'}, number {memory.line:,}"
        yield f"  {one_line(where)}: {one_line(encode(memory.reason))}"
    if failed:
        yield f"Cannot be migrated: {counted(failed, 'memory')}; all others can."


def _user_line(user: UserPlan) -> str:
    forms = ", ".join(repr(raw) for raw in list(user.forms)[:3] if raw != user.user_id)
    written = f", written {one_line(forms)}" if forms else ""
    return f"  {sum(user.forms.values()):>8,}  of {one_line(user.user_id)}{written}"


def _numbers(counts: Mapping[str, int]) -> str:
    shown = [f"{one_line(encode(name))} ({count:,})" for name, count in counts.items()]
    others = f" and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + others


def _nonzero(counts: Mapping[Outcome, int]) -> dict[str, int]:
    return {str(outcome): number for outcome, number in counts.items() if number}


def _survey(survey: SourceSurvey) -> dict[str, Any]:
    return fields(survey, "read=rows split with_history vectors source_digest=digest parts")


def _counts(intake: IntakeReport) -> dict[str, Any]:
    return {"counts": {str(outcome): intake.counts[outcome] for outcome in Outcome}}


def _conflicts(conflicts: Iterable[Conflict]) -> list[dict[str, Any]]:
    keys = "id user_id here here_at theirs theirs_at"
    return [fields(conflict, keys) for conflict in conflicts]


def _refused(intake: IntakeReport) -> list[dict[str, Any]]:
    return [fields(memory, "number=line id user_id reason") for memory in intake.refused]
