"""The doctor's diagnosis, and what a log says, as JSON and as text."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ..doctor import CheckRun, CheckState, Diagnosis, Finding, Fix, Level
from ..doctor.demo_director import DemoDirector
from ..doctor.logs import ErrorGroup, LogReport, Seen, Spot
from ..model.counting import counted
from ..model.encoder import encode
from .log_summary import summarize_log
from .text import fields, first_of, one_line, printable, table, utc

BACKENDS = {"s3_vectors": "persistent (S3 Vectors)", "chroma": "temporary (ChromaDB)"}
IN_ORDER = "The seven lines in order"
_MARKS = {Level.ERROR: "!!", Level.WARNING: " !", Level.INFO: "  ", Level.OK: "ok"}
_EVIDENCE = 6


def diagnosis_document(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        **fields(diagnosis, "summary sentence as_of=taken_at tags"),
        "findings": [finding_document(finding) for finding in diagnosis.findings],
        **fields(diagnosis, "checks silenced settings=sources versions"),
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    return {
        **fields(finding, "id level title detail hint"),
        "evidence": [fields(fact, "name value source") for fact in finding.evidence],
        **fields(finding, "consequence fixes"),
    }


def diagnosis_text(diagnosis: Diagnosis) -> str:
    lines = [f"{diagnosis.sentence}  ({utc(diagnosis.taken_at)})"]
    for finding in diagnosis.findings:
        lines += ["", finding_text(finding)]
    lines += ["", *_check_lines(diagnosis.checks)]
    if diagnosis.silenced:
        lines += ["", f"{counted(len(diagnosis.silenced), 'finding')} silenced:"]
        lines += [
            f"  {silenced.id}: {one_line(silenced.reason)}" for silenced in diagnosis.silenced
        ]
    return "\n".join(lines)


def finding_text(finding: Finding) -> str:
    """Return a finding as text that can be pasted into a message."""
    lines = [
        f"{_MARKS[finding.level]}  {finding.id}  {finding.title}",
        f"      {printable(finding.detail)}",
    ]
    if finding.level.rank > Level.INFO.rank:
        lines.append(f"      What the customer notices: {finding.consequence}")
    for fact in finding.evidence[:_EVIDENCE]:
        source = f"  ({printable(fact.source)})" if fact.source else ""
        lines.append(f"      {printable(fact.name)}: {one_line(fact.value)}{source}")
    if len(finding.evidence) > _EVIDENCE:
        lines.append(f"      and {len(finding.evidence) - _EVIDENCE} more; --json lists all")
    return "\n".join([*lines, *(f"   -> {_fix(fix)}" for fix in finding.fixes)])


def logs_document(report: LogReport) -> dict[str, Any]:
    summary = summarize_log(report)
    return {
        **fields(summary, "sentence clean is_log"),
        **fields(report, "bytes=size_bytes lines formats"),
        **fields(report, "from=first_at to=last_at zoned"),
        "problems": [
            fields(problem, "sentence finding=finding_id") for problem in summary.problems
        ],
        "known_lines": [
            {"line": line_words(line), **_seen(seen)} for line, seen in report.known.items()
        ],
        "order": [{"line": line_words(line), **_seen(seen)} for line, seen in report.order],
        "storage": [
            {**fields(span, "backend persistent starts instances deployment"), **_seen(span.seen)}
            for span in report.spans
        ],
        "deployments": encode(report.deployments),
        "other_ids": [
            fields(pair, "asked saved reasons sure asks saves") for pair in report.other_ids
        ],
        "found_nothing": [
            fields(user, "user_id after_switch saves empty") for user in report.found_nothing
        ],
        "errors": [_error(group) for group in report.errors],
        "notes": encode(report.notes),
    }


def logs_text(report: LogReport) -> str:
    summary = summarize_log(report)
    lines = [printable(summary.sentence), log_extent(report)]
    if summary.problems:
        lines += ["", "What is wrong:"]
        for problem in summary.problems:
            finding = f"  ({problem.finding_id})" if problem.finding_id else ""
            lines.append(f"  {printable(problem.sentence)}{finding}")
    for title, rows in log_tables(report).items():
        cells = table([[*row.values()] for row in rows], [*rows[0]])
        lines += ["", f"{title}:", *first_of(cells, 21)]
    errors = ["\n".join(_error_lines(group)) for group in report.errors]
    lines += ["", "Errors and warnings:", *first_of(errors)] if errors else []
    lines += ["", *map(printable, report.notes)] if report.notes else []
    return "\n".join(lines)


def log_tables(report: LogReport) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of the report: rows by title, with the names of columns."""
    zone = " (UTC)" if report.zoned else ""
    first, last = f"First{zone}", f"Last{zone}"
    tables: dict[str, list[dict[str, Any]]] = {
        "The seven lines": [
            {"Line": line_words(line), "Times": seen.count if seen else 0}
            | dict(zip((first, last), _when(seen), strict=True))
            for line, seen in report.known.items()
        ],
        IN_ORDER: [
            {f"From{zone}": spot_text(seen.first), "Line": line_words(line), "In a row": seen.count}
            for line, seen in report.order
            if len(report.order) > 1
        ],
        "Storage over time": [
            {
                f"Since{zone}": spot_text(span.seen.first),
                "Storage": BACKENDS[span.backend],
                "Starts": span.starts,
                f"After a deployment{zone}": spot_text(span.deployment) if span.deployment else "",
                "Instances": one_line(", ".join(span.instances)),
            }
            for span in report.spans
        ],
        "Asked for under one id, saved under another": [
            {
                "Asked for": one_line(pair.asked),
                "Saved under": one_line(pair.saved),
                "Nothing found": pair.asks.count,
                "Saves": pair.saves.count,
                "Certain": "yes" if pair.sure else "perhaps",
                "Why similar": one_line("; ".join(pair.reasons)),
            }
            for pair in report.other_ids
        ],
        "Saved, and nothing found afterwards": [
            {
                "User": one_line(user.user_id),
                "Saves": user.saves.count,
                "Last save": spot_text(user.saves.last),
                "Nothing found": user.empty.count,
                "First time": spot_text(user.empty.first),
                "Storage": "changed in between" if user.after_switch else "the same",
            }
            for user in report.found_nothing
        ],
    }
    return {title: rows for title, rows in tables.items() if rows}


def line_words(line: str) -> str:
    """Return a known line with words in place of its variable parts."""
    return line.replace("%s", "<user>").replace("%d", "<n>")


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
    times = [check.ms for check in checks if check.ms is not None]
    yield f"{counted(len(times), 'check')} run in {sum(times) / 1000:.1f} s."
    for check in checks:
        if check.state in (CheckState.CRASHED, CheckState.CUT_OFF):
            yield f"  {check.state.value}: {check.title} ({printable(check.reason)})"
    waiting = Counter(check.because for check in checks if check.because)
    for name, count in waiting.items():
        yield f"  {counted(count, 'check')} skipped until {name} passes."


def log_extent(report: LogReport) -> str:
    """Return the size of the log, its formats, and its first and last time."""
    size = f"{counted(report.lines, 'line')}, {counted(report.size_bytes, 'byte')}"
    span = ""
    if report.first_at and report.last_at:
        zone = " UTC" if report.zoned else ""
        span = f", from {_moment(report.first_at)} to {_moment(report.last_at)}{zone}"
    return f"{size} ({', '.join(report.formats)}){span}."


def _when(seen: Seen | None) -> tuple[str, str]:
    return (spot_text(seen.first), spot_text(seen.last)) if seen else ("never", "never")


def spot_text(spot: Spot) -> str:
    """Return the time of a line of the log, or its number if it has no time."""
    return _moment(spot.at) if spot.at else f"line {spot.line:,}"


def _moment(at: datetime) -> str:
    """Return a time of the log: UTC, or unchanged if the log has no zone."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _error_lines(group: ErrorGroup) -> Iterator[str]:
    mark = "!!" if group.level == "error" else " !"
    yield f"{mark}  {group.seen.count:,} ×  {printable(group.template)}"
    first, last = _when(group.seen)
    place = f", at {printable(group.place)}" if group.place else ""
    yield f"      first {first}, last {last}{place}"
    if group.explanation:
        yield f"      {printable(group.explanation)}"
    if group.kind:
        yield f"   -> python -m memory_core doctor --only {group.kind.id}"


def _error(group: ErrorGroup) -> dict[str, Any]:
    return {
        **fields(group, "level template example place explanation"),
        **(
            fields(group.kind, "finding=id consequence fixes")
            if group.kind
            else {"finding": "", "consequence": "", "fixes": []}
        ),
        **_seen(group.seen),
    }


def _seen(seen: Seen | None) -> dict[str, Any]:
    return fields(seen, "count first last") if seen else {"count": 0, "first": None, "last": None}


def demo_document(director: DemoDirector) -> dict[str, Any]:
    """Return what a demo has created, and what it can break here."""
    state = director.state
    scenes = [
        {**fields(scene, "name title effect finding tags"), "under_way": scene.name in state.scenes}
        for scene in director.scenes()
    ]
    return {**fields(state, "people"), "stand_in": director.stand_in, "scenes": scenes}


def demo_text(director: DemoDirector) -> str:
    state = director.state
    rows = [
        ("broken" if scene.name in state.scenes else "", scene.name, scene.title)
        for scene in director.scenes()
    ]
    place = f"the stand-in at {director.stand_in}" if director.stand_in else "the embedded default"
    loaded = counted(len(state.people), "invented person", "invented people")
    return "\n".join([f"A demo on {place}; {loaded} loaded.", *table(rows)])
