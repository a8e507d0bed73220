"""A diagnosis -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ..doctor import CheckRun, CheckState, Diagnosis, Finding, Fix, Level
from ..doctor.logs import ErrorGroup, KnownLine, LogReport, Seen, Span, Spot
from ..model.encoder import encode, pick
from ..model.words import counted
from .text import one_line, printable, utc

_MARKS = {Level.ERROR: "!!", Level.WARNING: " !", Level.INFO: "  ", Level.OK: "ok"}
_EVIDENCE = 6


def diagnosis_document(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        **pick(diagnosis, "summary", "sentence"),
        "as_of": encode(diagnosis.taken_at),
        "tags": encode(diagnosis.tags),
        "findings": [finding_document(one) for one in diagnosis.findings],
        **pick(diagnosis, "checks", "silenced"),
        "settings": encode(diagnosis.sources),
        "versions": encode(diagnosis.versions),
    }


def finding_document(one: Finding) -> dict[str, Any]:
    return {
        **pick(one, "id", "level", "title", "detail", "hint"),
        "evidence": [pick(piece, "name", "value", "source") for piece in one.evidence],
        **pick(one, "consequence", "fixes"),
    }


def diagnosis_text(diagnosis: Diagnosis) -> str:
    lines = [f"{diagnosis.sentence}  ({utc(diagnosis.taken_at)})"]
    for one in diagnosis.findings:
        lines += ["", *_finding_lines(one)]
    lines += ["", *_check_lines(diagnosis.checks)]
    if diagnosis.silenced:
        lines += ["", f"{counted(len(diagnosis.silenced), 'finding')} silenced:"]
        lines += [f"  {one.id}: {one_line(one.reason)}" for one in diagnosis.silenced]
    return "\n".join(lines)


def finding_text(one: Finding) -> str:
    """Return one finding as text to be copied into a message."""
    return "\n".join(_finding_lines(one))


def _finding_lines(one: Finding) -> Iterator[str]:
    yield f"{_MARKS[one.level]}  {one.id}  {one.title}"
    yield f"      {printable(one.detail)}"
    if one.level.rank > Level.INFO.rank:
        yield f"      For the customer: {one.consequence}"
    for piece in one.evidence[:_EVIDENCE]:
        source = f"  ({printable(piece.source)})" if piece.source else ""
        yield f"      {printable(piece.name)}: {one_line(piece.value)}{source}"
    if len(one.evidence) > _EVIDENCE:
        yield f"      and {len(one.evidence) - _EVIDENCE} more with --json"
    for fix in one.fixes:
        yield f"   -> {_fix(fix)}"


def _fix(fix: Fix) -> str:
    parts = [printable(fix.text)]
    if fix.variable:
        parts.append(f"variable {fix.variable}")
    if fix.command:
        parts.append(f"run `{printable(fix.command)}`")
    if fix.link:
        parts.append(f"see {fix.link}")
    return "; ".join(parts)


def _check_lines(checks: tuple[CheckRun, ...]) -> Iterator[str]:
    done = [one for one in checks if one.ms is not None]
    yield f"{counted(len(done), 'check')} made in {sum(one.ms or 0 for one in done) / 1000:.1f} s."
    for one in checks:
        if one.state in (CheckState.CRASHED, CheckState.CUT_OFF):
            yield f"  {one.state.value}: {one.title} ({printable(one.reason)})"
    waiting = Counter(one.because for one in checks if one.because)
    for name, count in waiting.items():
        yield f"  {counted(count, 'check')} skipped until {name} is solved."


BACKENDS = {"s3_vectors": "persistent (S3 Vectors)", "chroma": "temporary (ChromaDB)"}
_MOST = 20


def logs_document(report: LogReport) -> dict[str, Any]:
    return {
        "sentence": report.sentence,
        "clean": report.clean,
        "is_log": report.is_log,
        "bytes": report.size_bytes,
        "lines": report.lines,
        "formats": dict(report.formats),
        "from": report.first_at,
        "to": report.last_at,
        "zoned": report.zoned,
        "problems": [
            {"sentence": one.sentence, "finding": one.finding_id} for one in report.problems
        ],
        "known_lines": [{"line": line_words(one.line), **_seen(one.seen)} for one in report.known],
        "order": [{"line": line_words(one.line), **_seen(one.seen)} for one in report.order],
        "storage": [
            {
                "backend": one.backend,
                "persistent": one.persistent,
                "starts": one.starts,
                "instances": list(one.instances),
                "deployment": asdict(one.deployment) if one.deployment else None,
                **_seen(one.seen),
            }
            for one in report.spans
        ],
        "deployments": [asdict(one) for one in report.deployments],
        "other_ids": [
            {
                "asked": one.asked,
                "saved": one.saved,
                "reasons": list(one.reasons),
                "sure": one.sure,
                "asks": _seen(one.asks),
                "saves": _seen(one.saves),
            }
            for one in report.other_ids
        ],
        "found_nothing": [
            {
                "user_id": one.user_id,
                "after_switch": one.after_switch,
                "saves": _seen(one.saves),
                "empty": _seen(one.empty),
            }
            for one in report.found_nothing
        ],
        "errors": [_error(one) for one in report.errors],
        "notes": list(report.notes),
    }


def logs_text(report: LogReport) -> str:
    zone = " UTC" if report.zoned else ""
    lines = [printable(report.sentence), _extent(report, zone)]
    if report.problems:
        lines += ["", "What is wrong:"]
        for problem in report.problems:
            finding = f"  ({problem.finding_id})" if problem.finding_id else ""
            lines.append(f"  {printable(problem.sentence)}{finding}")
    lines += ["", "The seven lines:", *(_known(one) for one in report.known)]
    if report.spans:
        lines += ["", "Storage over time:", *(f"  {_span(one)}" for one in report.spans[-_MOST:])]
    if report.other_ids:
        lines += ["", "Asked for under one id, saved under another:"]
        for one in report.other_ids[:_MOST]:
            sure = "" if one.sure else ", perhaps"
            lines.append(
                f"  {one_line(one.asked)} ({one.asks.count:,} × nothing found) · "
                f"{one_line(one.saved)} ({counted(one.saves.count, 'save')}): "
                f"{printable('; '.join(one.reasons))}{sure}"
            )
        lines += _more(len(report.other_ids))
    if report.found_nothing:
        lines += ["", "Saved, and nothing found afterwards:"]
        for user in report.found_nothing[:_MOST]:
            why = ", the storage had changed" if user.after_switch else ""
            lines.append(
                f"  {one_line(user.user_id)}: {counted(user.saves.count, 'save')}, last "
                f"{spot_text(user.saves.last)}; nothing found {user.empty.count:,} ×, first "
                f"{spot_text(user.empty.first)}{why}"
            )
        lines += _more(len(report.found_nothing))
    if report.errors:
        lines += ["", "Errors and warnings:"]
        for group in report.errors[:_MOST]:
            lines += _error_lines(group)
        lines += _more(len(report.errors))
    lines += ["", *map(printable, report.notes)] if report.notes else []
    return "\n".join(lines)


def line_words(line: str) -> str:
    """Return a known line as people read it, with words for what differs."""
    return line.replace("%s", "<user>").replace("%d", "<n>")


def spot_text(spot: Spot) -> str:
    """Return when something was logged; where the log does not say, in which line."""
    return moment(spot.at) if spot.at else f"line {spot.line:,}"


def moment(at: datetime) -> str:
    """Return a time as the log has it: UTC, or without a zone as it stood."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _extent(report: LogReport, zone: str) -> str:
    formats = ", ".join(report.formats)
    told = f"{counted(report.lines, 'line')}, {report.size_bytes:,} bytes ({formats})"
    if report.first_at and report.last_at:
        return f"{told}, from {moment(report.first_at)} to {moment(report.last_at)}{zone}."
    return f"{told}."


def _known(one: KnownLine) -> str:
    if one.seen is None:
        return f"       -  {line_words(one.line)}"
    when = f"first {spot_text(one.seen.first)}, last {spot_text(one.seen.last)}"
    return f"  {one.seen.count:>6,}  {line_words(one.line)}  ({when})"


def _span(one: Span) -> str:
    told = f"{spot_text(one.seen.first)}  {BACKENDS[one.backend]}, {counted(one.starts, 'start')}"
    if one.deployment:
        told += f", after a deployment ({spot_text(one.deployment)})"
    return told + (f", {printable(', '.join(one.instances))}" if one.instances else "")


def _error_lines(one: ErrorGroup) -> Iterator[str]:
    mark = "!!" if one.level == "error" else " !"
    yield f"{mark}  {one.seen.count:,} ×  {printable(one.template)}"
    when = f"first {spot_text(one.seen.first)}, last {spot_text(one.seen.last)}"
    yield f"      {when}{f', at {printable(one.place)}' if one.place else ''}"
    if one.explanation:
        yield f"      {printable(one.explanation)}"
    if one.kind:
        yield f"   -> python -m memory_core doctor --only {one.kind.id}"


def _more(count: int) -> list[str]:
    return [f"  and {count - _MOST:,} more with --json"] if count > _MOST else []


def _error(one: ErrorGroup) -> dict[str, Any]:
    return {
        "level": one.level,
        "template": one.template,
        "example": one.example,
        "place": one.place,
        "explanation": one.explanation,
        "finding": one.kind.id if one.kind else "",
        "consequence": one.kind.consequence if one.kind else "",
        "fixes": [asdict(fix) for fix in one.kind.fixes] if one.kind else [],
        **_seen(one.seen),
    }


def _seen(seen: Seen | None) -> dict[str, Any]:
    if seen is None:
        return {"count": 0, "first": None, "last": None}
    return {"count": seen.count, "first": asdict(seen.first), "last": asdict(seen.last)}
