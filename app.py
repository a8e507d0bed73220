"""Launcher: `streamlit run app.py`.

It is apart from the router, dashboard/main.py, because a `pages/` folder beside the script that
Streamlit runs would let a deep link run a page without its gate.
"""

import streamlit as st
from starlette.middleware import Middleware

from dashboard import health, routes, startup
from dashboard.auth.gate import Gate
from dashboard.auth.headers import CompressedFiles, SecureHeaders

startup.refuse_what_is_unsafe()

# Streamlit finds the ASGI app by reading this file: the call has to stay literal.
app = st.App(
    "dashboard/main.py",
    lifespan=startup.lifespan,
    routes=[health.route, *routes.HTTP_ROUTES],
    middleware=[Middleware(SecureHeaders), Middleware(Gate), Middleware(CompressedFiles)],
    on_script_error=startup.report_script_error,
)
