"""Migrate: copy all memories from another place, with a receipt."""

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import require_access
from dashboard.services import memory_calls, migration
from dashboard.ui.messages import draw_unless, friendly_errors, show_trouble
from dashboard.ui.progress import watch
from dashboard.ui.text import one_line
from dashboard.views import widgets
from dashboard.views.migrate import plan, source

require_access()
STEPS = ("Source", "Plan", "Run", "Receipt")


def draw_steps(at: int) -> None:
    """Draw the four steps, the current one in bold."""
    names = [f"**{n} {name}**" if n == at else f"{n} {name}" for n, name in enumerate(STEPS, 1)]
    st.markdown(" → ".join(names))


def draw_address(address: str) -> None:
    """Draw the address of the source, and the way back to the first step."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(":material/database:", width="content")
        st.text(one_line(address, 300))
        clear = st.query_params.clear
        st.button("Another source", type="tertiary", icon=":material/undo:", on_click=clear)


def _watch(job_id: str, doing: str) -> None:
    help_ = "Ends after the current batch. Nothing is lost, and a later run resumes there."
    watch(job_id, "", doing=doing, stop="Stop", stop_help=help_, pace=True)


def draw_planning(address: str, user: str, after: float = 0.0) -> None:
    """Draw the plan or its progress, ignoring a plan started before `after`."""
    job = migration.planned(address, user)
    if job and job.started < after:
        job = None
    draw_steps(2)
    if job and not job.finished:
        _watch(job.id, "Reading the source")
        return
    if job and job.trouble:
        show_trouble(job.trouble)
    if job and job.state == "done":
        plan.draw(job.result, user)
    label = "Plan again" if job else "Plan"
    widgets.button(label, "migrate.replan", migration.start_plan, address, user, icon="fact_check")


def draw_migration(address: str, user: str) -> None:
    """Draw the current step of this migration."""
    draw_address(address)
    migration.check_source(address)
    job = migration.run(address, user)
    if job and not job.finished:
        draw_steps(3)
        _watch(job.id, "Copying, then comparing")
    elif job and job.state == "done":
        draw_steps(4)
        plan.draw_receipt(job.result)
        again = st.expander("Plan and run again", key="migrate.again", on_change="rerun")
        if again.open:
            with again:
                draw_planning(address, user, job.started)
    else:
        if job and job.trouble:
            show_trouble(job.trouble)
        elif job:
            st.caption("The run was stopped between two batches; the next one resumes there.")
        draw_planning(address, user)


st.title("Migrate", anchor=False)
health = memory_calls.health()
if health.trouble:
    show_trouble(health.trouble)
elif draw_unless(Role.ADMIN):
    with friendly_errors():
        if address := st.query_params.get("from"):
            draw_migration(address, st.query_params.get("user", ""))
        else:
            draw_steps(1)
            source.draw_automatic()
            source.draw()
