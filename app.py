"""The launcher: `streamlit run app.py`.

It stands apart from the router so that no `pages/` folder lies beside the script that Streamlit
executes; beside it, a deep link would run a page without its gate.
"""

import streamlit as st
from starlette.middleware import Middleware

from dashboard import health, startup
from dashboard.auth.gate import Gate
from dashboard.auth.headers import SecureHeaders

startup.refuse_what_is_unsafe()

# Streamlit finds the ASGI app by reading this file: the call has to stay literal.
app = st.App(
    "dashboard/main.py",
    lifespan=startup.lifespan,
    routes=[health.route],
    middleware=[Middleware(SecureHeaders), Middleware(Gate)],
    on_script_error=startup.report_script_error,
)
