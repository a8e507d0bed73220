"""What surrounds every page: name, state of the storage, navigation, version, the band on top."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import streamlit as st

from memory_core.model.records import MigrationStatus
from memory_core.version import __version__

from .. import routes
from ..auth.visitor import LOCAL, Visitor
from ..connection import Health
from .text import one_line

ASSETS: Final = Path(__file__).parent / "assets"

# Per state of the storage: colour, icon and word, as constant Markdown.
STATES: Final = {
    "persistent": ":green[:material/verified_user: **Persistent**]",
    "temporary": ":orange[:material/hourglass_bottom: **Temporary**]",
    "broken": ":red[:material/heart_broken: **Broken**]",
}


def wait_for(ask: Callable[[], Health]) -> Health:
    """Ask for the state of the storage; the place of the page stays visible meanwhile."""
    with st.skeleton(height=320):
        return ask()


def draw_sidebar(pages: list[st.Page], health: Health, who: Visitor) -> None:
    """Draw the name, the state of the storage, the pages, who is here, the version."""
    st.logo(str(ASSETS / "logo.svg"), size="large", icon_image=str(ASSETS / "mark.svg"))
    with st.sidebar:
        st.markdown(STATES[health.word])
        with st.container(gap="xsmall", key="navigation"):
            for page in filter(routes.in_navigation, pages):
                st.page_link(page)
        _draw_visitor(who)
        st.caption(f"Version {__version__}")


def _draw_visitor(who: Visitor) -> None:
    if who == LOCAL:
        st.caption("No login: only this computer can open this.")
        return
    with st.container(gap="xsmall", key="visitor"):
        st.text(one_line(who.name, 60), width="stretch")
        st.caption(f"Signed in as {who.role.word}")
        if st.button("Sign out", key="visitor.out", icon=":material/logout:", type="tertiary"):
            st.logout()


def draw_band(health: Health, *, on_doctor: bool) -> None:
    """Draw a band across the page while memories are not safe, or not where they seem to be.

    Below it is the way to the doctor, unless it is the doctor's page.
    """
    if health.word == "broken":
        st.error(
            "**The storage cannot be used.** Nothing can be saved or found until it works again.",
            icon=":material/heart_broken:",
        )
    elif health.word == "temporary":
        st.warning(
            "**Temporary storage.** The next deployment deletes all memories.",
            icon=":material/hourglass_bottom:",
        )
    elif health.status and health.status.stand_in:
        st.info(
            "**Stand-in storage.** This dashboard talks to a stand-in for Amazon S3 Vectors, not "
            "to Amazon; nothing here is in an AWS account.",
            icon=":material/theater_comedy:",
        )
    if health.status:
        _draw_migration(health.status.migration)
    if health.word in ("broken", "temporary") and not on_doctor:
        with st.container(key="ask-the-doctor"):
            st.page_link(
                routes.DOCTOR, label="Ask the doctor what to do", icon=":material/stethoscope:"
            )


def _draw_migration(status: MigrationStatus) -> None:
    """Draw that memories of the local disk are on their way, or wait for somebody."""
    if status.more_to_come:
        st.info(
            "**More memories are on their way.** Those of this machine's disk are being brought "
            "along; until then lists and answers may lack some.",
            icon=":material/move_down:",
        )
    elif status.state in ("off", "incomplete", "failed"):
        st.warning(
            "**Memories lie on this machine's disk and are not here.** The next deployment may "
            "delete them.",
            icon=":material/move_down:",
        )
    else:
        return
    with st.container(key="migration"):
        st.page_link(routes.MIGRATE, label="See how far it is", icon=":material/arrow_forward:")


def draw(
    names: Iterable[str], *, key: str, parameter: str, first: str
) -> dict[str, st.delta_generator.DeltaGenerator]:
    """Draw the tabs and return them by name; the address decides, then what was open, then `first`.

    `parameter` is the name of the open tab in the address.
    """
    labels = {name: _label(name) for name in names}
    if key not in st.session_state:
        asked = st.query_params.get(parameter)
        st.session_state[key] = labels.get(asked or "", labels[first])
    tabs = st.tabs(list(labels.values()), key=key, on_change="rerun")
    name = is_open(labels, key=key)
    if st.query_params.get(parameter) != name:
        st.query_params[parameter] = name
    return dict(zip(labels, tabs, strict=True))


def is_open(names: Iterable[str], *, key: str) -> str:
    """Return the name of the open tab, the first where none was drawn yet."""
    known = list(names)
    return next((name for name in known if _label(name) == st.session_state.get(key)), known[0])


def go_to(name: str, *, key: str) -> None:
    """Open a tab. For callbacks."""
    st.session_state[key] = _label(name)


def _label(name: str) -> str:
    # Coloured, because Streamlit writes the open tab in the accent, too dark to read on dark
    # ground.
    return f":blue[{name}]"
