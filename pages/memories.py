"""Memories: find a person, then everything about them: memories, questions, timeline, other ids."""

from collections.abc import Callable

import streamlit as st

from dashboard import routes
from dashboard.auth.roles import Role
from dashboard.auth.visitor import may, require_access
from dashboard.services import demonstration, memory_calls
from dashboard.ui import frame, status
from dashboard.ui.messages import draw_unless, friendly_errors
from dashboard.views import person_box
from dashboard.views.doctor import scenes
from dashboard.views.memories import browse, save, search
from dashboard.views.user import erase, merge, summary, timeline
from memory_core import normalize_user_id

require_access()
FORMER = {
    "Search": "Ask",
    "What is remembered": "Ask",
    "Merge users": "Similar ids",
    "Reunite": "Similar ids",
    "Export": "Export and removal",
    "Remove": "Export and removal",
}
"""Former names of views, which old links still have."""


def settled_user() -> str:
    """Return the user id in the address, or the last one after a visit to another page."""
    last = st.session_state.get("memories.last", "")
    if last and "user" not in st.query_params and routes.arrived("memories"):
        st.query_params["user"] = last
    st.session_state["memories.last"] = st.query_params.get("user", "")
    return st.session_state["memories.last"]


def draw_person(raw: str) -> None:
    """Draw the user, then the views that the visitor's role allows."""
    user_id = normalize_user_id(raw)
    save.keep_drafts(user_id)
    known = summary.draw(user_id, raw)

    def draw_memories() -> None:
        if may(Role.OPERATOR):
            save.draw(user_id, raw)
        browse.draw(user_id)

    def draw_questions() -> None:
        search.draw(user_id, known)
        timeline.draw_given(user_id)

    def draw_removal() -> None:
        summary.draw_export(user_id, known)
        if draw_unless(Role.ADMIN):
            erase.draw(user_id, known)

    views: dict[str, tuple[Role, Callable[[], None]]] = {
        "Memories": (Role.VIEWER, draw_memories),
        "Ask": (Role.OPERATOR, draw_questions),
        "Timeline": (Role.VIEWER, lambda: timeline.draw(user_id)),
        "Similar ids": (Role.VIEWER, lambda: merge.draw(user_id, known)),
        "Export and removal": (Role.OPERATOR, draw_removal),
    }
    asked = st.query_params.get("view") or st.query_params.get("tab", "")
    first = FORMER.get(asked, asked) or ("Ask" if st.query_params.get("q") else "Memories")
    allowed = {name: draw for name, (role, draw) in views.items() if may(role)}
    if first not in allowed and first in views:
        draw_unless(views[first][0])
    first = first if first in allowed else "Memories"
    tabs = frame.draw_tabs(allowed, key="memories.tab", parameter="view", first=first)
    for name, draw in allowed.items():
        if tabs[name].open:
            with tabs[name], friendly_errors():
                draw()


st.title("Memories", anchor=False)
health = memory_calls.health()
if health.status is None:
    status.draw_unavailable("Memories cannot be shown or saved")
else:
    with friendly_errors():
        if not person_box.draw("person", opens=True, bind="query-params"):
            if user := settled_user():
                draw_person(user)
            else:
                if not health.status.users or demonstration.is_loading():
                    save_one = "Type a user's e-mail address above and save the first one."
                    st.caption(f"**No memories yet.** {save_one if may(Role.OPERATOR) else ''}")
                    scenes.draw_load_button("memories.load")
                st.page_link(routes.USERS, label="All users", icon=":material/group:")
