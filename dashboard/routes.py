"""Pages: their files, titles, and the links between them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

ROOT: Final = Path(__file__).parent.parent
_PAGES: Final = ROOT / "pages"
OVERVIEW: Final = _PAGES / "overview.py"
MEMORIES: Final = _PAGES / "memories.py"
USERS: Final = _PAGES / "users.py"
USER: Final = _PAGES / "user.py"
REDEPLOY: Final = _PAGES / "redeploy.py"
DOCTOR: Final = _PAGES / "doctor.py"
MIGRATE: Final = _PAGES / "migrate.py"
ACTIVITY: Final = _PAGES / "activity.py"


def build_pages() -> list[st.Page]:
    """Return the pages in the order of the navigation."""
    return [
        st.Page(OVERVIEW, title="Overview", icon=":material/monitoring:", default=True),
        st.Page(MEMORIES, title="Memories", icon=":material/database_search:"),
        st.Page(USERS, title="Users", icon=":material/group:"),
        st.Page(USER, title="User", icon=":material/person:"),
        st.Page(REDEPLOY, title="Redeploy test", icon=":material/published_with_changes:"),
        st.Page(DOCTOR, title="Doctor", icon=":material/stethoscope:"),
        st.Page(MIGRATE, title="Migrate", icon=":material/move_down:"),
        st.Page(ACTIVITY, title="Activity", icon=":material/history:"),
    ]


def in_navigation(page: st.Page) -> bool:
    """Return whether a page is in the navigation; User is reached from Users."""
    return page.url_path != "user"


def open_user(user_id: str) -> None:
    """Switch to the memories of a user."""
    st.switch_page(MEMORIES, query_params={"user": user_id, "tab": "Browse"})


def open_view(user_id: str, tab: str = "") -> None:
    """Switch to the page of a user."""
    st.switch_page(USER, query_params={"user": user_id, **({"view": tab} if tab else {})})
