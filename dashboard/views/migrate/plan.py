"""Step 2: what would be done with each memory, and what a person has to decide."""

from __future__ import annotations

import datetime as dt
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.ui.text import one_line, show
from memory_core.render.text import visible
from memory_core.transfer import Conflict, MigrationPlan, Verdict

from ...services import migration
from ...ui import tables
from ...ui import text as times
from ...ui import text as words
from ...ui.actions import draw_word

WORD: Final = "migrate"
_USERS_SHOWN: Final = 12
_CONFLICTS_SHOWN: Final = 20
_VERDICTS: Final[dict[str, Verdict | None]] = {
    "Leave both where they are": None,
    "Keep what is here": "keep",
    "Take theirs": "take",
    "Keep both": "both",
}


def draw(plan: MigrationPlan, user: str) -> None:
    """Draw the numbers, the users, what is in conflict, and the confirmation."""
    with st.container(border=True, key="plan"):
        st.markdown(f"**{_sentence(plan)}**")
        st.dataframe(_numbers(plan), hide_index=True, alt="What becomes of the memories")
        for part in plan.survey.parts:
            st.text(_part(part.name, part.rows, part.skipped))
        st.caption(times.both(plan.as_of))
    _draw_users(plan)
    _draw_refused(plan)
    by_id, others = _draw_conflicts(plan)
    with st.container(key="estimate"):
        estimate = plan.estimate
        requests = f" and {words.counted(estimate.requests, 'request')}" * bool(estimate.requests)
        st.markdown(f"About {_duration(estimate.seconds)}{requests}.")
        with st.expander("What this is worked out from", type="compact"):
            for line in estimate.assumptions:
                st.text(line)
    decided = bool(by_id) or others is not None
    if not plan.planned and not (plan.conflicts and decided):
        st.caption("Nothing is to be copied. A run compares every memory and makes a receipt.")
    draw_word(
        "migrate.run",
        WORD,
        f"Copy {words.counted(plan.planned, 'memory')}" if plan.planned else "Compare",
        lambda: migration.start_run(plan.source, user, by_id, others),
    )


def _sentence(plan: MigrationPlan) -> str:
    parts = [f"{words.counted(plan.planned, 'memory')} would be copied"]
    if plan.skipped:
        parts.append(f"{plan.skipped:,} left out")
    if plan.failed:
        parts.append(f"{plan.failed:,} cannot be copied as they are")
    return f"{', '.join(parts)}."


def _numbers(plan: MigrationPlan) -> pd.DataFrame:
    rows = [
        ("In the source", plan.survey.rows),
        ("To be copied", plan.planned),
        ("of these embedded anew", plan.to_embed),
        ("of these under another form of the id", plan.normalised),
        ("too long, to be split", plan.survey.split),
    ]
    rows += [
        (str(outcome).replace("_", " ").capitalize(), count)
        for outcome, count in plan.intake.counts.items()
        if count and str(outcome) != "added"
    ]
    return pd.DataFrame([row for row in rows if row[1]], columns=["What", "Memories"])


def _part(name: str, rows: int, skipped: str) -> str:
    text = f"{one_line(name, 120)}: {words.counted(rows, 'memory')}"
    return f"{text}; left out, {one_line(skipped, 200)}" if skipped else text


def _draw_users(plan: MigrationPlan) -> None:
    if not plan.users:
        return
    st.subheader("User by user", anchor=False)
    st.dataframe(
        pd.DataFrame(
            {
                "User": [one_line(one.user_id, 100) for one in plan.users],
                "In the source": [sum(one.forms.values()) for one in plan.users],
                "Embedded anew": [one.to_embed for one in plan.users],
                "Written there as": [
                    ", ".join(visible(raw) for raw in one.forms if raw != one.user_id)
                    for one in plan.users
                ],
            }
        ),
        hide_index=True,
        height=tables.whole_height(len(plan.users), _USERS_SHOWN),
        alt="The users of the source",
    )


def _draw_refused(plan: MigrationPlan) -> None:
    refused = plan.intake.refused
    if not refused:
        return
    st.subheader("Cannot be stored", anchor=False)
    st.dataframe(
        pd.DataFrame(
            {
                "Memory": [one_line(one.id or "", 60) for one in refused],
                "User": [one_line(one.user_id or "", 100) for one in refused],
                "Why": [one_line(one.reason, 200) for one in refused],
            }
        ),
        hide_index=True,
        height=tables.whole_height(len(refused), _USERS_SHOWN),
        alt="Memories that cannot be stored, and why",
    )


def _draw_conflicts(plan: MigrationPlan) -> tuple[dict[str, Verdict], Verdict | None]:
    """Draw each id with two texts side by side; return what was decided."""
    if not plan.conflicts:
        return {}, None
    st.subheader("The same id with two texts", anchor=False)
    st.caption("Nothing is done with these until you decide; both stay where they are.")
    others = _VERDICTS[st.selectbox("For all of them", list(_VERDICTS), key="migrate.others")]
    by_id: dict[str, Verdict] = {}
    for at, one in enumerate(plan.conflicts[:_CONFLICTS_SHOWN]):
        verdict = _draw_conflict(at, one)
        if verdict:
            by_id[one.id] = verdict
    if len(plan.conflicts) > _CONFLICTS_SHOWN:
        st.caption(f"{len(plan.conflicts) - _CONFLICTS_SHOWN:,} more are decided together.")
    return by_id, others


def _draw_conflict(at: int, one: Conflict) -> Verdict | None:
    with st.container(border=True, key=f"conflict-{at}"):
        st.caption("User and id")
        st.text(f"{one_line(one.user_id, 100)}  ·  {one_line(one.id, 60)}")
        here, theirs = st.columns(2)
        with here:
            st.caption("Here")
            show(one.here, 600)
            st.text(one_line(one.here_at, 40))
        with theirs:
            st.caption("In the source")
            show(one.theirs, 600)
            st.text(one_line(one.theirs_at, 40))
        chosen = st.selectbox("What is to be done", list(_VERDICTS), key=f"migrate.verdict.{at}")
        return _VERDICTS[chosen]


def _duration(seconds: float) -> str:
    whole = dt.timedelta(seconds=max(1, round(seconds)))
    if whole < dt.timedelta(minutes=2):
        return words.counted(whole.seconds, "second")
    return words.counted(round(whole.total_seconds() / 60), "minute")
