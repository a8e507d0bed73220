"""Reports of redeploy tests as JSON, as Markdown for tickets, and as text for a terminal."""

import re
from typing import Any

from ..model.counting import counted
from ..model.encoder import encode
from ..redeploy_test import RedeployReceipt
from ..redeploy_test.report import Installation, Report, Verdict
from ..redeploy_test.verdict import sample_words
from ..watch import Proof
from .text import fields, flat, table

WORDS = {
    Verdict.PASS: "Memories survive",
    Verdict.FAIL: "Memories do not survive",
    Verdict.DEGRADED: "Memories survive, but not as they should be",
    Verdict.INCONCLUSIVE: "Nothing is proven",
}
NO_PROOF = (
    "There is no standing proof yet; set MEMORY_WATCH, such as 15m, or run "
    "`python -m memory_core redeploy-test watch`."
)
_WHERE = ("backend", "persistent", "embedder", "dimensions", "commit", "instance", "host", "boot")


def report_document(report: Report) -> dict[str, Any]:
    """Return the report as printed by `--json` and downloaded from the dashboard."""
    document: dict[str, Any] = encode(report)
    document["probes"] = [
        fields(probe, "id state number kind user_id detail") for probe in report.probes
    ]
    environment = {"before": document.pop("before"), "after": document.pop("after")}
    return {**document, "environment": environment}


def report_text(report: Report) -> str:
    rows = [
        (probe.number, probe.kind, probe.state.value, flat(probe.detail)) for probe in report.probes
    ]
    lines = [f"{report.verdict.value}: {flat(sentence(report))}", ""]
    lines += [f"  {flat(headline)}" for headline in report.headlines]
    return "\n".join([*lines, *table(rows), "", *counts(report)])


def report_markdown(report: Report) -> str:
    """Return a report that can be pasted into a ticket."""
    lines = [
        f"# Redeploy test {report.run}: {report.verdict.value}",
        "",
        f"{WORDS[report.verdict]}: {sentence(report)}",
        "",
        *(f"- **{_escape(headline)}**" for headline in report.headlines),
        *(f"- {line}" for line in counts(report)),
        "",
        "| | before | after |",
        "|---|---|---|",
        *(
            f"| {name} | {_escape(was)} | {_escape(now)} |"
            for name, was, now in compared(report.before, report.after)
        ),
        "",
        "| probe | kind | state | |",
        "|---|---|---|---|",
        *(
            f"| {probe.number or ''} | {probe.kind} | {probe.state.value} "
            f"| {_escape(probe.detail)} |"
            for probe in report.probes
        ),
        "",
    ]
    return "\n".join(lines)


def begun_document(receipt: RedeployReceipt, file: str, code: str | None) -> dict[str, Any]:
    acknowledged = len(receipt.acknowledged)
    progress = {"acknowledged": acknowledged, "receipt": file, "code": code}
    return {**fields(receipt, "run probes=count"), **progress}


def begun_text(receipt: RedeployReceipt, file: str, code: str | None) -> str:
    text = (
        f"Stored {len(receipt.acknowledged)} of {counted(receipt.count, 'probe')}. "
        "Now deploy, then run\n\n"
        f"    python -m memory_core redeploy-test verify --receipt {file}"
    )
    return text + (f"\n\nor give the code {code}" if code else "")


def proof_document(proof: Proof | None) -> dict[str, Any]:
    """Return the standing proof without the texts of its probes."""
    if proof is None:
        return {"state": "none", "sentence": NO_PROOF}
    names = "checks failed begun_at proven_since passed_at passed_commit commit instance losses"
    return fields(proof, f"state=outcome sentence at number {names}")


def proof_text(proof: Proof | None) -> str:
    if proof is None:
        return NO_PROOF
    rows = [
        ("first check", proof.begun_at),
        ("proven since", proof.proven_since),
        ("last good check", " ".join(filter(None, (proof.passed_at, proof.passed_commit[:8])))),
        ("checks", f"{proof.checks:,}, of which {proof.failed:,} failed"),
        *(("lost", loss.sentence(len(proof.receipt))) for loss in proof.losses),
    ]
    return "\n".join([flat(proof.sentence), "", *table(row for row in rows if row[1])])


def sentence(report: Report) -> str:
    """Return the reason as a sentence."""
    return f"{report.reason[:1].upper()}{report.reason[1:]}."


def compared(before: Installation | None, after: Installation | None) -> list[tuple[str, str, str]]:
    """Return name, value before and value after of all that is known about both phases."""
    names = [
        *_WHERE,
        *dict.fromkeys([*(before.location if before else ()), *(after.location if after else ())]),
    ]
    rows = [(name, _value(before, name), _value(after, name)) for name in names]
    return [row for row in rows if row[1] or row[2]]


def _value(evidence: Installation | None, name: str) -> str:
    if evidence is None:
        return ""
    value = getattr(evidence, name, None) if name in _WHERE else evidence.location.get(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def counts(report: Report) -> list[str]:
    """Return phrases with the counts before and after, and the times last."""
    lines = [f"{report.survived} of {counted(report.written, 'probe')} survived ({report.level})"]
    if report.control:
        lost = report.control.written - report.control.survived
        lines.append(f"control: {lost} of {report.control.written} lost, as expected")
        if report.control.survived:
            lines[-1] = f"control: {report.control.survived} survived, so the test proves nothing"
    if report.census_before and report.census_after and report.census_before.users:
        lines.append(
            f"real memories: {report.census_before.memories:,} of "
            f"{counted(report.census_before.users, 'user')} before, "
            f"{report.census_after.memories:,} of {report.census_after.users:,} after"
        )
    if report.sample and report.sample.read:
        lines.append(sample_words(report.sample))
    if report.left_behind is not None:
        lines.append(f"cleaned up: a recount finds {report.left_behind} of the probes")
    lines.append(f"begun {report.begun_at}, ended {report.ended_at}")
    return lines


def _escape(text: str) -> str:
    """Escape a text so that it stays in its table cell and is not read as Markdown or HTML."""
    return flat(re.sub(r"([\\|`*_\[])", r"\\\1", text).replace("<", "&lt;"))
