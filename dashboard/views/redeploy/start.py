"""Simulate a deployment, or test a real one in two steps: begin, wait with a receipt, check.

The page's address names a job, a test or a receipt, so that each of them is a link for a colleague.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import streamlit as st

from memory_core import redeploy_test
from memory_core.errors import InvalidReceipt
from memory_core.model.counting import counted

from ...auth.roles import Role
from ...auth.visitor import may
from ...services import jobs, memory_calls, redeploy
from ...services.redeploy import leftover_tests, waiting_tests
from ...ui import actions, text
from ...ui.messages import draw_unless
from .. import widgets

JOB: Final = "job"
TEST: Final = "test"
RECEIPT: Final = "receipt"
MOST: Final = 200
_ACTION: Final = "redeploy"
_SIMULATE: Final = ":blue[Simulate]"
_REAL: Final = ":blue[Real deployment]"
_TAB: Final = "redeploy.tab"
_CAPTIONS: Final = {
    "redeploy": "New process, new disk; only mounted disks and services stay.",
    "restart": "New process on the same disk.",
    "crash": "Killed in the middle of writing, then a new disk.",
    "server-move": "Another host and instance, new disk.",
}
_CODE: Final = "redeploy.code"
_CODE_CHARS: Final = 200
_POLL_S: Final = 2


def draw() -> None:
    """Draw both kinds of test; a receipt in the address opens the second."""
    if not draw_unless(Role.OPERATOR):
        return
    if _TAB not in st.session_state:
        st.session_state[_TAB] = _REAL if RECEIPT in st.query_params else _SIMULATE
    simulate, real = st.tabs([_SIMULATE, _REAL], key=_TAB)
    with simulate:
        _draw_simulation()
    with real:
        _draw_real()
    widgets.outcome(_ACTION)


def draw_waiting() -> None:
    """Draw the tests that wait for a deployment, then the probes left by others."""
    if tests := waiting_tests():
        _watch(_state(tests))
        for receipt in tests:
            _draw_waiting(receipt)
    if not (runs := leftover_tests()):
        return
    with widgets.row("leftovers"):
        st.markdown(
            f":material/cleaning_services: {counted(len(runs), 'earlier test')} did not end; "
            "the probes are still stored. No count includes them."
        )
        if may(Role.OPERATOR):
            widgets.button(
                "Clean up", "redeploy.clean-up", start_job, lambda: redeploy.run_clean_up(runs)
            )


def draw_receipt(receipt: redeploy_test.RedeployReceipt) -> None:
    """Draw the receipt in its three forms."""
    settings, stored = memory_calls.settings(), len(receipt.acknowledged)
    st.markdown(
        f":material/receipt_long: **Receipt** · {stored:,} of "
        f"{counted(receipt.count, 'probe')} stored and read back"
    )
    st.caption("Keep one of these where the deployment does not reach; each of them is enough.")
    if stored == receipt.count:
        code = redeploy_test.to_code(receipt, settings)
        st.caption("Link that opens this page with the receipt")
        st.code(_link_to(code), language=None, wrap_lines=True)
        st.caption("Code, also for reading aloud")
        st.code(code, language=None, wrap_lines=True)
    else:
        st.caption("Some probes were not stored; only the file lists those that were.")
    widgets.download(
        "Receipt file",
        lambda: redeploy_test.to_file(receipt, settings),
        f"redeploy-receipt-{receipt.run}.json",
        f"redeploy.receipt-{receipt.run}",
    )


def waiting_words(receipt: redeploy_test.RedeployReceipt) -> str:
    """Return how long a test has been waiting, and its number of probes."""
    begun = text.parsed(receipt.begun_at)
    since = f", begun {text.ago(begun)}" if begun else ""
    return f"waiting for a deployment{since}, {counted(receipt.count, 'probe')}"


def read_receipt(code: str, content: bytes | None = None) -> redeploy_test.RedeployReceipt:
    """Return the receipt in a file, or else the one that a code stands for.

    Raises:
        InvalidReceipt: neither was given, or it cannot be used.
    """
    if content is not None:
        return redeploy_test.from_file(content, memory_calls.settings())
    if not code.strip():
        raise InvalidReceipt("there is neither a code nor a file; give one of them")
    return redeploy_test.from_code(code[:_CODE_CHARS], memory_calls.settings())


def start_job(begin: Callable[[], str]) -> None:
    """Start a job and put it into the address. For callbacks."""
    if job_id := actions.action(_ACTION).do(begin):
        st.query_params.pop(TEST, None)
        st.query_params[JOB] = job_id


def simulate_now() -> str:
    """Start the usual simulation; return its job, for the address of this page."""
    return redeploy.run_simulation("redeploy", redeploy_test.DEFAULT_PROBES)


def open_test(run: str) -> None:
    """Put only this test into the address. For callbacks."""
    actions.action(_ACTION).outcome = None
    st.query_params.from_dict({TEST: run})


def _draw_simulation() -> None:
    st.radio(
        "What happens to the application",
        list(_CAPTIONS),
        format_func=lambda level: redeploy_test.LEVELS[level],
        captions=list(_CAPTIONS.values()),
        key="redeploy.level",
        persist_state="page",
    )
    _draw_count("redeploy.count")
    widgets.button(
        "Run the test",
        "redeploy.simulate",
        _simulate,
        icon="play_arrow",
        kind="primary",
        disabled=_is_running(),
    )
    st.caption("Takes some seconds. Real memories are not changed; the probes are removed again.")


def _draw_real() -> None:
    st.markdown("**1. Before the deployment**")
    _draw_count("redeploy.begin-count")
    widgets.button(
        "Write the probes",
        "redeploy.begin",
        _begin,
        icon="edit_note",
        kind="primary",
        disabled=_is_running(),
    )
    st.caption("You get a receipt: a file, a code and a link. Keep one of them, then deploy.")
    st.markdown("**2. After the deployment**")
    st.caption(
        "The dashboard checks automatically at its next start. With the receipt you can check at "
        "any time, even when the storage was wiped."
    )
    if _CODE not in st.session_state:
        st.session_state[_CODE] = st.query_params.get(RECEIPT, "")[:_CODE_CHARS]
    st.text_input("Code of the receipt", key=_CODE, max_chars=_CODE_CHARS, persist_state="page")
    st.file_uploader("Or the receipt file", type=["json"], key="redeploy.file", max_upload_size=1)
    widgets.button("Check the receipt", "redeploy.check", _check, icon="fact_check")


def _is_running() -> bool:
    """Return whether the job in the address is unfinished."""
    job = jobs.board().get(st.query_params.get(JOB, ""))
    return job is not None and not job.finished


def _draw_count(key: str) -> None:
    st.session_state.setdefault(key, redeploy_test.DEFAULT_PROBES)
    st.number_input(
        "Probes", min_value=1, max_value=MOST, step=1, key=key, persist_state="page", width=160
    )


def _simulate() -> None:
    level, count = st.session_state["redeploy.level"], int(st.session_state["redeploy.count"])
    st.query_params.pop(RECEIPT, None)
    start_job(lambda: redeploy.run_simulation(level, count))


def _begin() -> None:
    count = int(st.session_state["redeploy.begin-count"])
    st.query_params.pop(RECEIPT, None)
    start_job(lambda: redeploy.run_begin(count))


def _check() -> None:
    file, code = st.session_state.get("redeploy.file"), st.session_state[_CODE]
    content = file.getvalue() if file else None
    start_job(lambda: redeploy.run_check(read_receipt(code, content)))


def _link_to(code: str) -> str:
    """Return the link that opens this page with a receipt."""
    here = urlsplit(st.context.url or "")
    origin = f"{here.scheme}://{here.netloc}" if here.netloc else ""
    return f"{origin}/redeploy?{RECEIPT}={code}"


def _draw_waiting(receipt: redeploy_test.RedeployReceipt) -> None:
    run, busy = receipt.run, redeploy.check_of(receipt.run) is not None
    with st.container(border=True, key=f"waiting-{run}"):
        if busy:
            st.markdown(":material/sync: **Being checked now**")
        st.markdown(f":material/hourglass_top: A redeploy test is **{waiting_words(receipt)}**")
        if not draw_unless(Role.OPERATOR):
            return
        with st.container(horizontal=True, gap="small"):
            widgets.button(
                "Check now",
                f"redeploy.check-{run}",
                start_job,
                lambda: redeploy.run_check(receipt),
                icon="fact_check",
                disabled=busy,
            )
            if memory_calls.settings().deployment.hook_url:
                with st.popover("Start the deployment", icon=":material/rocket_launch:"):
                    st.markdown(
                        "The host builds and starts the latest commit. The application is "
                        "interrupted for a moment for everybody who uses it now."
                    )
                    widgets.button(
                        "Deploy now", f"redeploy.deploy-{run}", start_job, redeploy.run_deployment
                    )
            with st.popover("Cancel test", icon=":material/cancel:", type="tertiary"):
                st.markdown(
                    f"The {counted(receipt.count, 'probe')} will be removed; there will be no "
                    "verdict about this deployment."
                )
                widgets.button(
                    ":red[Cancel the test]",
                    f"redeploy.end-{run}",
                    start_job,
                    lambda: redeploy.run_end(run),
                )
            widgets.button(
                "Show the receipt",
                f"redeploy.show-{run}",
                open_test,
                run,
                icon="receipt_long",
                kind="tertiary",
            )


@st.fragment(run_every=f"{_POLL_S}s")
def _watch(known: list[tuple[str, str]]) -> None:
    """Redraw the page when a check begins or ends, here or in the next deployment."""
    if _state(waiting_tests()) != known:
        st.rerun()


def _state(tests: list[redeploy_test.RedeployReceipt]) -> list[tuple[str, str]]:
    checks = {receipt.run: redeploy.check_of(receipt.run) for receipt in tests}
    return [(run, check.id if check else "") for run, check in checks.items()]
