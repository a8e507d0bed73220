"""The store as a second opinion: every vector beside the ledger, and what lies elsewhere."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from dashboard.auth.roles import Role
from dashboard.ui import tables, times, words
from dashboard.ui.allowed import draw_unless
from dashboard.ui.errors import show_trouble
from dashboard.ui.text import one_line, sentence, show
from memory_core.people import ComparedUser, OtherPlace, StoreScan
from memory_core.render_scan import owner_text, visible, visible_id

from . import work

_SHOWN: Final = 12
_WHO: Final = "who"


def draw() -> None:
    """Draw the button, the work while it runs, and what it found the last time."""
    with st.container(key="compare"):
        st.subheader("Is the store as recorded?", anchor=False)
        job = work.comparison()
        if job and not job.finished:
            work.watch(job.id, "memory", "memories")
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
                on_click=work.start_comparison,
            )
        if compared := work.last_comparison():
            _draw_scan(compared.scan)
            for place in compared.elsewhere.places:
                _draw_place(place)


def _draw_scan(scan: StoreScan) -> None:
    if scan.clean:
        st.markdown(":green[:material/check_circle:] **The store is as recorded.**")
    else:
        st.markdown(":orange[:material/difference:] **The store differs from the record.**")
    probes = f" {words.counted(scan.probes, 'probe')} of redeploy tests are left out."
    st.caption(
        f"{scan.vectors:,} in the store, {words.counted(scan.recorded, 'memory')} on record, "
        f"complete. As of {times.utc(scan.as_of)}.{probes if scan.probes else ''}"
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
        f"{words.counted(len(users), 'user')}; select a row to look at one. Missing memories are "
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
        name = words.backend_name(place.backend)
        if not place.looked:
            st.markdown(f":gray[:material/help:] **{name} was not read.**")
            show(sentence(place.note))
            return
        icon = ":orange[:material/call_split:]" if place.missing else ":gray[:material/check:]"
        st.markdown(
            f"{icon} **{words.counted(place.memories, 'memory')} in another place, "
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
