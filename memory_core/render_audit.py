"""Audits and rebuilds -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from typing import Any

from .encoder import pick
from .records import AuditReport, RebuildReport
from .render import counted, one_line

_COMMAND = "python -m memory_core audit --repair"
_SHOWN = 20


def audit_document(report: AuditReport) -> dict[str, Any]:
    differences = ("missing", "unexpected", "altered", "undeleted")
    return pick(report, *differences, "repaired", "clean", "checked", "users")


def audit_text(report: AuditReport) -> str:
    return "\n".join([_sentence(report), *_lines(report)])


def rebuild_document(report: RebuildReport) -> dict[str, Any]:
    return {
        **pick(report, "index", "memories", "users", "embedded"),
        "seconds": round(report.seconds, 3),
        **{key: val for key, val in audit_document(report.audit).items() if key != "checked"},
    }


def rebuild_text(report: RebuildReport) -> str:
    index, clean = one_line(report.index), report.audit.clean
    done = (
        f"Index {index} holds {_total(report.audit)}{' as recorded' if clean else ''}; "
        f"{report.embedded:,} embedded now, in {report.seconds:.1f} seconds."
    )
    if not report.memories:
        done = f"Nothing is recorded, so index {index} is empty."
    return done if clean else f"{done}\n{audit_text(report.audit)}"


def _total(report: AuditReport) -> str:
    return f"{counted(report.checked, 'memory')} of {counted(report.users, 'user')}"


def _sentence(report: AuditReport) -> str:
    done = f"Repaired {counted(report.repaired, 'difference')}; " if report.repaired else ""
    if report.clean and done:
        return f"{done}everything is as recorded now."
    if report.clean:
        verb = "is" if report.checked == 1 else "are"
        return f"{_total(report)} {verb} as recorded."
    left = {
        "recorded but not searchable": report.missing,
        "not as recorded": report.altered,
        "deleted but still there": report.undeleted,
        "stored but never recorded": report.unexpected,
    }
    counts = {words: sum(not one.repaired for one in items) for words, items in left.items()}
    parts = [
        f"{counted(count, 'memory')} {'is' if count == 1 else 'are'} {words}"
        for words, count in counts.items()
        if count
    ]
    remedy = f"repair with `{_COMMAND}`"
    if counts["stored but never recorded"] == sum(counts.values()):
        remedy = f"record or delete such with `{_COMMAND} --unexpected adopt` or `remove`"
    return f"{done}{', '.join(parts)}; {remedy}."


def _lines(report: AuditReport) -> list[str]:
    lines = [
        f"{'repaired' if one.repaired else word:<10}  {one_line(one.user_id or 'nobody')}  "
        f"{one_line(one.id)}  {one_line(one.detail)}"
        + (f": {one_line(one.memory)}" if one.memory else "")
        for word, items in (
            ("missing", report.missing),
            ("altered", report.altered),
            ("undeleted", report.undeleted),
            ("unexpected", report.unexpected),
        )
        for one in items
    ]
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"and {more:,} more; --json lists all"] if more > 0 else lines
