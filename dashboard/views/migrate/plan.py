"""Steps 2 to 4: the plan with its decisions and confirmation, then the receipt of the run."""

from typing import Final

import pandas as pd
import streamlit as st

from memory_core.model.counting import counted
from memory_core.render.text import to_json, visible
from memory_core.transfer.reports import Conflict, MigrationPlan, Verdict

from ...services import migration
from ...ui import text
from ...ui.actions import draw_typed
from ...ui.text import one_line, show
from .. import widgets

WORD: Final = "migrate"
_CONFLICTS_SHOWN: Final = 20
_DIFFERENCES_SHOWN: Final = 12
_VERDICTS: Final[dict[str, Verdict | None]] = {
    "Leave both where they are": None,
    "Keep what is here": "keep",
    "Take theirs": "take",
    "Keep both": "both",
}


def draw(plan: MigrationPlan, user: str) -> None:
    """Draw the numbers, the users, the conflicts, and the confirmation."""
    with st.container(border=True, key="plan"):
        sentence = f"{counted(plan.planned, 'memory')} will be copied"
        sentence += f", {plan.skipped:,} left out" if plan.skipped else ""
        sentence += f", {plan.failed:,} cannot be copied" if plan.failed else ""
        st.markdown(f"**{sentence}.**")
        widgets.table(_numbers(plan), "Memories of the source by what will happen to them")
        for part in plan.survey.parts:
            skipped = f"; left out, {one_line(part.skipped, 200)}" if part.skipped else ""
            st.text(f"{one_line(part.name, 120)}: {counted(part.rows, 'memory')}{skipped}")
        st.caption(text.both(plan.as_of))
    _draw_users(plan)
    _draw_refused(plan)
    by_id, others = _draw_conflicts(plan)
    _draw_estimate(plan)
    decided = bool(by_id) or others is not None
    if not plan.planned and not (plan.conflicts and decided):
        st.caption("Nothing to copy. A run compares every memory and makes a receipt.")
    draw_typed(
        "migrate.run",
        WORD,
        f"Copy {counted(plan.planned, 'memory')}" if plan.planned else "Compare",
        lambda: migration.start_run(plan.source, user, by_id, others),
        noun="word",
    )


def draw_receipt(migrated: migration.Migrated) -> None:
    """Draw the result of the run, the receipt to download, and every user."""
    proof, report = migrated.proof, migrated.report
    expected = counted(proof.expected, "memory")
    with st.container(border=True, key="receipt"):
        if proof.verified:
            st.markdown(
                f":green[:material/verified: **The whole source is here, {expected}**], compared "
                "one by one by id and content."
            )
        else:
            st.markdown(
                f":orange[:material/difference: **{proof.found:,} of {expected} here as in "
                f"the source**]; different: {proof.differing:,}, not copied: {proof.failed:,}."
            )
        st.caption(
            f"This run copied {counted(report.copied, 'memory')} and left out {report.skipped:,}."
        )
        st.caption(text.both(proof.as_of))
        widgets.download(
            "Download the receipt",
            lambda: to_json(migrated.receipt),
            f"migration-{proof.as_of:%Y%m%dT%H%M%SZ}.json",
            "migrate.receipt",
        )
    if users := proof.users:
        widgets.table(
            {
                "User": [one_line(user.user_id, 100) for user in users],
                "Expected here": [user.expected for user in users],
                "Is here": [user.found for user in users],
                "Left out": [user.left_out for user in users],
                "Identical": [user.expected_digest == user.found_digest for user in users],
            },
            "Every user of the source, with the memories expected and present here",
        )
    if proof.differences:
        st.header("Not as in the source", anchor=False)
        for difference in proof.differences[:_DIFFERENCES_SHOWN]:
            where = f"{difference.user_id}  {difference.id or ''}"
            st.text(one_line(f"{where}: {difference.detail}", 300))


def _numbers(plan: MigrationPlan) -> pd.DataFrame:
    rows = [
        ("In the source", plan.survey.rows),
        ("To be copied", plan.planned),
        ("of these re-embedded", plan.to_embed),
        ("of these under another form of the id", plan.normalised),
        ("too long, to be split", plan.survey.split),
    ]
    rows += [
        (str(outcome).replace("_", " ").capitalize(), count)
        for outcome, count in plan.intake.counts.items()
        if str(outcome) != "added"
    ]
    return pd.DataFrame([row for row in rows if row[1]], columns=["What", "Memories"])


def _draw_users(plan: MigrationPlan) -> None:
    if not (users := plan.users):
        return
    st.header("User by user", anchor=False)
    widgets.table(
        {
            "User": [one_line(user.user_id, 100) for user in users],
            "In the source": [sum(user.forms.values()) for user in users],
            "Re-embedded": [user.to_embed for user in users],
            "Stored there under": [
                ", ".join(visible(raw) for raw in user.forms if raw != user.user_id)
                for user in users
            ],
        },
        "The users of the source",
    )


def _draw_refused(plan: MigrationPlan) -> None:
    if not (refused := plan.intake.refused):
        return
    st.header("Cannot be stored", anchor=False)
    widgets.table(
        {
            "Memory": [one_line(memory.id or "", 60) for memory in refused],
            "User": [one_line(memory.user_id or "", 100) for memory in refused],
            "Why": [one_line(memory.reason, 200) for memory in refused],
        },
        "Memories that cannot be stored, and why",
    )


def _draw_conflicts(plan: MigrationPlan) -> tuple[dict[str, Verdict], Verdict | None]:
    """Draw each id with two texts side by side; return the decisions."""
    if not plan.conflicts:
        return {}, None
    st.header("The same id with two texts", anchor=False)
    st.caption("These stay as they are on both sides until you decide.")
    others = _VERDICTS[st.selectbox("For all of them", list(_VERDICTS), key="migrate.others")]
    by_id: dict[str, Verdict] = {}
    for number, conflict in enumerate(plan.conflicts[:_CONFLICTS_SHOWN]):
        if verdict := _draw_conflict(number, conflict):
            by_id[conflict.id] = verdict
    if len(plan.conflicts) > _CONFLICTS_SHOWN:
        st.caption(f"Decided together: {len(plan.conflicts) - _CONFLICTS_SHOWN:,} more.")
    return by_id, others


def _draw_conflict(number: int, conflict: Conflict) -> Verdict | None:
    with st.container(border=True, key=f"conflict-{number}"):
        st.caption("User and id")
        st.text(f"{one_line(conflict.user_id, 100)}  ·  {one_line(conflict.id, 60)}")
        sides = (
            ("Here", conflict.here, conflict.here_at),
            ("In the source", conflict.theirs, conflict.theirs_at),
        )
        for column, (label, memory, at) in zip(st.columns(2), sides, strict=True):
            with column:
                st.caption(label)
                show(memory, 600)
                st.text(one_line(at, 40))
        chosen = st.selectbox(
            "What do you want to do?", list(_VERDICTS), key=f"migrate.verdict.{number}"
        )
        return _VERDICTS[chosen]


def _draw_estimate(plan: MigrationPlan) -> None:
    requests = plan.estimate.requests
    with st.container(key="estimate"):
        also = f" and {counted(requests, 'request')}" if requests else ""
        st.markdown(f"About {_duration(plan.estimate.seconds)}{also}.")
        with st.expander("How this is estimated", type="compact"):
            for line in plan.estimate.assumptions:
                st.text(line)


def _duration(seconds: float) -> str:
    whole = max(1, round(seconds))
    return counted(whole, "second") if whole < 120 else counted(round(whole / 60), "minute")
