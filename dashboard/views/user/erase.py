"""Delete or forget a user: the consequences, the typed id, and the proof that nothing is left."""

from typing import Final, cast

import pandas as pd
import streamlit as st

from memory_core.memories.erasure_proof import Traces
from memory_core.model.census import UserSearch
from memory_core.model.counting import counted
from memory_core.model.records import Receipt
from memory_core.model.user_id import UserId
from memory_core.render.text import visible
from memory_core.render.user_tables import SENTENCES, erasure_proof_text

from ...auth import visitor
from ...services import memory_calls, user_actions
from ...ui import actions, text
from ...ui.actions import draw_typed
from ...ui.text import one_line
from .. import widgets
from . import summary

_DELETE: Final = "Delete the memories"
_FORGET: Final = "Forget the user"
_WAYS: Final = {
    _DELETE: "The memories are deleted and no longer found. Their history stays on record, so "
    "their texts can still be read there.",
    _FORGET: "For privacy. The memories and their history are removed for good; only the fact "
    "that something was forgotten remains, without content. This cannot be undone.",
}
_TRACES: Final = "user.traces"
_STATES: Final = {
    "forgotten": (":green", "check_circle"),
    "never there": (":green", "check_circle"),
    "deleted": (":orange", "history"),
    "traces": (":orange", "history"),
    "there": (":red", "error"),
}


def draw(user_id: UserId, known: UserSearch) -> None:
    """Draw the two ways of removing a user with their consequences, then the proof."""
    st.header("Removal", anchor=False)
    if user := known.user:
        for part, way in zip(st.columns(2), _WAYS, strict=True):
            with part:
                st.markdown(f"**{way}** · {counted(user.memories, 'memory')}")
                st.caption(_WAYS[way])
                _draw_removal(user_id, way)
    else:
        st.caption("Nothing was ever saved under this id.")
    _draw_proof(user_id)


def _draw_removal(user_id: UserId, way: str) -> None:
    forget = way == _FORGET
    name = f"user.{'forget' if forget else 'delete'}"
    work = user_actions.forget_user if forget else user_actions.delete_user
    if receipt := cast("Receipt | None", widgets.outcome(name)):
        verb = "Forgot" if receipt.kind == "FORGET" else "Deleted"
        st.success(
            f"{verb} {counted(receipt.removed, 'memory')}; a recount by their ids finds "
            f"{receipt.left or 0:,}.",
            icon=":material/check_circle:",
        )
    # Forgetting also starts the search for what is left; deleting does not.
    prove = (lambda: _ask_for_proof(user_id)) if forget else (lambda: None)
    draw_typed(name, user_id, way, lambda: work(user_id), prove)


def _ask_for_proof(user_id: UserId) -> None:
    actions.action(_TRACES).ask(lambda: user_actions.traces(user_id), user_id)


def _draw_proof(user_id: UserId) -> None:
    """Draw the search for what is left, and its latest result."""
    st.header("What is left of this user", anchor=False)
    st.caption(
        "Reads the whole store, the record, what the service holds in memory, and other places "
        "where memories may be."
    )
    action = actions.action(_TRACES)
    traces: Traces | None = widgets.outcome(_TRACES)
    if traces and traces.user_id == user_id:
        _draw_traces(traces)
    st.button(
        "Prove nothing is left",
        icon=":material/policy:",
        disabled=action.busy,
        on_click=_ask_for_proof,
        args=(user_id,),
    )
    action.run("Reading the whole store…")


def _draw_traces(traces: Traces) -> None:
    colour, icon = _STATES[traces.state]
    with st.container(border=True, key="traces"):
        st.markdown(f"{colour}[:material/{icon}: **{SENTENCES[traces.state]}**]")
        widgets.table(_frame(traces), "What is left, place by place")
        if traces.unread:
            st.warning("Not every place could be read.", icon=":material/visibility_off:")
        for place in traces.unread:
            st.text(f"{one_line(place.where, 100)}: {one_line(place.note, 300)}")
        if traces.close:
            st.markdown(f"{counted(len(traces.close), 'similar id')}, named in the proof.")
        st.caption(text.both(traces.as_of))
        widgets.download(
            "Download the proof",
            lambda: proof_text(traces),
            summary.file_name("proof", traces.user_id, "txt"),
            "user.proof",
        )


def proof_text(traces: Traces) -> str:
    """Return a readable proof: whom it is about, what was searched and by whom, what is left."""
    state = memory_calls.health().status
    where = [text.backend_name(state.backend), *state.location.values()] if state else []
    return (
        f"What is left of {visible(traces.user_id)} in Holdfast\n"
        f"Searched: {', '.join(where)}, by {visitor.current().name}, {text.utc(traces.as_of)}\n\n"
        f"{erasure_proof_text(traces)}\n"
    )


def _frame(traces: Traces) -> pd.DataFrame:
    stored = traces.stored.stored if traces.stored else 0
    rows = [
        ("Memories on record", traces.memories, ""),
        ("Texts in the history", traces.texts, ""),
        ("Vectors in the store", stored, f"of {traces.vectors:,}, all read"),
        ("Held by the service", traces.remembered, ""),
        ("Recall receipts", traces.receipts, "ids only"),
        ("Snapshots of the record", traces.snapshots, "ids only"),
        *(
            ("In another place", user.memories, one_line(place.where, 100))
            for place, user in traces.elsewhere
        ),
        *(
            ("In the history of a former owner", owner.memories, visible(owner.user_id))
            for owner in traces.former
        ),
    ]
    return pd.DataFrame(rows, columns=["What", "Left", "Where"])
