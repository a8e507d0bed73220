"""Delete or forget a user: what will happen, the id typed, and the proof afterwards."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import people
from dashboard.ui import words
from dashboard.ui.confirm import draw_typed
from dashboard.ui.errors import show_trouble
from dashboard.user import proof
from memory_core.people import Found
from memory_core.records import Receipt, UserId

_DELETE: Final = "Delete the memories"
_FORGET: Final = "Forget the user"
_WAYS: Final = {
    _DELETE: "The memories go and are not found any more. Their history stays on record, so what "
    "they said can still be read there.",
    _FORGET: "For privacy. The memories and their history go for good; what is left is the fact "
    "that something was forgotten, without content. It cannot be undone.",
}


def draw(user_id: UserId, found: Found) -> None:
    """Draw the two ways of removing, with what would go."""
    way = st.radio("What is to be done", list(_WAYS), key="user.way")
    st.markdown(_WAYS[way])
    count = found.user.memories if found.user else 0
    known = found.user is not None
    st.markdown(f"**{words.counted(count, 'memory')}** of this user would go.")
    if known:
        _draw_removing(user_id, way)
    else:
        st.caption("Nothing was ever saved under this id.")
    proof.draw(user_id)


def _draw_removing(user_id: UserId, way: str) -> None:
    forget = way == _FORGET
    name = f"user.{'forget' if forget else 'delete'}"
    work = people.forget_user if forget else people.delete_user
    action = draw_typed(name, user_id, way, lambda: work(user_id))
    if action.outcome and action.outcome.trouble:
        show_trouble(action.outcome.trouble)
    elif action.outcome:
        _draw_receipt(action.outcome.value)


def _draw_receipt(receipt: Receipt) -> None:
    verb = "Forgot" if receipt.kind == "FORGET" else "Deleted"
    st.success(
        f"{verb} {words.counted(receipt.removed, 'memory')}; a recount by their ids finds "
        f"{receipt.left or 0:,}.",
        icon=":material/check_circle:",
    )
