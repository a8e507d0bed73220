"""The proof of a deletion: what is left of a user, looked for everywhere, to download."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from dashboard import people
from dashboard.auth.visitor import bound
from dashboard.ui import actions, times, words
from dashboard.ui.errors import show_trouble
from dashboard.ui.text import one_line
from memory_core.records import UserId
from memory_core.render import to_json
from memory_core.render_scan import visible
from memory_core.render_traces import SENTENCES, traces_document
from memory_core.traces import Traces

_STATES: Final = {
    "forgotten": (":green", "check_circle"),
    "never there": (":green", "check_circle"),
    "deleted": (":orange", "history"),
    "there": (":red", "error"),
}


def draw(user_id: UserId) -> None:
    """Draw the button that looks everywhere, and what was found last."""
    st.subheader("What is left of this user", anchor=False)
    st.caption(
        "Reads the whole store, the record, what the service remembers, and other places where "
        "memories may lie."
    )
    action = actions.action("user.traces")
    st.button(
        "Look everywhere",
        icon=":material/policy:",
        disabled=action.busy,
        on_click=_ask,
        args=(action, user_id),
    )
    action.run("Reading the whole store…")
    outcome = action.outcome
    if outcome and outcome.trouble:
        show_trouble(outcome.trouble)
    elif outcome and outcome.value.user_id == user_id:
        _draw_found(outcome.value)


def _ask(action: actions.Action, user_id: UserId) -> None:
    action.ask(lambda: people.traces(user_id), user_id)


def _draw_found(traces: Traces) -> None:
    colour, icon = _STATES[traces.state]
    with st.container(border=True, key="traces"):
        st.markdown(f"{colour}[:material/{icon}: **{SENTENCES[traces.state]}**]")
        st.dataframe(_frame(traces), hide_index=True, alt="What is left, place by place")
        if traces.unread:
            st.warning("Not every place could be read.", icon=":material/visibility_off:")
        for place in traces.unread:
            st.text(f"{one_line(place.where, 100)}: {one_line(place.note, 300)}")
        if traces.close:
            st.markdown(
                f"{words.counted(len(traces.close), 'other id')} close to this one; the proof "
                "names them."
            )
        st.caption(times.both(traces.as_of))
        st.download_button(
            "Download the proof",
            bound(lambda: to_json(traces_document(traces))),
            file_name=f"traces-{traces.as_of:%Y%m%dT%H%M%SZ}.json",
            mime="application/json",
            icon=":material/download:",
        )


def _frame(traces: Traces) -> pd.DataFrame:
    rows = [
        ("Memories on record", traces.memories, ""),
        ("Texts in the history", traces.texts, ""),
        (
            "Vectors in the store",
            traces.stored.stored if traces.stored else 0,
            f"of {traces.vectors:,}, all read",
        ),
        ("Remembered by the service", traces.remembered, ""),
    ]
    rows += [
        ("In another place", one.memories, one_line(place.where, 100))
        for place, one in traces.elsewhere
    ]
    rows += [
        ("In the history of a former owner", one.memories, visible(one.user_id))
        for one in traces.former
    ]
    return pd.DataFrame(rows, columns=["What", "Left", "Where"])
