"""Tabs that know which one is open, also in the address of the page."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st


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
