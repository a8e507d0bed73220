"""The tab Checks: choose and run checks, then the findings, also for a ticket and the overview."""

from collections.abc import Iterable, Sequence
from typing import Final

import streamlit as st

from memory_core.doctor import (
    SUBJECTS,
    CheckRun,
    CheckState,
    Diagnosis,
    Evidence,
    Finding,
    FindingKind,
    Fix,
    Level,
)
from memory_core.model.counting import counted
from memory_core.render.diagnosis import finding_text

from ... import routes
from ...auth.roles import Role
from ...auth.visitor import may
from ...services import diagnosis as work
from ...services import memory_calls
from ...services.jobs import Job
from ...ui import actions, messages, progress, setting_lines, text
from ...ui.text import one_line, sentence, show
from .. import widgets

NAME: Final = "Checks"
TAB: Final = "doctor.tab"

_TAGS: Final = {
    "data": ":material/database: Memories",
    "deep": ":material/search_insights: All memories",
    "live": ":material/edit: Save a memory",
}
_COSTS: Final = (
    "Without a choice: settings, credentials, buckets, index, disk, versions; some ten requests "
    "and a few seconds. **Memories** reads the record and a sample of the store. **All memories** "
    "compares everything, which takes a request per hundred memories. **Save a memory** writes two "
    "memories of reserved users and removes them, and asks the language model once."
)
_NOUNS: Final = {Level.ERROR: "problem", Level.WARNING: "warning"}
_UNWELL: Final = (CheckState.FOUND, CheckState.CRASHED, CheckState.CUT_OFF)
_STATES: Final = {
    CheckState.OK: ":green[:material/check_circle:]",
    CheckState.FOUND: ":orange[:material/flag:]",
    CheckState.NOT_NEEDED: ":gray[:material/remove:]",
    CheckState.SKIPPED: ":gray[:material/skip_next:]",
    CheckState.CRASHED: ":red[:material/heart_broken:]",
    CheckState.CUT_OFF: ":orange[:material/timer_off:]",
}
# Per level: colour and icon, as constant Markdown.
_MARKS: Final = {
    Level.ERROR: ("red", ":material/error:"),
    Level.WARNING: ("orange", ":material/warning:"),
    Level.INFO: ("blue", ":material/info:"),
    Level.OK: ("green", ":material/check_circle:"),
}
_EVIDENCE_SHOWN: Final = 4
_BUNDLED_LINES: Final = 200


def draw() -> None:
    """Draw the choice or the run, then the latest result."""
    job = work.latest_run()
    running = job is not None and not job.finished
    if job and running:
        with st.container(border=True, key="doctor-run"):
            progress.watch(job.id, "check", doing="Starting")
    else:
        _draw_choice(job)
    last = work.last()
    if last:
        _draw_result(last)
    elif not running:
        with st.container(border=True, key="doctor-empty"):
            st.header("Not checked yet", anchor=False)
            run = "Run the checks" if may(Role.OPERATOR) else "Ask an operator to run the checks"
            st.markdown(f"{run}; they change nothing and take a few seconds.")


def draw_kind(kind: FindingKind) -> None:
    """Draw what a kind of finding means in general, without an instance of it."""
    _draw_head(kind)
    _draw_consequence(kind)
    _draw_fixes(kind.fixes, kind.id)


def draw_bundle() -> None:
    """Draw what the support bundle holds, its option, and its download."""
    last = work.last()
    with st.popover("Support bundle", icon=":material/medical_information:", key="doctor.bundle"):
        st.markdown(
            "One file for a ticket: findings, settings and where they come from, versions, recent "
            "warnings and errors, the last redeploy tests. It holds no secret and no memory's text."
        )
        personal = st.toggle("With personal data", key="doctor.personal")
        st.caption(
            "On: users' ids, e-mail addresses and ids of memories in full. Off: a digest in place "
            "of each user, the same for the same user within one file."
        )
        if last is None:
            st.caption("Run the checks first; the bundle holds their findings.")
        else:
            # Read now, because the file is made later, in another thread.
            lines = memory_calls.recent_lines(_BUNDLED_LINES)
            widgets.download(
                "Download the bundle",
                lambda: work.bundle(last, lines, personal),
                f"holdfast-support-{last.taken_at:%Y%m%d-%H%M%S}.json",
                "doctor.download",
            )


def draw_link() -> None:
    """Draw the link to this page with the latest result, without running anything."""
    last = work.last()
    label = "Run a health check" if may(Role.OPERATOR) else "Health check"
    if last:
        counts = [
            counted(count, noun)
            for level, noun in _NOUNS.items()
            if (count := last.summary[level.value])
        ]
        result = " and ".join(counts) or "nothing wrong"
        label = f"The doctor found {result}, {text.ago(last.taken_at)}"
    with st.container(key="doctor-link", width="content"):
        st.page_link(routes.DOCTOR, label=label, icon=":material/stethoscope:")


def _draw_choice(latest: Job | None) -> None:
    if not messages.draw_unless(Role.OPERATOR):
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom", key="choice"):
        widgets.button("Run the checks", "doctor.start", _start, icon="stethoscope", kind="primary")
        st.pills(
            "Also check",
            list(_TAGS),
            selection_mode="multi",
            format_func=_TAGS.__getitem__,
            key="doctor.tags",
        )
    st.caption(_COSTS)
    widgets.outcome("doctor")
    widgets.draw_failure(latest, "The last run was cancelled; the result below is from before.")


def _start() -> None:
    tags = st.session_state.get("doctor.tags") or ()
    actions.action("doctor").do(lambda: work.start(tags))


def _draw_result(last: Diagnosis) -> None:
    colour, icon = _MARKS[last.worst if _is_problem(last.worst) else Level.OK]
    with st.container(key="doctor-sentence", gap="xsmall"):
        st.header(f":{colour}[{icon}] {last.sentence}", anchor=False)
        times = [run.ms for run in last.checks if run.ms is not None]
        took = f"{counted(len(times), 'check')} in {sum(times) / 1000:.1f} s"
        st.caption(f"{text.both(last.taken_at)} · {took}")
    with st.container(gap="small", key="groups"):
        for name, (runs, findings) in _groups(last).items():
            _draw_group(name, runs, findings)


def _is_problem(level: Level) -> bool:
    return level.rank > Level.INFO.rank


def _groups(diagnosis: Diagnosis) -> dict[str, tuple[list[CheckRun], list[Finding]]]:
    """Return checks and findings by subject, those with problems first."""
    groups: dict[str, tuple[list[CheckRun], list[Finding]]] = {name: ([], []) for name in SUBJECTS}
    for run in diagnosis.checks:
        groups[run.name.partition(".")[0]][0].append(run)
    for finding in diagnosis.findings:
        groups[finding.subject][1].append(finding)
    filled = {name: group for name, group in groups.items() if group[0] or group[1]}
    return dict(sorted(filled.items(), key=lambda group: _worst(group[1][1]), reverse=True))


def _worst(findings: Sequence[Finding]) -> int:
    """Return the rank of the worst problem, 0 without one."""
    return max((each.level.rank for each in findings if _is_problem(each.level)), default=0)


def _draw_group(name: str, runs: Sequence[CheckRun], findings: Sequence[Finding]) -> None:
    """Draw a group: its problems as cards, the rest folded."""
    calm = [finding for finding in findings if not _is_problem(finding.level)]
    if problems := [finding for finding in findings if finding not in calm]:
        st.markdown(f"**{SUBJECTS[name]}**")
        _draw_findings(problems)
    if part := widgets.folded(_folded_label(name, runs, calm), f"doctor.group.{name}"):
        with part:
            _draw_findings(calm)
            for run in runs:
                with widgets.row():
                    st.markdown(_STATES[run.state], width="content")
                    reason = f" · {run.reason}" if run.reason else ""
                    st.text(f"{run.title}{reason}", width="stretch")
                    if run.ms is not None:
                        st.caption(f"{run.ms:,} ms", width="content")


def _folded_label(name: str, runs: Sequence[CheckRun], calm: Sequence[Finding]) -> str:
    skipped = sum(run.state is CheckState.SKIPPED for run in runs)
    fine = sum(run.state is CheckState.OK for run in runs)
    parts = [counted(len(runs), "check")]
    if fine and fine == len(runs):
        parts[0] += ", all well"
    if skipped:
        parts.append(f"{skipped} not run")
    if calm:
        parts.append(counted(len(calm), "note"))
    state = CheckState.OK if fine else CheckState.NOT_NEEDED
    if skipped:
        state = CheckState.SKIPPED
    state = next((run.state for run in runs if run.state in _UNWELL), state)
    return f"{_STATES[state]} {SUBJECTS[name]} · {' · '.join(parts)}"


def _draw_findings(findings: Iterable[Finding]) -> None:
    """Draw each finding as a card: the fact, its meaning, the evidence, the remedy."""
    for number, finding in enumerate(findings):
        key = f"{finding.id.replace('.', '-')}-{number}"
        with st.container(border=True, key=f"finding-{key}", gap="small"):
            _draw_head(finding)
            show(finding.detail)
            if _is_problem(finding.level):
                _draw_consequence(finding)
            _draw_evidence(finding.evidence, key)
            _draw_fixes(finding.fixes, key)
            copied = st.popover(
                "Copy as text",
                key=f"doctor.copy.{key}",
                type="tertiary",
                icon=":material/content_copy:",
                on_change="rerun",
            )
            if copied.open:
                copied.code(finding_text(finding), language=None, wrap_lines=True)


def _draw_head(finding: Finding | FindingKind) -> None:
    colour, icon = _MARKS[finding.level]
    with widgets.row():
        st.markdown(f":{colour}[{icon}]", width="content")
        st.markdown(f"**{finding.title}**", width="stretch")
        st.caption(finding.id, width="content")


def _draw_consequence(finding: Finding | FindingKind) -> None:
    with st.container(gap=None):
        st.caption("What the customer notices")
        show(finding.consequence)


def _draw_evidence(evidence: tuple[Evidence, ...], key: str) -> None:
    lines = [
        f"{one_line(piece.name, 60)}: {one_line(piece.value, 300)}"
        + (f" ({one_line(piece.source, 60)})" if piece.source else "")
        for piece in evidence
    ]
    if not lines:
        return
    with st.container(gap=None):
        st.caption("Evidence")
        show("\n".join(lines[:_EVIDENCE_SHOWN]))
    others = lines[_EVIDENCE_SHOWN:]
    if others and (part := widgets.folded(f"{len(others)} more", f"doctor.evidence.{key}")):
        with part:
            show("\n".join(others))


def _draw_fixes(fixes: tuple[Fix, ...], key: str) -> None:
    if not fixes:
        return
    with st.container(gap="xsmall"):
        st.caption("What to do")
        for number, fix in enumerate(fixes):
            show(sentence(fix.text))
            if fix.link.startswith("https:"):
                st.link_button(fix.link, fix.link, type="tertiary")
            elif fix.link:
                widgets.draw_document(fix.link, f"doctor.read.{key}.{number}")
            if fix.command:
                # A code block has a button that copies it.
                st.code(one_line(fix.command, 400), language=None, wrap_lines=True)
            elif fix.variable:
                setting_lines.draw(fix.variable, f"{key}.{number}")
        st.page_link(routes.REDEPLOY, label="Then prove it", icon=":material/verified:")
