"""Widgets that the pages share: rows, buttons, folded parts, tables, downloads, failures."""

from collections.abc import Callable
from html import escape
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from .. import routes
from ..auth.visitor import bound
from ..services import jobs
from ..ui import actions, charts, tables
from ..ui.messages import show_trouble

AGO: Final = st.column_config.DatetimeColumn(format="distance")
EXACT: Final = st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss", timezone="UTC")

_BRACKETS: Final = str.maketrans("<>", "‹›")
_MIME: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "txt": "text/plain",
}


def row(key: str | None = None) -> DeltaGenerator:
    """Return a container that puts its elements side by side."""
    return st.container(horizontal=True, gap="small", vertical_alignment="center", key=key)


def button(
    label: str,
    key: str,
    on_click: Callable[..., None],
    *args: Any,
    icon: str = "",
    kind: Literal["primary", "secondary", "tertiary"] = "secondary",
    disabled: bool = False,
) -> None:
    """Draw a button that calls `on_click` with `args`; `icon` names a Material icon."""
    st.button(
        label,
        key=key,
        type=kind,
        icon=f":material/{icon}:" if icon else None,
        disabled=disabled,
        on_click=on_click,
        args=args,
    )


def folded(label: str, key: str) -> DeltaGenerator | None:
    """Draw a folded part; return it only while it is open, so that closed content costs nothing."""
    part = st.expander(label, key=key, on_change="rerun", type="compact")
    return part if part.open else None


def draw_document(link: str, key: str) -> None:
    """Draw a page of docs/, folded; only its name if this deployment lacks the file."""
    file = routes.ROOT / link.partition("#")[0]
    if not file.is_file():
        st.caption(f"See {link}.")
    elif part := folded(f"Read {link}", key):
        part.markdown(file.read_text("utf-8"))


def draw_chart(chart: charts.Chart, link: str = "") -> None:
    """Draw a chart; a click opens the address of its point, or else `link`.

    It is an element of which page.js makes the chart. Streamlit's own would load all of Plotly,
    four times as much, and draw each chart twice.
    """
    # Streamlit's page leaves out an attribute with `-->` or `</style`.
    alt, link = escape(chart.alt.translate(_BRACKETS)), escape(link)
    figure = escape(chart.figure.to_json())
    st.html(
        f'<div class="holdfast-chart" style="height: {chart.figure.layout.height}px" role="figure"'
        f' aria-label="{alt}" data-link="{link}" data-figure="{figure}"></div>'
    )


def table(columns: Any, alt: str, *, at_most: int = 12, **options: Any) -> None:
    """Draw columns by name, or a frame; a long table scrolls after `at_most` rows."""
    frame = pd.DataFrame(columns)
    height = tables.whole_height(len(frame), at_most)
    if "on_select" in options:
        options["selection_mode"] = tables.CLICKS
    st.dataframe(frame, hide_index=True, height=height, alt=alt, **options)


def selected_row(key: str, rows: int) -> int | None:
    """Return the row of a table that was clicked or selected. Also for callbacks."""
    return tables.selected_row(st.session_state[key]["selection"], rows)


def download(label: str, make: Callable[[], str | bytes], file_name: str, key: str) -> None:
    """Draw a download button; the file is made when it is pressed."""
    st.download_button(
        label,
        bound(make),
        file_name=file_name,
        mime=_MIME[file_name.rpartition(".")[2]],
        icon=":material/download:",
        on_click="ignore",
        key=key,
    )


def outcome(name: str) -> Any:
    """Draw why the action failed, if it did; otherwise return its value."""
    ended = actions.action(name).outcome
    if ended and ended.trouble:
        show_trouble(ended.trouble)
    return ended.value if ended else None


def draw_failure(job: jobs.Job | None, cancelled: str) -> None:
    """Draw why a job has no result: an error, or the sentence for a cancelled one."""
    if job and job.trouble:
        show_trouble(job.trouble)
    elif job and job.state == "cancelled":
        st.caption(cancelled)
