"""What the page's address says: a job, a test, a receipt; all of them links for a colleague."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

import streamlit as st

from dashboard.ui import actions

JOB = "job"
TEST = "test"
RECEIPT = "receipt"
_VISITOR = "redeploy.visitor"


def start(begin: Callable[[], str]) -> None:
    """Start a job and let the address name it. For callbacks."""
    action = actions.action("redeploy")
    action.do(begin)
    if action.outcome and action.outcome.value:
        st.query_params.pop(TEST, None)
        st.query_params[JOB] = action.outcome.value


def open_test(run: str) -> None:
    """Let the address name a test, and nothing else."""
    actions.action("redeploy").outcome = None
    st.query_params.from_dict({TEST: run})


def link_to(code: str) -> str:
    """Return the link that opens this page with a receipt."""
    here = urlsplit(st.context.url or "")
    origin = f"{here.scheme}://{here.netloc}" if here.netloc else ""
    return f"{origin}/redeploy?{RECEIPT}={code}"


def visitor() -> str:
    """Return what tells this visitor's clicks from those of others."""
    return st.session_state.setdefault(_VISITOR, secrets.token_hex(4))
