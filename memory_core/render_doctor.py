"""A diagnosis -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .doctor import CheckRun, Diagnosis, Finding, Fix, Level, State
from .encoder import encode, pick
from .render import counted, one_line, printable, utc

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
        if one.state in (State.CRASHED, State.CUT_OFF):
            yield f"  {one.state.value}: {one.title} ({printable(one.reason)})"
    waiting = Counter(one.because for one in checks if one.because)
    for name, count in waiting.items():
        yield f"  {counted(count, 'check')} skipped until {name} is solved."
