"""The store as a second opinion: every vector beside the ledger, and what lies elsewhere."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from memory_core.model.census import ComparedUser, OtherPlace, StoreScan
from memory_core.render.audit_report import owner_text
from memory_core.render.text import visible, visible_id

from ... import routes
from ...auth.roles import Role
from ...services import memory_reads, user_actions
from ...ui import charts, tables, text
from ...ui.messages import draw_unless, show_trouble
from ...ui.progress import watch
from ...ui.text import one_line, sentence, show

_SHOWN: Final = 12
_WHO: Final = "who"


def draw() -> None:
    """Draw the button, the work while it runs, and what it found the last time."""
    with st.container(key="compare"):
        st.subheader("Is the store as recorded?", anchor=False)
        job = user_actions.comparison()
        if job and not job.finished:
            watch(job.id, "memory")
            return
        st.caption(
            "Counts are taken from the ledger, which records every save first. This reads the "
            "store itself as well, and other places where memories may lie. Nothing is changed."
        )
        if job and job.trouble:
            show_trouble(job.trouble)
        elif job and job.state == "cancelled":
            st.caption("The last comparison was cancelled.")
        if draw_unless(Role.OPERATOR):
            st.button(
                "Compare with the store",
                key="users.compare",
                icon=":material/compare_arrows:",
                on_click=user_actions.start_comparison,
            )
        if compared := user_actions.last_comparison():
            _draw_scan(compared.scan)
            for place in compared.elsewhere.places:
                _draw_place(place)


def _draw_scan(scan: StoreScan) -> None:
    if scan.clean:
        st.markdown(":green[:material/check_circle:] **The store is as recorded.**")
    else:
        st.markdown(":orange[:material/difference:] **The store differs from the record.**")
    probes = f" {text.counted(scan.probes, 'probe')} of redeploy tests are left out."
    st.caption(
        f"{scan.vectors:,} in the store, {text.counted(scan.recorded, 'memory')} on record, "
        f"complete. As of {text.utc(scan.as_of)}.{probes if scan.probes else ''}"
    )
    if scan.differing:
        _draw_differences(scan.differing)
    if scan.nobodys:
        _draw_nobodys(scan)


def _draw_differences(users: tuple[ComparedUser, ...]) -> None:
    st.dataframe(
        pd.DataFrame(
            {
                "User": [visible(one.user_id) for one in users],
                "On record": [one.recorded for one in users],
                "In the store": [one.stored for one in users],
                "Missing": [one.missing for one in users],
                "Not on record": [one.unexpected for one in users],
                "Also stands under": [_forms(one) for one in users],
                "What to do": [_remedy(one) for one in users],
            }
        ),
        key="users.differences",
        hide_index=True,
        on_select=lambda: _look_for(users),
        selection_mode="single-row",
        height=tables.whole_height(len(users), _SHOWN),
        alt="Users whose vectors in the store are not as recorded",
    )
    st.caption(
        f"{text.counted(len(users), 'user')}; select a row to look at one. Missing memories are "
        "still listed and found; `python -m memory_core audit --repair` puts them back."
    )


def _remedy(user: ComparedUser) -> str:
    parts = []
    if user.missing:
        parts.append("audit --repair puts back what is missing")
    if user.unexpected:
        parts.append("open, then take up what was never recorded")
    return "; ".join(parts) or "nothing: only the form of the id differs"


def _forms(user: ComparedUser) -> str:
    return ", ".join(
        f"{visible_id(one.raw)} ({one.vectors:,})" for one in user.forms if not one.canonical
    )


def _look_for(users: tuple[ComparedUser, ...]) -> None:
    rows = st.session_state["users.differences"]["selection"]["rows"]
    if rows and rows[0] < len(users):
        st.session_state[_WHO] = users[rows[0]].user_id


def _draw_nobodys(scan: StoreScan) -> None:
    labels = [owner_text(one.agent_id, one.run_id) for one in scan.unowned]
    labels += [f"under {visible_id(one.raw)}, which can be no id" for one in scan.odd]
    counts = [one.vectors for one in scan.unowned] + [one.vectors for one in scan.odd]
    st.markdown("**Nobody can reach these**; no id of a user leads to them.")
    st.dataframe(
        pd.DataFrame({"Where": labels, "Memories": counts}),
        key="users.nobodys",
        hide_index=True,
        height=tables.whole_height(len(labels), _SHOWN),
        alt="Memories in the store that belong to no user",
    )


def _draw_place(place: OtherPlace) -> None:
    with st.container(border=True):
        name = text.backend_name(place.backend)
        if not place.looked:
            st.markdown(f":gray[:material/help:] **{name} was not read.**")
            show(sentence(place.note))
            return
        icon = ":orange[:material/call_split:]" if place.missing else ":gray[:material/check:]"
        st.markdown(
            f"{icon} **{text.counted(place.memories, 'memory')} in another place, "
            f"{place.missing:,} of them not here.**"
        )
        show(one_line(sentence(place.where), 300))
        if place.note:
            show(sentence(place.note))
        users = [one for one in place.users if one.missing]
        if users:
            st.dataframe(
                pd.DataFrame(
                    {
                        "User": [visible(one.user_id or "nobody") for one in users],
                        "There": [one.memories for one in users],
                        "Not here": [one.missing for one in users],
                        "Deleted here": [one.deleted for one in users],
                        "Stands under": [
                            ", ".join(visible_id(raw) for raw in one.forms if raw != one.user_id)
                            for one in users
                        ],
                    }
                ),
                hide_index=True,
                height=tables.whole_height(len(users), _SHOWN),
                alt="Users with memories that are in the other place only",
            )


_ROWS_SHOWN = 15


def draw_everyone() -> None:
    """Draw every user; a row opens the user."""
    census = memory_reads.census()
    if not census.users:
        with st.container(border=True, key="empty"):
            st.subheader("No users yet", anchor=False)
            st.markdown("Save a memory, or load the demo data with `make demo-data`.")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="counted"):
        st.caption(
            f"{text.counted(census.memories, 'memory')} of "
            f"{text.counted(len(census.users), 'user')}, complete. "
            f"As of {text.utc(census.as_of)}.",
            width="content",
        )
        st.button(
            "Count again",
            key="users.again",
            type="tertiary",
            icon=":material/refresh:",
            on_click=memory_reads.count_again,
        )
    if chosen := tables.pick_user(census.users, "users.all", at_most=_ROWS_SHOWN):
        routes.open_view(chosen)
    st.caption(
        "Select a row to open the user; a click on a heading sorts, the magnifying glass searches."
    )
    with st.container(key="distribution"):
        st.subheader("How many users have how many memories", anchor=False)
        chart = charts.distribution(census.users)
        st.plotly_chart(chart.figure, key="users.distribution", config=charts.CONFIG, alt=chart.alt)
