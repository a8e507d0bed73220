"""Migrate: bring memories along from another place, once, all of them, with a receipt."""

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import require_access
from dashboard.services import memory_reads, migration
from dashboard.ui import messages
from dashboard.ui.messages import friendly_errors, show_trouble
from dashboard.ui.progress import watch_migration
from dashboard.ui.text import one_line
from dashboard.views.migrate import plan, source

require_access()
STEPS = ("Source", "Plan", "Run", "Receipt")


def draw_steps(at: int) -> None:
    """Draw the four steps, the one that is due in bold."""
    names = [f"**{n} {name}**" if n == at else f"{n} {name}" for n, name in enumerate(STEPS, 1)]
    st.markdown(" → ".join(names))


def begin_again() -> None:
    """Go back to the source. For callbacks."""
    st.query_params.clear()


def draw_source() -> None:
    """Draw the first step, and what comes along by itself."""
    draw_steps(1)
    source.draw_automatic()
    source.draw()


def draw_address(address: str) -> None:
    """Draw what is migrated, and the way back to the first step."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(":material/database:", width="content")
        st.text(one_line(address, 300))
        st.button("Another source", type="tertiary", icon=":material/undo:", on_click=begin_again)


def draw_planning(address: str, user: str, after: float = 0.0) -> None:
    """Draw the plan, or how far it is; none that was begun before `after`."""
    job = migration.planned(address, user)
    if job and job.started < after:
        job = None
    draw_steps(2)
    if job and not job.finished:
        watch_migration(job.id, "Reading the source")
        return
    if job and job.trouble:
        show_trouble(job.trouble)
    if job and job.state == "done":
        plan.draw(job.result, user)
    st.button(
        "Plan again" if job else "Plan",
        icon=":material/fact_check:",
        on_click=migration.start_plan,
        args=(address, user),
    )


def draw_migration(address: str, user: str) -> None:
    """Draw the step that this migration is at."""
    draw_address(address)
    job = migration.run(address, user)
    if job and not job.finished:
        draw_steps(3)
        watch_migration(job.id, "Copying, then comparing")
    elif job and job.state == "done":
        draw_steps(4)
        plan.draw_receipt(job.result)
        draw_again(address, user, job.started)
    else:
        if job and job.trouble:
            show_trouble(job.trouble)
        elif job:
            st.caption("The run was stopped between two batches; another goes on from there.")
        draw_planning(address, user)


def draw_again(address: str, user: str, after: float) -> None:
    """Draw the plan once more, for what is new in the source or was not decided."""
    folded = st.expander("Plan and run again", key="migrate.again", on_change="rerun")
    if folded.open:
        with folded:
            draw_planning(address, user, after)


st.title("Migrate", anchor=False)
health = memory_reads.health()
if health.trouble:
    show_trouble(health.trouble)
elif messages.draw_unless(Role.OPERATOR):
    with friendly_errors():
        if asked := st.query_params.get("from"):
            draw_migration(asked, st.query_params.get("user", ""))
        else:
            draw_source()
