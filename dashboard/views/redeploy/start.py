"""The left side: simulate a deployment, or test a real one in two steps."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.ui import actions
from memory_core.errors import InvalidReceipt
from memory_core.redeploy_test import DEFAULT_PROBES, LEVELS, TestReceipt, from_code, from_file

from ...services import jobs, memory_reads, redeploy
from ...ui.messages import draw_unless, show_trouble
from . import url

MOST: Final = 200
_SIMULATE: Final = ":blue[Simulate]"
_REAL: Final = ":blue[Real deployment]"
_TAB: Final = "redeploy.tab"
_WHAT: Final = {
    "redeploy": "New process, new disk; only mounted disks and services stay.",
    "restart": "New process on the same disk.",
    "crash": "Killed in the middle of writing, then a new disk.",
    "server-move": "Another host and instance, new disk.",
}


def draw() -> None:
    """Draw both ways; a receipt in the address opens the second."""
    if not draw_unless(Role.OPERATOR):
        return
    if _TAB not in st.session_state:
        st.session_state[_TAB] = _REAL if url.RECEIPT in st.query_params else _SIMULATE
    simulate, real = st.tabs([_SIMULATE, _REAL], key=_TAB)
    with simulate:
        _draw_simulation()
    with real:
        _draw_real()
    action = actions.action("redeploy")
    if action.outcome and action.outcome.trouble:
        show_trouble(action.outcome.trouble)


def _draw_simulation() -> None:
    st.radio(
        "What happens to the application",
        list(_WHAT),
        format_func=lambda level: LEVELS[level],
        captions=list(_WHAT.values()),
        key="redeploy.level",
        persist_state="page",
    )
    _draw_count("redeploy.count")
    st.button(
        "Run the test",
        type="primary",
        icon=":material/play_arrow:",
        key="redeploy.simulate",
        disabled=_runs("simulate"),
        on_click=_simulate,
    )
    st.caption("Takes some seconds. Real memories are not touched; the probes are removed again.")


def _draw_real() -> None:
    st.markdown("**1. Before the deployment**")
    _draw_count("redeploy.begin-count")
    st.button(
        "Write the probes",
        type="primary",
        icon=":material/edit_note:",
        key="redeploy.begin",
        disabled=_runs("begin"),
        on_click=_begin,
    )
    st.caption("You get a receipt: a file, a code and a link. Keep one of them, then deploy.")
    st.markdown("**2. After the deployment**")
    st.caption(
        "The dashboard checks by itself when it starts again. With the receipt it can be checked "
        "at any time, also when the storage was wiped."
    )
    if "redeploy.code" not in st.session_state:
        st.session_state["redeploy.code"] = st.query_params.get(url.RECEIPT, "")[:200]
    st.text_input("Code of the receipt", key="redeploy.code", max_chars=200, persist_state="page")
    st.file_uploader("Or the receipt file", type=["json"], key="redeploy.file", max_upload_size=1)
    st.button(
        "Check the receipt", icon=":material/fact_check:", key="redeploy.check", on_click=_check
    )


def _runs(kind: str) -> bool:
    """Say whether the run that is watched is this visitor's own of that kind."""
    job = jobs.board().get(st.query_params.get(url.JOB, ""))
    return job is not None and not job.finished and redeploy.is_of(job, kind, url.visitor())


def _draw_count(key: str) -> None:
    if key not in st.session_state:
        st.session_state[key] = DEFAULT_PROBES
    st.number_input(
        "Probes", min_value=1, max_value=MOST, step=1, key=key, persist_state="page", width=160
    )


def _simulate() -> None:
    level, count = st.session_state["redeploy.level"], int(st.session_state["redeploy.count"])
    st.query_params.pop(url.RECEIPT, None)
    url.start(lambda: redeploy.run_simulation(level, count, url.visitor()))


def _begin() -> None:
    count = int(st.session_state["redeploy.begin-count"])
    st.query_params.pop(url.RECEIPT, None)
    url.start(lambda: redeploy.run_begin(count, url.visitor()))


def _check() -> None:
    file, code = st.session_state.get("redeploy.file"), st.session_state["redeploy.code"]
    content = file.getvalue() if file else None
    url.start(lambda: redeploy.run_check(read_receipt(code, content)))


def read_receipt(code: str, content: bytes | None = None) -> TestReceipt:
    """Return what a file, or else a code, stands for.

    Raises:
        InvalidReceipt: neither was given, or it cannot be used.
    """
    if content is not None:
        return from_file(content, memory_reads.settings())
    if not code.strip():
        raise InvalidReceipt("there is neither a code nor a file; give one of them")
    return from_code(code, memory_reads.settings())
