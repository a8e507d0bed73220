"""Delete or forget a user: what will happen, the id typed, and the proof afterwards."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from memory_core.memories.erasure_proof import Traces
from memory_core.model.census import UserSearch
from memory_core.model.records import Receipt, UserId
from memory_core.render.text import to_json, visible
from memory_core.render.user_tables import SENTENCES, traces_document

from ...auth.visitor import bound
from ...services import user_actions
from ...ui import actions, text
from ...ui.actions import draw_typed
from ...ui.messages import show_trouble
from ...ui.text import one_line

_STATES: Final = {
    "forgotten": (":green", "check_circle"),
    "never there": (":green", "check_circle"),
    "deleted": (":orange", "history"),
    "there": (":red", "error"),
}


def draw_proof(user_id: UserId) -> None:
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
    action.ask(lambda: user_actions.traces(user_id), user_id)


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
                f"{text.counted(len(traces.close), 'other id')} close to this one; the proof "
                "names them."
            )
        st.caption(text.both(traces.as_of))
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


_DELETE: Final = "Delete the memories"
_FORGET: Final = "Forget the user"
_WAYS: Final = {
    _DELETE: "The memories go and are not found any more. Their history stays on record, so what "
    "they said can still be read there.",
    _FORGET: "For privacy. The memories and their history go for good; what is left is the fact "
    "that something was forgotten, without content. It cannot be undone.",
}


def draw(user_id: UserId, found: UserSearch) -> None:
    """Draw the two ways of removing, with what would go."""
    way = st.radio("What is to be done", list(_WAYS), key="user.way")
    st.markdown(_WAYS[way])
    count = found.user.memories if found.user else 0
    known = found.user is not None
    st.markdown(f"**{text.counted(count, 'memory')}** of this user would go.")
    if known:
        _draw_removing(user_id, way)
    else:
        st.caption("Nothing was ever saved under this id.")
    draw_proof(user_id)


def _draw_removing(user_id: UserId, way: str) -> None:
    forget = way == _FORGET
    name = f"user.{'forget' if forget else 'delete'}"
    work = user_actions.forget_user if forget else user_actions.delete_user
    action = draw_typed(name, user_id, way, lambda: work(user_id))
    if action.outcome and action.outcome.trouble:
        show_trouble(action.outcome.trouble)
    elif action.outcome:
        _draw_receipt(action.outcome.value)


def _draw_receipt(receipt: Receipt) -> None:
    verb = "Forgot" if receipt.kind == "FORGET" else "Deleted"
    st.success(
        f"{verb} {text.counted(receipt.removed, 'memory')}; a recount by their ids finds "
        f"{receipt.left or 0:,}.",
        icon=":material/check_circle:",
    )
