"""Long work about users as jobs, which all visitors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import streamlit as st

from dashboard import jobs, people
from dashboard.auth.roles import Role
from dashboard.ui import allowed
from memory_core.people import Elsewhere, StoreScan, TakenUp
from memory_core.records import UserId

_COMPARISON: Final = "users/compare"


@dataclass(frozen=True)
class Compared:
    """What the store holds beside the ledger, and what lies in other places."""

    scan: StoreScan
    elsewhere: Elsewhere


def start_comparison() -> None:
    """Start to compare ledger and store, unless somebody does it now. For callbacks."""
    jobs.board().submit(_compare, subject="Ledger and store", fingerprint=_COMPARISON)


def comparison() -> jobs.Job | None:
    """Return the newest comparison as it stands."""
    return jobs.board().latest(_COMPARISON)


def last_comparison() -> Compared | None:
    """Return what the last comparison that came to its end found."""
    job = jobs.board().latest(_COMPARISON, "done")
    return job.result if job else None


def start_take_up(user_id: UserId) -> None:
    """Start to record what lies in the store for a user and is not on record. For callbacks."""

    def work(progress: jobs.Progress) -> TakenUp:
        return people.take_up(user_id, progress)

    jobs.board().submit(work, subject="Take up", fingerprint=_take_up(user_id))


def taking_up(user_id: UserId) -> jobs.Job | None:
    """Return the newest job that took up what was a user's, as it stands."""
    return jobs.board().latest(_take_up(user_id))


@st.fragment(run_every="1s")
def watch(job_id: str, noun: str, nouns: str) -> None:
    """Draw how far a job is, with a button that cancels it; draw the page anew at its end."""
    job = jobs.board().get(job_id)
    if job is None or job.finished:
        st.rerun()
    elif job.total:
        part = min(1.0, job.done / job.total)
        st.progress(part, text=f"{job.done:,} of {job.total:,} {noun if job.total == 1 else nouns}")
    else:
        st.progress(0.0, text="Reading" if job.state == "running" else "Waiting")
    if not allowed.may(Role.OPERATOR):
        return
    st.button(
        "Cancel",
        key=f"users.cancel.{job_id}",
        type="tertiary",
        icon=":material/close:",
        on_click=jobs.board().cancel,
        args=(job_id,),
    )


def _compare(progress: jobs.Progress) -> Compared:
    return Compared(*people.compare(progress))


def _take_up(user_id: UserId) -> str:
    return f"users/take-up/{user_id}"
