"""Router: Streamlit runs this script for every page."""

import time
from pathlib import Path

import streamlit as st

from dashboard import routes
from dashboard.auth import visitor
from dashboard.services import jobs, memory_calls
from dashboard.ui import actions, frame

begun = time.monotonic()
st.set_page_config(
    page_title="Holdfast",
    page_icon=str(Path(__file__).parent / "ui" / "assets" / "mark.png"),
    layout="wide",
)
who = visitor.enter()
pages = routes.build_pages()
page = st.navigation(pages, position="hidden")
# After the navigation, which would replace our icon by the page's Material icon.
st.set_page_config(page_title=f"{page.title} · Holdfast")

with st.skeleton(height=320):
    health = memory_calls.health()
frame.draw_sidebar(pages, health, who)
frame.draw_band(health, page.url_path)
if routes.arrived(page.url_path):
    actions.forget_wishes()
page.run()
routes.note_page(page)
if jobs.board().any_ended(since=begun):
    # What was drawn before that may be older.
    st.rerun()
