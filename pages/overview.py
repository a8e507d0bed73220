"""Overview: where memories are stored and why, how many there are, and recent log lines."""

import streamlit as st

from dashboard import routes
from dashboard.auth.visitor import require_access
from dashboard.services import memory_reads
from dashboard.services.redeploy import past_reports, waiting_tests
from dashboard.ui import charts, status, tables
from dashboard.ui.messages import friendly_errors
from dashboard.views.doctor import checks
from dashboard.views.redeploy import start
from memory_core.model.counting import counted

require_access()
LINES = 12


def draw_users_chart() -> None:
    """Draw memories per user; clicking a bar opens the user."""
    with st.container(key="per-user"):
        st.header("Memories per user", anchor=False)
        with st.skeleton(height=260):
            users = memory_reads.users()
            chart = charts.per_user(users)
            event = st.plotly_chart(
                chart.figure,
                key="overview.users",
                on_select="rerun",
                selection_mode="points",
                config=charts.CONFIG,
                alt=chart.alt,
            )
        st.caption("Click a bar to open the user.")
        numbers = st.expander(
            "As a table", on_change="rerun", key="overview.numbers", type="compact"
        )
        chosen = charts.clicked_user(event)
        if numbers.open:
            with numbers:
                chosen = tables.pick_user(users, "overview.user-table") or chosen
    if chosen:
        routes.open_user(chosen)


def draw_days_chart() -> None:
    """Draw the days on which the present memories were saved."""
    with st.container(key="per-day"):
        st.header("Memories over time", anchor=False)
        with st.skeleton(height=260):
            chart = charts.per_day(memory_reads.census().days, height=300)
            st.plotly_chart(chart.figure, key="overview.days", config=charts.CONFIG, alt=chart.alt)
        st.caption("By the UTC day on which they were saved; deleted memories are not counted.")


def draw_storage_chart(memories: int, backend: str) -> None:
    """Draw the memories by backend."""
    with st.container(key="storage"):
        st.header("Where memories are stored", anchor=False)
        if backend == "s3_vectors" and memories > memory_reads.COUNTED_UP_TO:
            st.caption(
                "Counting reads the keys of the whole index, which costs requests: about "
                f"{memories // 500:,} for {counted(memories, 'memory')}."
            )
            if not st.button("Count the index", key="overview.count", icon=":material/123:"):
                return
        chart = charts.stored_where(memory_reads.storage())
        st.plotly_chart(chart.figure, key="overview.storage", config=charts.CONFIG, alt=chart.alt)


def draw_empty() -> None:
    """Draw the next step while nothing is saved."""
    with st.container(border=True, key="empty"):
        st.header("No memories yet", anchor=False)
        st.markdown("Save the first one, or load the demo data with `make demo-data`.")
        if st.button("Save a memory", type="primary", icon=":material/add:"):
            st.switch_page(routes.MEMORIES)


def draw_test_link() -> None:
    """Draw the link to the redeploy test, and whether one waits."""
    label = "Test whether memories survive a deployment"
    if tests := waiting_tests():
        label = f"A redeploy test is {start.waiting_words(tests[0])}"
    with st.container(key="redeploy-link"):
        st.page_link(routes.REDEPLOY, label=label, icon=":material/published_with_changes:")


def draw_log() -> None:
    """Draw the last log lines of this process."""
    lines = memory_reads.recent_lines(LINES)
    with st.container(key="log"):
        st.header("Recent log lines", anchor=False)
        if not lines:
            st.caption("Nothing was logged since the dashboard started.")
            return
        st.code(tables.log_text(lines), language=None, wrap_lines=True)
        st.caption(
            f"{tables.known_sentence(lines)} ✓ as one of the seven lines that are always "
            "written in exactly these words. Times are UTC."
        )


st.title("Overview", anchor=False)
health = memory_reads.health()
if health.trouble:
    status.draw_broken_card(health.trouble)
elif state := health.status:
    left, right = st.columns(2)
    with left:
        status.draw_status_card(state)
    with right:
        status.draw_steps(state.steps)
    if state.card:
        status.draw_server_card(state.card)
    with friendly_errors():
        status.draw_key_figures(state, past_reports())
        draw_test_link()
        checks.draw_link()
        if state.memories:
            left, right = st.columns(2)
            with left:
                draw_users_chart()
            with right:
                draw_days_chart()
            draw_storage_chart(state.memories, state.backend)
        else:
            draw_empty()
draw_log()
