"""The tab Checks: what to look at, how far it is, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard.auth.roles import Role
from memory_core.doctor import (
    CHECKS,
    KINDS,
    SUBJECTS,
    CheckRun,
    CheckState,
    Diagnosis,
    Finding,
    Level,
)

from ...services import diagnosis as work
from ...ui import actions, frame, messages, progress, text
from ...ui.messages import show_trouble
from . import finding

NAME: Final = "Checks"
TAB: Final = "doctor.tab"
FINDING: Final = "finding"
"""What the address calls the finding that somebody was sent to."""

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
_LEVELS: Final = {Level.ERROR: "problem", Level.WARNING: "warning", Level.INFO: "note"}
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


def draw() -> None:
    """Draw the choice or the run, then the latest result."""
    if job := work.running():
        with st.container(border=True, key="doctor-run"):
            progress.watch(job.id, "check", doing="Starting")
    else:
        _draw_choice()
    last = work.last()
    if sent := _sent_to():
        _draw_sent(sent, last)
    elif last:
        _draw_result(last)
    elif not work.running():
        with st.container(border=True, key="doctor-empty"):
            st.subheader("Nothing was looked at yet", anchor=False)
            st.markdown("Run the checks; looking changes nothing and takes a few seconds.")


def go_to(finding_id: str) -> None:
    """Open this tab at one finding. For callbacks."""
    st.query_params[FINDING] = finding_id
    frame.go_to(NAME, key=TAB)


def _draw_choice() -> None:
    if not messages.draw_unless(Role.OPERATOR):
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom", key="choice"):
        st.button(
            "Run the checks",
            type="primary",
            icon=":material/stethoscope:",
            key="doctor.start",
            on_click=_start,
        )
        st.pills(
            "Look at more",
            list(_TAGS),
            selection_mode="multi",
            format_func=_TAGS.__getitem__,
            key="doctor.tags",
        )
    st.caption(_COSTS)
    outcome = actions.action("doctor").outcome
    if outcome and outcome.trouble:
        show_trouble(outcome.trouble)
    elif job := work.ended_early():
        if job.trouble:
            show_trouble(job.trouble)
        else:
            st.caption("The last run was cancelled; what is shown is from before.")


def _start() -> None:
    tags = st.session_state.get("doctor.tags") or ()
    actions.action("doctor").do(lambda: work.start(tags))


def _sent_to() -> str:
    asked = st.query_params.get(FINDING, "")
    return asked if any(one.id == asked for one in KINDS) else ""


def _draw_sent(finding_id: str, last: work.Last | None) -> None:
    """Draw the finding that somebody was sent to, whether it is there or not."""
    found = [one for one in last.diagnosis.findings if one.id == finding_id] if last else []
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="sent"):
        st.markdown("**The finding you were sent to.**", width="content")
        st.button(
            "Show everything",
            key="doctor.everything",
            type="tertiary",
            icon=":material/close:",
            on_click=lambda: st.query_params.pop(FINDING, None),
        )
    if last and found:
        st.caption(_dated(last))
        for number, one in enumerate(found):
            finding.draw(one, number)
        return
    kind = next(one for one in KINDS if one.id == finding_id)
    checks = [one for one in CHECKS if kind in one.kinds]
    made = {one.name: one for one in last.diagnosis.checks} if last else {}
    states = [made[one.name].state for one in checks if one.name in made]
    names = {one.name for one in checks}
    instead = [one for one in last.diagnosis.findings if one.check in names] if last else []
    if last:
        st.caption(_dated(last))
    with st.container(border=True, key="kind", gap="small"):
        if states and all(state in (CheckState.OK, CheckState.FOUND) for state in states):
            st.markdown(
                ":green[:material/check_circle:] **The doctor looked and it is not so now.**"
            )
        elif CheckState.NOT_NEEDED in states:
            st.markdown(":gray[:material/remove:] **This does not apply to the present storage.**")
        else:
            st.markdown(":gray[:material/help:] **The doctor has not looked for this yet.**")
        finding.draw_kind(kind)
        st.button(
            "Run this check",
            key="doctor.one",
            icon=":material/stethoscope:",
            disabled=not work.can_start() or not checks,
            on_click=finding.start_check,
            args=(finding_id,),
        )
    if instead:
        st.markdown("**The same check found this instead**")
        for number, one in enumerate(instead):
            finding.draw(one, number)


def _draw_result(last: work.Last) -> None:
    diagnosis = last.diagnosis
    colour, icon = finding.MARKS[_weight(diagnosis)]
    with st.container(key="doctor-sentence", gap="xsmall"):
        told = diagnosis.sentence if last.whole else "Only single checks were made so far."
        st.subheader(f":{colour}[{icon}] {told}", anchor=False)
        st.caption(_dated(last))
    levels, subject = _draw_filters(diagnosis)
    groups = _groups(diagnosis)
    with st.container(gap="small", key="groups"):
        for name, (runs, findings) in groups.items():
            shown = [one for one in findings if not levels or one.level in levels]
            if subject in (_ALL, name) and (shown or not levels):
                _draw_group(name, runs, shown, open_=subject == name or bool(levels))


def _dated(last: work.Last) -> str:
    diagnosis = last.diagnosis
    done = [one.ms for one in diagnosis.checks if one.ms is not None]
    parts = [
        text.both(diagnosis.taken_at),
        f"{text.counted(len(done), 'check')} in {sum(done) / 1000:.1f} s",
    ]
    if last.again:
        newest = max(last.again.values())
        parts.append(
            f"{text.counted(len(last.again), 'check')} made again since, {text.ago(newest)}"
        )
    return " · ".join(parts)


def _weight(diagnosis: Diagnosis) -> Level:
    return diagnosis.worst if diagnosis.worst.rank > Level.INFO.rank else Level.OK


def _draw_filters(diagnosis: Diagnosis) -> tuple[list[Level], str]:
    counts = {level: diagnosis.summary[level.value] for level in _LEVELS}
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom", key="filters"):
        levels = st.pills(
            "Show",
            [level for level, count in counts.items() if count],
            selection_mode="multi",
            format_func=lambda level: text.counted(counts[level], _LEVELS[level]),
            key="doctor.levels",
        )
        subject = st.selectbox(
            "Subject",
            [_ALL, *_groups(diagnosis)],
            format_func=lambda name: SUBJECTS.get(name, name),
            key="doctor.subject",
            width=260,
        )
    return list(levels or ()), str(subject)


def _groups(diagnosis: Diagnosis) -> dict[str, tuple[list[CheckRun], list[Finding]]]:
    """Return checks and findings by subject; those to act on first, each in the order of checks."""
    found: dict[str, tuple[list[CheckRun], list[Finding]]] = {name: ([], []) for name in SUBJECTS}
    for run in diagnosis.checks:
        found[run.name.partition(".")[0]][0].append(run)
    for one in diagnosis.findings:
        found[one.subject][1].append(one)
    told = {name: group for name, group in found.items() if group[0] or group[1]}
    return dict(sorted(told.items(), key=lambda one: -_rank(one[1][1])))


def _rank(findings: Sequence[Finding]) -> int:
    worst = max((one.level.rank for one in findings), default=0)
    return worst if worst > Level.INFO.rank else 0


def _draw_group(
    name: str, runs: Sequence[CheckRun], findings: Sequence[Finding], *, open_: bool
) -> None:
    """Draw a group: cards where something is to be done, folded where all is well."""
    if _rank(findings):
        st.markdown(f"**{SUBJECTS[name]}**")
        for number, one in enumerate(findings):
            if one.level.rank > Level.INFO.rank or open_:
                finding.draw(one, number)
    calm = [one for one in findings if one.level.rank <= Level.INFO.rank]
    if open_ and not _rank(findings):
        st.markdown(f"**{SUBJECTS[name]}**")
        for number, one in enumerate(calm):
            finding.draw(one, number)
    label = _folded_label(name, runs, calm)
    folded = st.expander(label, key=f"doctor.group.{name}", on_change="rerun", type="compact")
    if folded.open:
        with folded:
            for number, one in enumerate(() if open_ else calm):
                finding.draw(one, number)
            for run in runs:
                _draw_run(run)


def _folded_label(name: str, runs: Sequence[CheckRun], calm: Sequence[Finding]) -> str:
    waiting = [one for one in runs if one.state is CheckState.SKIPPED]
    fine = sum(one.state is CheckState.OK for one in runs)
    parts = [text.counted(len(runs), "check")]
    if fine and fine == len(runs):
        parts = [f"{parts[0]}, all well" if fine > 1 else "1 check, all well"]
    if waiting:
        parts.append(f"{len(waiting)} not made")
    if calm:
        parts.append(text.counted(len(calm), "note"))
    flagged = [one.state for one in runs if one.state in _UNWELL]
    icon = _STATES[
        flagged[0]
        if flagged
        else CheckState.SKIPPED
        if waiting
        else CheckState.OK
        if fine
        else CheckState.NOT_NEEDED
    ]
    return f"{icon} {SUBJECTS[name]} · {' · '.join(parts)}"


def _draw_run(run: CheckRun) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(_STATES[run.state], width="content")
        reason = f" · {run.reason}" if run.reason else ""
        st.text(f"{run.title}{reason}", width="stretch")
        if run.ms is not None:
            st.caption(f"{run.ms:,} ms", width="content")
        st.button(
            "Run again",
            key=f"doctor.run.{run.name}",
            type="tertiary",
            icon=":material/refresh:",
            disabled=not work.can_start(),
            on_click=finding.start_check,
            args=(run.name,),
        )
