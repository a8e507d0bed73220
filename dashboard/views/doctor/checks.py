"""The tab Checks: choose and run checks, then the findings, also for a ticket and the overview."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import streamlit as st

from memory_core.doctor import (
    CHECKS,
    KINDS,
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
from ...services import memory_reads
from ...ui import actions, messages, progress, setting_lines, text
from ...ui.text import one_line, sentence, show
from .. import widgets

NAME: Final = "Checks"
TAB: Final = "doctor.tab"
FINDING: Final = "finding"
"""The parameter of the address for a finding that a link leads to."""

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
_NOUNS: Final = {Level.ERROR: "problem", Level.WARNING: "warning", Level.INFO: "note"}
_ALL: Final = "All subjects"
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
    if job := work.running():
        with st.container(border=True, key="doctor-run"):
            progress.watch(job.id, "check", doing="Starting")
    else:
        _draw_choice()
    last = work.last()
    linked = st.query_params.get(FINDING)
    if kind := next((kind for kind in KINDS if kind.id == linked), None):
        _draw_linked(kind, last)
    elif last:
        _draw_result(last)
    elif not work.running():
        with st.container(border=True, key="doctor-empty"):
            st.header("Not checked yet", anchor=False)
            run = "Run the checks" if may(Role.OPERATOR) else "Ask an operator to run the checks"
            st.markdown(f"{run}; they change nothing and take a few seconds.")


def go_to(finding_id: str) -> None:
    """Open this tab at one finding. For callbacks."""
    st.query_params[FINDING] = finding_id
    st.query_params["tab"] = NAME


def draw_kind(kind: FindingKind) -> None:
    """Draw what is known of a kind of finding, without an instance of it."""
    _draw_head(kind)
    _draw_consequence(kind)
    _draw_fixes(kind.fixes, kind.id)


def draw_bundle() -> None:
    """Draw the support bundle: its content, its option, its download."""
    last = work.last()
    with st.popover("Support bundle", icon=":material/medical_information:", key="doctor.bundle"):
        st.markdown(
            "One file for a ticket: findings, settings and where they come from, versions, recent "
            "warnings and errors, the last redeploy tests. It holds no secret and no memory's text."
        )
        personal = st.toggle("With personal data", key="doctor.personal")
        st.caption(
            "On: users' ids and e-mail addresses, and ids of memories, as they are. Off: a digest "
            "in place of each user, the same for the same user in one file."
        )
        if last is None:
            st.caption("Run the checks first; the bundle holds their findings.")
        elif messages.draw_unless(Role.OPERATOR):
            # The content is settled now; the file is made in another thread, on demand.
            diagnosis, lines = last.diagnosis, memory_reads.recent_lines(_BUNDLED_LINES)
            widgets.download(
                "Download the bundle",
                lambda: work.bundle(diagnosis, lines, personal),
                f"holdfast-support-{diagnosis.taken_at:%Y%m%d-%H%M%S}.json",
                "doctor.download",
            )


def draw_link() -> None:
    """Draw the link to this page with the latest result, without running anything."""
    last = work.last()
    label = "Run a health check"
    if last and last.whole:
        summary, when = last.diagnosis.summary, text.ago(last.diagnosis.taken_at)
        counts = [
            counted(summary[level.value], _NOUNS[level])
            for level in (Level.ERROR, Level.WARNING)
            if summary[level.value]
        ]
        label = f"The doctor found {' and '.join(counts) or 'nothing wrong'}, {when}"
    with st.container(key="doctor-link"):
        st.page_link(routes.DOCTOR, label=label, icon=":material/stethoscope:")


def _draw_choice() -> None:
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
    widgets.draw_failure(
        work.ended_early(), "The last run was cancelled; the result below is from before."
    )


def _start() -> None:
    tags = st.session_state.get("doctor.tags") or ()
    actions.action("doctor").do(lambda: work.start(tags))


def _start_check(name: str) -> None:
    """Start one check, by its name or that of a finding."""
    actions.action("doctor").do(lambda: work.start(only=(name,)))


def _draw_linked(kind: FindingKind, last: work.Last | None) -> None:
    """Draw the finding that a link led to, whether the doctor found it or not."""
    with widgets.row("sent"):
        st.markdown("**The finding you were sent to.**", width="content")
        widgets.button(
            "Show all findings", "doctor.everything", _show_all, icon="close", kind="tertiary"
        )
    findings = last.diagnosis.findings if last else ()
    if last:
        st.caption(_dated(last))
    if present := [finding for finding in findings if finding.id == kind.id]:
        _draw_findings(present)
        return
    checks = [check.name for check in CHECKS if kind in check.kinds]
    runs = last.diagnosis.checks if last else ()
    states = [run.state for run in runs if run.name in checks]
    with st.container(border=True, key="kind", gap="small"):
        if states and all(state in (CheckState.OK, CheckState.FOUND) for state in states):
            st.markdown(":green[:material/check_circle:] **Checked: this is not the case now.**")
        elif CheckState.NOT_NEEDED in states:
            st.markdown(":gray[:material/remove:] **This does not apply to the present storage.**")
        else:
            st.markdown(":gray[:material/help:] **Not checked yet.**")
        draw_kind(kind)
        widgets.button(
            "Run this check",
            "doctor.one",
            _start_check,
            kind.id,
            icon="stethoscope",
            disabled=not work.can_start() or not checks,
        )
    if instead := [finding for finding in findings if finding.check in checks]:
        st.markdown("**The same check found this instead**")
        _draw_findings(instead)


def _show_all() -> None:
    st.query_params.pop(FINDING, None)


def _draw_result(last: work.Last) -> None:
    diagnosis = last.diagnosis
    colour, icon = _MARKS[diagnosis.worst if _is_problem(diagnosis.worst) else Level.OK]
    with st.container(key="doctor-sentence", gap="xsmall"):
        summary = diagnosis.sentence if last.whole else "Only single checks were run so far."
        st.header(f":{colour}[{icon}] {summary}", anchor=False)
        st.caption(_dated(last))
    groups = _groups(diagnosis)
    levels, subject = _draw_filters(diagnosis, groups)
    with st.container(gap="small", key="groups"):
        for name, (runs, findings) in groups.items():
            shown = [finding for finding in findings if not levels or finding.level in levels]
            if subject in (_ALL, name) and (shown or not levels):
                _draw_group(name, runs, shown, open_=subject == name or bool(levels))


def _dated(last: work.Last) -> str:
    times = [run.ms for run in last.diagnosis.checks if run.ms is not None]
    parts = [
        text.both(last.diagnosis.taken_at),
        f"{counted(len(times), 'check')} in {sum(times) / 1000:.1f} s",
    ]
    if last.again:
        newest = text.ago(max(last.again.values()))
        parts.append(f"{counted(len(last.again), 'check')} run again since, {newest}")
    return " · ".join(parts)


def _is_problem(level: Level) -> bool:
    return level.rank > Level.INFO.rank


def _draw_filters(diagnosis: Diagnosis, subjects: Iterable[str]) -> tuple[list[Level], str]:
    counts = {level: diagnosis.summary[level.value] for level in _NOUNS}
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom", key="filters"):
        levels = st.pills(
            "Show",
            [level for level, count in counts.items() if count],
            selection_mode="multi",
            format_func=lambda level: counted(counts[level], _NOUNS[level]),
            key="doctor.levels",
        )
        subject = st.selectbox(
            "Subject",
            [_ALL, *subjects],
            format_func=lambda name: SUBJECTS.get(name, name),
            key="doctor.subject",
            width=260,
        )
    return list(levels or ()), str(subject)


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


def _draw_group(
    name: str, runs: Sequence[CheckRun], findings: Sequence[Finding], *, open_: bool
) -> None:
    """Draw a group: its problems as cards, the rest folded unless `open_`."""
    calm = [finding for finding in findings if not _is_problem(finding.level)]
    cards = findings if open_ else [finding for finding in findings if finding not in calm]
    if open_ or cards:
        st.markdown(f"**{SUBJECTS[name]}**")
    _draw_findings(cards)
    if part := widgets.folded(_folded_label(name, runs, calm), f"doctor.group.{name}"):
        with part:
            if not open_:
                _draw_findings(calm)
            for run in runs:
                with widgets.row():
                    st.markdown(_STATES[run.state], width="content")
                    reason = f" · {run.reason}" if run.reason else ""
                    st.text(f"{run.title}{reason}", width="stretch")
                    if run.ms is not None:
                        st.caption(f"{run.ms:,} ms", width="content")
                    _draw_again("Run again", run.name, f"doctor.run.{run.name}")


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


def _draw_again(label: str, check: str, key: str) -> None:
    widgets.button(
        label,
        key,
        _start_check,
        check,
        icon="refresh",
        kind="tertiary",
        disabled=not work.can_start(),
    )


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
            with widgets.row():
                if finding.check:
                    _draw_again("Run this check again", finding.check, f"doctor.again.{key}")
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
    if evidence:
        with st.container(gap=None):
            st.caption("Evidence")
            for piece in evidence[:_EVIDENCE_SHOWN]:
                source = f" ({one_line(piece.source, 60)})" if piece.source else ""
                show(f"{one_line(piece.name, 60)}: {one_line(piece.value, 300)}{source}")
    if len(evidence) <= _EVIDENCE_SHOWN:
        return
    if part := widgets.folded(
        f"All evidence, {counted(len(evidence), 'piece')}", f"doctor.evidence.{key}"
    ):
        with part:
            widgets.table(
                {
                    "What": [one_line(piece.name) for piece in evidence],
                    "Value": [one_line(piece.value, 300) for piece in evidence],
                    "From": [one_line(piece.source) for piece in evidence],
                },
                "The evidence, each piece with its source",
            )


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
