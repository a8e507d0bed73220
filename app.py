"""Launcher: `streamlit run app.py`.

Separate from the router, dashboard/main.py: with a `pages/` folder beside the script that
Streamlit runs, a deep link would run a page without its gate.
"""

import streamlit as st
from starlette.middleware import Middleware

from dashboard import health, routes, startup
from dashboard.auth.gate import Gate
from dashboard.auth.headers import CompressedFiles, SecureHeaders

startup.secure_process()

# Streamlit finds the ASGI app by parsing this file: the call has to stay literal.
app = st.App(
    "dashboard/main.py",
    lifespan=startup.lifespan,
    routes=[*health.ROUTES, *routes.HTTP_ROUTES],
    middleware=[
        Middleware(SecureHeaders),
        Middleware(Gate),
        Middleware(CompressedFiles, routes.PLOTLY),
    ],
    on_script_error=startup.report_script_error,
)
