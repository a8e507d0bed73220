"""Tests that wait for a deployment, their receipts, and what earlier tests left behind."""

from __future__ import annotations

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import bound, may
from memory_core.redeploy_test import TestReceipt, to_code, to_file

from ...services import jobs, memory_reads, redeploy
from ...services.redeploy import leftover_tests, waiting_tests
from ...ui import text
from ...ui.messages import draw_unless
from . import url

_POLL_S = 2


def draw() -> None:
    """Draw the waiting tests, then what is left of others."""
    tests = waiting_tests()
    if tests:
        _watch(_state(tests))
        for receipt in tests:
            _draw_waiting(receipt)
    if left := leftover_tests():
        _draw_leftovers(left)


def draw_receipt(receipt: TestReceipt) -> None:
    """Draw the receipt in its three forms."""
    settings, stored = memory_reads.settings(), len(receipt.acknowledged)
    st.markdown(
        f":material/receipt_long: **Receipt** · {stored:,} of "
        f"{text.counted(receipt.count, 'probe')} stored and read back"
    )
    st.caption("Keep one of these where the deployment does not reach; each of them is enough.")
    if stored == receipt.count:
        code = to_code(receipt, settings)
        st.caption("Link that opens this page with the receipt")
        st.code(url.link_to(code), language=None, wrap_lines=True)
        st.caption("Code, also for reading aloud")
        st.code(code, language=None, wrap_lines=True)
    else:
        st.caption("Not every probe was stored, so that only the file says which were.")
    st.download_button(
        "Receipt file",
        bound(lambda: to_file(receipt, settings)),
        file_name=f"redeploy-receipt-{receipt.run}.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        key=f"redeploy.receipt-{receipt.run}",
    )


def waiting_words(receipt: TestReceipt) -> str:
    """Return since when a test waits, and with how much."""
    begun = text.parsed(receipt.begun_at)
    since = f", begun {text.ago(begun)}" if begun else ""
    return f"waiting for a deployment{since}, {text.counted(receipt.count, 'probe')}"


def _draw_waiting(receipt: TestReceipt) -> None:
    run, busy = receipt.run, redeploy.check_of(receipt.run) is not None
    with st.container(border=True, key=f"waiting-{run}"):
        if busy:
            st.markdown(":material/sync: **Being checked now**")
        st.markdown(f":material/hourglass_top: A redeploy test is **{waiting_words(receipt)}**")
        if not draw_unless(Role.OPERATOR):
            return
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Check now",
                icon=":material/fact_check:",
                key=f"redeploy.check-{run}",
                disabled=busy,
                on_click=url.start,
                args=(lambda: redeploy.run_check(receipt),),
            )
            if memory_reads.settings().deployment.hook_url:
                with st.popover("Start the deployment", icon=":material/rocket_launch:"):
                    st.markdown(
                        "The host builds and starts the latest commit. Everybody who uses the "
                        "application now is interrupted for a moment."
                    )
                    st.button(
                        "Deploy now",
                        key=f"redeploy.deploy-{run}",
                        on_click=url.start,
                        args=(redeploy.run_deployment,),
                    )
            with st.popover("End without a verdict", icon=":material/cancel:", type="tertiary"):
                st.markdown(
                    f"The {text.counted(receipt.count, 'probe')} are removed; nothing will be "
                    "known about this deployment."
                )
                st.button(
                    ":red[End the test]",
                    key=f"redeploy.end-{run}",
                    on_click=url.start,
                    args=(lambda: redeploy.run_end(run),),
                )
            st.button(
                "Show the receipt",
                type="tertiary",
                icon=":material/receipt_long:",
                key=f"redeploy.show-{run}",
                on_click=url.open_test,
                args=(run,),
            )


def _draw_leftovers(left: list[str]) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="leftovers"):
        st.markdown(
            f":material/cleaning_services: {text.counted(len(left), 'earlier test')} did not end; "
            "the probes are still stored. No count includes them."
        )
        if may(Role.OPERATOR):
            st.button(
                "Clean up",
                key="redeploy.clean-up",
                on_click=url.start,
                args=(lambda: redeploy.run_clean_up(left),),
            )


@st.fragment(run_every=f"{_POLL_S}s")
def _watch(known: list[tuple[str, str]]) -> None:
    """Draw the page anew when a check begins or ends, here or in the next deployment."""
    if _state(waiting_tests()) != known:
        st.rerun()


def _state(tests: list[TestReceipt]) -> list[tuple[str, str]]:
    checks: list[jobs.Job | None] = [redeploy.check_of(receipt.run) for receipt in tests]
    return [
        (receipt.run, check.id if check else "")
        for receipt, check in zip(tests, checks, strict=True)
    ]
