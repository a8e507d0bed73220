"""The button that checks the chain, the work while it runs, and what it found."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.ui.text import sentence, show
from memory_core.activity import ChainReport
from memory_core.render.activity_log import check_sentences, head_text

from ...services import activity_log, jobs
from ...ui import text
from ...ui.messages import show_trouble
from ...ui.progress import watch

_CHECK: Final = "activity/check"


def draw() -> None:
    """Draw the check of the chain."""
    with st.container(key="chain"):
        st.subheader("Is the log as it was written?", anchor=False)
        job = jobs.board().latest(_CHECK)
        if job and not job.finished:
            watch(job.id, "segment")
            return
        st.caption(
            "Each part of the log holds the digest of the one before. This reads all of it and "
            "says what was removed, changed or put in. Nothing is changed."
        )
        if job and job.trouble:
            show_trouble(job.trouble)
        elif job and job.state == "cancelled":
            st.caption("The last check was cancelled.")
        st.button(
            "Check the chain",
            key="activity.check",
            icon=":material/link:",
            on_click=_start,
        )
        done = jobs.board().latest(_CHECK, "done")
        if done:
            _draw_check(done.result)


def _start() -> None:
    jobs.board().submit(activity_log.check, subject="Activity log", fingerprint=_CHECK)


def _draw_check(check: ChainReport) -> None:
    with st.container(border=True, key="checked"):
        if check.whole:
            st.markdown(":green[:material/check_circle:] **The chain is whole.**")
        else:
            st.markdown(
                f":red[:material/link_off:] **The chain is not whole:** "
                f"{text.counted(len(check.problems), 'problem')}."
            )
            for problem in check.problems:
                show(sentence(problem))
        for told in check_sentences(check):
            show(told)
        st.caption(f"As of {text.utc(check.as_of)}. The newest part, to compare with later:")
        st.code(head_text(check), language=None, wrap_lines=True)
