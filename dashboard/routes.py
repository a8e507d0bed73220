"""Pages: their files, titles, and the links between them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

ROOT: Final = Path(__file__).parent.parent
_PAGES: Final = ROOT / "pages"
OVERVIEW: Final = _PAGES / "overview.py"
MEMORIES: Final = _PAGES / "memories.py"
USERS: Final = _PAGES / "users.py"
REDEPLOY: Final = _PAGES / "redeploy.py"
PROOF: Final = _PAGES / "proof.py"
DOCTOR: Final = _PAGES / "doctor.py"
MIGRATE: Final = _PAGES / "migrate.py"
ACTIVITY: Final = _PAGES / "activity.py"
_HERE: Final = "dashboard.page"
_ARRIVED: Final = "dashboard.arrived"


def build_pages() -> list[st.Page]:
    """Return the pages in the order of the navigation."""
    return [
        st.Page(OVERVIEW, title="Overview", icon=":material/monitoring:", default=True),
        st.Page(MEMORIES, title="Memories", icon=":material/database_search:"),
        st.Page(USERS, title="Users", icon=":material/group:"),
        st.Page(REDEPLOY, title="Redeploy test", icon=":material/published_with_changes:"),
        st.Page(PROOF, title="Proof", icon=":material/verified:"),
        st.Page(DOCTOR, title="Doctor", icon=":material/stethoscope:"),
        st.Page(MIGRATE, title="Migrate", icon=":material/move_down:"),
        st.Page(ACTIVITY, title="Activity", icon=":material/history:"),
    ]


def open_user(user_id: str, view: str = "", **parameters: str) -> None:
    """Switch to the page of a user, with further parameters of its address."""
    if view:
        parameters["view"] = view
    st.switch_page(MEMORIES, query_params={"user": user_id, **parameters})


def note_arrival(page: st.Page) -> None:
    """Remember whether this run comes from another page. For the router."""
    st.session_state[_ARRIVED] = st.session_state.get(_HERE) != page.url_path
    st.session_state[_HERE] = page.url_path


def arrived() -> bool:
    """Return whether the visitor comes from another page."""
    return bool(st.session_state.get(_ARRIVED))


def _redirect(request: Request) -> RedirectResponse:
    return RedirectResponse(f"memories?{request.url.query}")


FORMER_USER_PAGE: Final = Route("/user", _redirect)
"""The page of a user had an address of its own, which still leads to it."""
