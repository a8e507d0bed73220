"""The support bundle: one file for a ticket."""

from __future__ import annotations

import streamlit as st

from memory_core.doctor import Level

from ... import routes
from ...auth.roles import Role
from ...auth.visitor import bound
from ...services import diagnosis, memory_reads
from ...services import diagnosis as work
from ...ui import messages, text

_LINES = 200


def draw() -> None:
    """Draw the button with what the file holds and what may be added to it."""
    last = work.last()
    with st.popover("Support bundle", icon=":material/medical_information:", key="doctor.bundle"):
        st.markdown(
            "One file for a ticket: findings, settings and where they come from, versions, recent "
            "warnings and errors, the last redeploy tests. No secret and no memory's text is in it."
        )
        personal = st.toggle("With personal data", key="doctor.personal")
        st.caption(
            "On: users' ids and e-mail addresses, and ids of memories, as they are. Off: users "
            "stand in it as digests, the same one for the same user."
        )
        if last is None:
            st.caption("Run the checks first; the bundle holds what they found.")
            return
        if not messages.draw_unless(Role.OPERATOR):
            return
        # What is in it is settled now; the file is made in another thread, when it is asked for.
        diagnosis, lines = last.diagnosis, memory_reads.recent_lines(_LINES)
        st.download_button(
            "Download the bundle",
            bound(lambda: work.bundle(diagnosis, lines, personal)),
            file_name=f"holdfast-support-{diagnosis.taken_at:%Y%m%d-%H%M%S}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
            key="doctor.download",
        )


def draw_link() -> None:
    """Draw the link; what the doctor said is known without asking anybody."""
    with st.container(key="doctor-link"):
        st.page_link(routes.DOCTOR, label=_label(diagnosis.last()), icon=":material/stethoscope:")


def _label(last: diagnosis.Last | None) -> str:
    if last is None or not last.whole:
        return "Ask the doctor whether everything is well"
    summary, when = last.diagnosis.summary, text.ago(last.diagnosis.taken_at)
    found = [
        text.counted(summary[level.value], noun)
        for level, noun in ((Level.ERROR, "problem"), (Level.WARNING, "warning"))
        if summary[level.value]
    ]
    return f"The doctor found {' and '.join(found) or 'nothing wrong'}, {when}"
