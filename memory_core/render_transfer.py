"""Exports and imports -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .encoder import encode, pick
from .intake import IntakeReport, Outcome, Problem, UserResult
from .render import counted, one_line
from .transfer import ExportReport, ImportReport

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


def _problem_line(one: Problem) -> str:
    return f"  line {one.line:,}: {one_line(encode(one.reason))}"
