"""Frame of every page: sidebar, the band that warns about the storage, and tabs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.elements.lib.mutable_tab_container import TabContainer

from memory_core.model.records import MigrationStatus
from memory_core.version import __version__

from .. import routes
from ..auth.visitor import LOCAL, Visitor
from ..connection import Health
from ..services import demonstration
from . import setting_lines
from .text import one_line

ASSETS: Final = Path(__file__).parent / "assets"

# Per state of the storage: colour, icon and word, as constant Markdown.
STATES: Final = {
    "persistent": ":green[:material/verified_user: **Persistent**]",
    "temporary": ":orange[:material/hourglass_bottom: **Temporary**]",
    "broken": ":red[:material/heart_broken: **Broken**]",
}


def word_of(health: Health) -> str:
    """Return the state of the storage, Demo or Own server as constant Markdown."""
    if health.status and (health.status.stand_in or demonstration.is_all(health)):
        return ":blue[:material/theater_comedy: **Demo**]"
    if health.status and health.status.server:
        return ":blue[:material/dns: **Own server**]"
    return STATES[health.word]


def draw_sidebar(pages: list[st.Page], health: Health, visitor: Visitor) -> None:
    """Draw logo, state of the storage, navigation, visitor and version."""
    st.logo(str(ASSETS / "logo.svg"), size="large", icon_image=str(ASSETS / "mark.svg"))
    with st.sidebar:
        st.markdown(word_of(health))
        with st.container(gap="xsmall", key="navigation"):
            for page in filter(lambda page: routes.is_for(page, visitor.role), pages):
                st.page_link(page)
        _draw_visitor(visitor)
        st.caption(f"Version {__version__}")


def _draw_visitor(visitor: Visitor) -> None:
    if visitor == LOCAL:
        st.caption("No login: only this computer can open this.")
        return
    with st.container(gap="xsmall", key="visitor"):
        st.text(one_line(visitor.name, 60), width="stretch")
        st.caption(f"Signed in as {visitor.role.word}")
        if st.button("Sign out", key="visitor.out", icon=":material/logout:", type="tertiary"):
            st.logout()


def draw_band(health: Health, page: str) -> None:
    """Draw a warning while the storage is broken, temporary or a stand-in.

    The Overview, whose path is empty, shows the state itself; the Doctor needs no link to itself.
    """
    if page:
        _draw_state(health, with_way_out=page != "doctor")
    if health.status:
        _draw_migration(health.status.migration)


def _draw_state(health: Health, *, with_way_out: bool) -> None:
    if health.word == "broken":
        st.error(
            "**The storage cannot be used.** Nothing can be saved or found until it works again.",
            icon=":material/heart_broken:",
        )
    elif health.status and health.word == "temporary":
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.warning(
                "**Temporary storage.** The next deployment deletes all memories.",
                icon=":material/hourglass_bottom:",
            )
            if with_way_out:
                setting_lines.draw_to_keep(health.status)
    elif health.status and health.status.stand_in:
        place = one_line((health.status.server or "").rpartition(" at ")[0] or "a stand-in")
        st.info(
            f"**Stand-in storage.** This dashboard talks to {place}, not "
            "to Amazon; nothing here is in an AWS account.",
            icon=":material/theater_comedy:",
        )
    if with_way_out and health.word == "broken":
        with st.container(key="ask-the-doctor"):
            st.page_link(
                routes.DOCTOR, label="Ask the doctor what to do", icon=":material/stethoscope:"
            )


def _draw_migration(status: MigrationStatus) -> None:
    """Draw that memories on the local disk are being migrated, or need attention."""
    if status.more_to_come:
        st.info(
            "**A migration is under way.** Memories on this machine's disk are being copied; until "
            "then, lists and answers are incomplete.",
            icon=":material/move_down:",
        )
    elif status.state in ("off", "incomplete", "failed"):
        st.warning(
            "**Some memories exist only on this machine's disk.** The next deployment may delete "
            "them.",
            icon=":material/move_down:",
        )
    else:
        return
    with st.container(key="migration"):
        st.page_link(routes.MIGRATE, label="See the migration", icon=":material/arrow_forward:")


def draw_tabs(
    names: Iterable[str], *, key: str, parameter: str, first: str
) -> dict[str, TabContainer]:
    """Draw tabs and return them by name; the address decides which is open, else `first`.

    The query parameter holds the name of the open tab, so that Back leads to the previous one.
    """
    # Coloured, because Streamlit's accent for the open tab is too dark on a dark background.
    labels = {name: f":blue[{name}]" for name in names}
    asked = st.query_params.get(parameter, "")
    st.session_state[key] = labels.get(asked, labels[first])

    def follow() -> None:
        opened = st.session_state[key]
        st.query_params[parameter] = next(name for name in labels if labels[name] == opened)

    tabs = st.tabs(list(labels.values()), key=key, on_change=follow)
    return dict(zip(labels, tabs, strict=True))
