"""The standing proof: its state, the deployments it went through, losses, and redeploy tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from memory_core import ServiceStart
from memory_core.model.counting import counted
from memory_core.model.records import Status
from memory_core.redeploy_test import Report
from memory_core.storage.aws.client import REQUESTS
from memory_core.watch import Proof

from ... import routes
from ...auth.roles import Role
from ...services import memory_calls, redeploy
from ...ui import actions, setting_lines, text
from ...ui.messages import draw_unless, friendly_errors
from ...ui.progress import watch
from .. import widgets
from ..overview.evidence import draw_strip
from ..redeploy.start import TEST

# Per state: colour, icon and word, as constant Markdown.
_MARKS: Final = {
    "begun": ":gray[:material/hourglass_top: **Begun**]",
    "proven": ":green[:material/verified: **Proven**]",
    "missed": ":orange[:material/warning: **Not found by questions**]",
    "removed": ":orange[:material/delete: **Probes deleted**]",
    "lost": ":red[:material/dangerous: **Lost**]",
}
_ACTION: Final = "proof"
_TESTS: Final = "proof.tests"


def draw(state: Status) -> None:
    """Draw the state, and below it the evidence."""
    proof, _ = redeploy.standing_proof()
    _draw_state(proof)
    _draw_check()
    draw_strip(memory_calls.census(), state)
    if proof and proof.losses:
        st.header("What was lost", anchor=False)
        for loss in reversed(proof.losses):
            text.show(loss.sentence(len(proof.receipt)))
    if reports := redeploy.past_reports():
        _draw_tests(reports)
    _draw_requests()


def deployments_since(starts: Sequence[ServiceStart], since: str) -> int:
    """Count the deployments that ran since a time: by commit, instance and disk."""
    begun = text.parsed(since)
    later = [start for start in starts if begun is None or start.at > begun]
    # The last start before that time was still running.
    running = starts[: len(starts) - len(later)][-1:]
    return len({(start.commit, start.instance, start.disk) for start in (*running, *later)})


@st.fragment(run_every="30s")
@friendly_errors()
def _draw_state(drawn: Proof | None) -> None:
    """Draw the state and keep reading it; rerun the whole page when it has changed."""
    proof, trouble = redeploy.standing_proof()
    if proof != drawn:
        st.rerun()
    with st.container(border=True, key="proof"):
        if trouble:
            st.error("**Not readable at the moment.** The last check could not be completed.")
            text.show(text.sentence(trouble))
        if proof is None:
            st.header("No proof yet", anchor=False)
            st.markdown("A check stores probes, which stay, and reads them back. To repeat it:")
            setting_lines.draw("MEMORY_WATCH=15m", "proof")
            return
        st.header(_MARKS[proof.outcome], anchor=False)
        text.show(proof.sentence)
        passed, since = text.parsed(proof.passed_at), text.parsed(proof.proven_since)
        lines = [f"{counted(proof.checks, 'check')}, {proof.failed:,} of them failed"]
        if passed:
            lines.append(f"last proven {text.both(passed)}")
        if since and proof.outcome == "proven":
            count = deployments_since(memory_calls.starts(), proof.proven_since)
            lines.append(f"proven since {text.utc(since)}, through {counted(count, 'deployment')}")
        for line in lines:
            text.show(f"{line[0].upper()}{line[1:]}.")


def _draw_check() -> None:
    if not draw_unless(Role.OPERATOR):
        return
    job = redeploy.proof_check()
    if job and not job.finished:
        watch(job.id, "", doing="Reading the probes", stop="")
        return
    do = actions.action(_ACTION).do
    widgets.button("Check now", "proof.check", do, redeploy.run_proof_check, icon="fact_check")
    widgets.outcome(_ACTION)
    widgets.draw_failure(job, "")


def _draw_tests(reports: Sequence[Report]) -> None:
    st.header("Redeploy tests", anchor=False)
    st.caption("Newest first; select one to open its report. Times are UTC.")
    widgets.table(
        {
            "Ended": [text.parsed(report.ended_at) for report in reports],
            "Verdict": [report.verdict.value for report in reports],
            "Survived": [report.survived for report in reports],
            "Stored before": [report.written for report in reports],
            "What was tested": [redeploy.level_name(report) for report in reports],
        },
        "Runs of the redeploy test, newest first",
        key=_TESTS,
        on_select="rerun",
        column_config={"Ended": widgets.EXACT},
    )
    if (selected := widgets.selected_row(_TESTS, len(reports))) is not None:
        st.switch_page(routes.REDEPLOY, query_params={TEST: reports[selected].run})


def _draw_requests() -> None:
    if not (sent := REQUESTS.sent()):
        return
    if part := widgets.folded("Requests to AWS", "proof.requests"):
        with part:
            st.caption("Sent by this process. A month at this rate is shown after ten minutes.")
            widgets.table(
                {
                    "Operation": [f"{service}: {operation}" for service, operation in sent],
                    "Sent": list(sent.values()),
                    "In a month": [REQUESTS.per_month(count) for count in sent.values()],
                },
                "Requests to AWS by operation",
            )
