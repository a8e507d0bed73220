"""All users in a table and a chart; the check of the storage against the record."""

from __future__ import annotations

from typing import Final

import streamlit as st

from memory_core.model.census import ComparedUser, OtherPlace, StoreScan
from memory_core.model.counting import counted
from memory_core.render.audit_report import owner_text
from memory_core.render.text import visible, visible_id

from ... import routes
from ...auth.roles import Role
from ...auth.visitor import may
from ...services import demonstration, memory_calls, user_actions
from ...ui import charts, tables, text
from ...ui.messages import draw_unless
from ...ui.progress import watch
from ...ui.text import one_line, sentence, show
from .. import widgets
from ..doctor import scenes

_USERS_SHOWN: Final = 15
_WHO: Final = "who"
_DIFFERENCES: Final = "users.differences"


def draw() -> None:
    """Draw all users, then the check of the storage."""
    _draw_users()
    _draw_comparison()


def _draw_users() -> None:
    """Draw every user; a row opens the user."""
    health, former = memory_calls.health(), st.empty()
    if health.counting and health.status:
        last = health.status
        former.caption(
            f"{counted(last.memories, 'memory')} of {counted(last.users, 'user')} as of "
            f"{text.utc(last.as_of)}, counting again…"
        )
    census = memory_calls.census()
    former.empty()
    if not census.users or demonstration.is_loading():
        with st.container(border=True, key="empty"):
            st.header("No users yet", anchor=False)
            if may(Role.OPERATOR):
                st.markdown("Save a memory first.")
            scenes.draw_load_button("users.load")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="counted"):
        st.caption(
            f"{counted(census.memories, 'memory')} of {counted(len(census.users), 'user')}, "
            f"{text.one_line(census.scope, 400)}. As of {text.utc(census.as_of)}.",
            width="content",
        )
        widgets.button(
            "Count again", "users.again", memory_calls.count_again, icon="refresh", kind="tertiary"
        )
    if chosen := tables.pick_user(census.users, "users.all", at_most=_USERS_SHOWN):
        routes.open_user(chosen)
    st.caption(
        "Click a row to open the user; a click on a heading sorts, the magnifying glass searches."
    )
    with st.container(key="distribution"):
        st.header("How many users have how many memories", anchor=False)
        widgets.draw_chart(charts.distribution(census.users))


def _draw_comparison() -> None:
    """Draw the comparison of storage and record: its button, its progress, its result."""
    with st.container(key="compare"):
        st.header("Storage and record", anchor=False)
        job = user_actions.comparison()
        if job and not job.finished:
            watch(job.id, "memory")
            return
        st.caption(
            "Counts come from the ledger, which records every save first. This check also reads "
            "the store itself, and other places where memories may be. It changes nothing."
        )
        widgets.draw_failure(job, "The last check was cancelled.")
        if draw_unless(Role.OPERATOR):
            widgets.button(
                "Check storage against the record",
                "users.compare",
                user_actions.start_comparison,
                icon="compare_arrows",
            )
        if compared := user_actions.last_comparison():
            with st.container(key="compared"):
                _draw_scan(compared.scan)
                for place in compared.elsewhere.places:
                    _draw_place(place)


def _draw_scan(scan: StoreScan) -> None:
    if scan.clean:
        st.markdown(":green[:material/check_circle:] **The store matches the record.**")
    else:
        st.markdown(":orange[:material/difference:] **The store differs from the record.**")
    probes = f" Left out: {counted(scan.probes, 'probe')} of redeploy tests." if scan.probes else ""
    st.caption(
        f"{scan.vectors:,} in the store, {counted(scan.recorded, 'memory')} on record, "
        f"{text.one_line(scan.scope, 400)}. As of {text.utc(scan.as_of)}.{probes}"
    )
    if scan.differing:
        _draw_differences(scan.differing)
    if scan.nobodys:
        _draw_unreachable(scan)


def _draw_differences(users: tuple[ComparedUser, ...]) -> None:
    widgets.table(
        {
            "User": [visible(user.user_id) for user in users],
            "On record": [user.recorded for user in users],
            "In storage": [user.stored for user in users],
            "Missing": [user.missing for user in users],
            "Orphans": [user.unexpected for user in users],
            "Also stored under": [_other_forms(user) for user in users],
            "What to do": [_remedy(user) for user in users],
        },
        "Users whose memories in storage do not match the record",
        key=_DIFFERENCES,
        on_select=lambda: _search_for(users),
    )
    st.caption(
        f"{counted(len(users), 'user')}; select a row to look one up. Missing memories are still "
        "listed and found; `python -m memory_core audit --repair` restores them. Orphans are in "
        "storage and not registered: never recorded, or deleted since."
    )


def _remedy(user: ComparedUser) -> str:
    parts = []
    if user.missing:
        parts.append("audit --repair restores what is missing")
    if user.unexpected:
        parts.append("open, then recover the orphans")
    return "; ".join(parts) or "nothing: only the form of the id differs"


def _other_forms(user: ComparedUser) -> str:
    return ", ".join(
        f"{visible_id(form.raw)} ({form.vectors:,})" for form in user.forms if not form.canonical
    )


def _search_for(users: tuple[ComparedUser, ...]) -> None:
    if (selected := widgets.selected_row(_DIFFERENCES, len(users))) is not None:
        st.session_state[_WHO] = users[selected].user_id


def _draw_unreachable(scan: StoreScan) -> None:
    """Draw the memories that no user's id leads to."""
    unowned = [(owner_text(group.agent_id, group.run_id), group.vectors) for group in scan.unowned]
    odd = [(f"under {visible_id(form.raw)}, not a valid id", form.vectors) for form in scan.odd]
    st.markdown("**Nobody can reach these**; no user's id leads to them.")
    widgets.table(
        {
            "Where": [place for place, _ in unowned + odd],
            "Memories": [count for _, count in unowned + odd],
        },
        "Memories in storage that belong to no user",
        key="users.nobodys",
    )


def _draw_place(place: OtherPlace) -> None:
    with st.container(border=True):
        if not place.looked:
            name = text.backend_name(place.backend)
            st.markdown(f":gray[:material/help:] **{name} was not read.**")
            show(sentence(place.note))
            return
        icon = ":orange[:material/call_split:]" if place.missing else ":gray[:material/check:]"
        st.markdown(
            f"{icon} **{counted(place.memories, 'memory')} in another place, "
            f"{place.missing:,} of them not here.**"
        )
        show(one_line(sentence(place.where), 300))
        if place.note:
            show(sentence(place.note))
        if users := [user for user in place.users if user.missing]:
            widgets.table(
                {
                    "User": [visible(user.user_id or "nobody") for user in users],
                    "There": [user.memories for user in users],
                    "Not here": [user.missing for user in users],
                    "Deleted here": [user.deleted for user in users],
                    "Stored under": [
                        ", ".join(visible_id(raw) for raw in user.forms if raw != user.user_id)
                        for user in users
                    ],
                },
                "Users with memories that are only in the other place",
            )
