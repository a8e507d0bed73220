"""User: memories, timeline, what the assistant would get, merge, export, removal."""

import streamlit as st

from dashboard import routes
from dashboard.auth.roles import Role
from dashboard.auth.visitor import require_access
from dashboard.services import memory_reads
from dashboard.ui import frame, tables
from dashboard.ui.messages import draw_unless, friendly_errors, show_trouble
from dashboard.views.user import erase, merge, recall, summary
from memory_core import normalize_user_id
from memory_core.model.user_id import UserId
from memory_core.model.words import counted

require_access()
MEMORIES, TIMELINE, REMEMBERED, REUNITE, EXPORT, REMOVE = (
    "Memories",
    "Timeline",
    "What is remembered",
    "Reunite",
    "Export",
    "Remove",
)
NEEDED = {
    MEMORIES: Role.VIEWER,
    TIMELINE: Role.VIEWER,
    REMEMBERED: Role.OPERATOR,
    REUNITE: Role.ADMIN,
    EXPORT: Role.OPERATOR,
    REMOVE: Role.ADMIN,
}


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
    views = {
        MEMORIES: lambda: draw_memories(user_id),
        TIMELINE: lambda: summary.draw_timeline(user_id),
        REMEMBERED: lambda: recall.draw(user_id),
        REUNITE: lambda: merge.draw(user_id, answer),
        EXPORT: lambda: summary.draw_export(user_id, answer),
        REMOVE: lambda: erase.draw(user_id, answer),
    }
    drawn = frame.draw(views, key="user.view", parameter="view", first=MEMORIES)
    for name, tab in drawn.items():
        if tab.open:
            with tab, friendly_errors():
                if draw_unless(NEEDED[name]):
                    views[name]()


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
