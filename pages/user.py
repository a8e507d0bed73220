"""User: memories, timeline, what the assistant would get, merge, export, removal."""

from collections.abc import Callable

import streamlit as st

from dashboard import routes
from dashboard.auth.roles import Role
from dashboard.auth.visitor import require_access
from dashboard.services import memory_reads
from dashboard.ui import frame, tables
from dashboard.ui.messages import draw_unless, friendly_errors, show_trouble
from dashboard.views.user import erase, merge, recall, summary
from memory_core import normalize_user_id
from memory_core.model.counting import counted
from memory_core.model.user_id import UserId

require_access()


def draw_memories(user_id: UserId) -> None:
    """Draw the memories as a table."""
    records = memory_reads.memories(user_id)
    if not records:
        st.caption("No memories now.")
        return
    st.dataframe(
        tables.memory_frame(records),
        hide_index=True,
        height=tables.whole_height(len(records), 12),
        alt="The memories of this user, newest first",
        column_config={
            "Saved": st.column_config.DatetimeColumn(format="distance"),
            "Changed": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(f"{counted(len(records), 'memory')}, complete, newest first")
        if st.button("Open in Memories", type="tertiary", icon=":material/open_in_new:"):
            routes.open_user(user_id)


def draw_view(user_id: UserId) -> None:
    """Draw the user, then the tabs."""
    answer = summary.draw(user_id)
    views: dict[str, tuple[Role, Callable[[], None]]] = {
        "Memories": (Role.VIEWER, lambda: draw_memories(user_id)),
        "Timeline": (Role.VIEWER, lambda: summary.draw_timeline(user_id)),
        "What is remembered": (Role.OPERATOR, lambda: recall.draw(user_id)),
        "Merge users": (Role.ADMIN, lambda: merge.draw(user_id, answer)),
        "Export": (Role.OPERATOR, lambda: summary.draw_export(user_id, answer)),
        "Remove": (Role.ADMIN, lambda: erase.draw(user_id, answer)),
    }
    if st.query_params.get("view") == "Reunite":
        # The tab's former name, in links of old.
        st.query_params["view"] = "Merge users"
    tabs = frame.draw_tabs(views, key="user.view", parameter="view", first="Memories")
    for name, (role, draw) in views.items():
        if tabs[name].open:
            with tabs[name], friendly_errors():
                if draw_unless(role):
                    draw()


st.title("User", anchor=False)
health = memory_reads.health()
asked = st.query_params.get("user", "")
if health.trouble:
    show_trouble(health.trouble)
elif not asked:
    st.markdown("No user is chosen.")
    st.page_link(routes.USERS, label="Find one under Users", icon=":material/group:")
else:
    with friendly_errors():
        draw_view(normalize_user_id(asked))
