"""Pages: their files, titles, and the links between them."""

import re
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse
from starlette.routing import Route

from .auth.roles import Role

ROOT: Final = Path(__file__).parent.parent
_PAGES: Final = ROOT / "pages"
_ASSETS: Final = Path(__file__).parent / "ui" / "assets"
PLOTLY: Final = _ASSETS / "plotly-basic-4.1.1.min.js"
"""The part of Plotly with our kinds of charts, from npm's `plotly.js-basic-dist-min`, under MIT."""

OVERVIEW: Final = _PAGES / "overview.py"
MEMORIES: Final = _PAGES / "memories.py"
USERS: Final = _PAGES / "users.py"
REDEPLOY: Final = _PAGES / "redeploy.py"
PROOF: Final = _PAGES / "proof.py"
DOCTOR: Final = _PAGES / "doctor.py"
MIGRATE: Final = _PAGES / "migrate.py"
ACTIVITY: Final = _PAGES / "activity.py"
_STATIC: Final = Path(st.__file__).parent / "static"
_ELEMENTS: Final = ("PageLink", "TextInput", "Button", "Selectbox", "Checkbox")
_THEIRS: Final = '<script type="module"'
_OURS: Final = '<script type="module" src="./holdfast.js"></script>'
_PLOTLYS: Final = f'<link rel="preload" as="script" href="./{PLOTLY.name}">'
_IMPORTED: Final = re.compile(r'(?:from|import)"\./([\w.-]+\.js)"')
_LEAST: Final = {"migrate": Role.ADMIN, "activity": Role.OPERATOR}
_BEFORE: Final = "dashboard.page"


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


def is_for(page: st.Page, role: Role) -> bool:
    """Return whether a page has content for this role; the menu hides the others."""
    return role >= _LEAST.get(page.url_path, Role.VIEWER)


def address(page: Path, **parameters: str) -> str:
    """Return the address of a page, relative to any other, for links that are not Streamlit's."""
    return f"./{page.stem}{'?' if parameters else ''}{urlencode(parameters)}"


def open_user(user_id: str, view: str = "", **parameters: str) -> None:
    """Switch to the page of a user, with further query parameters."""
    if view:
        parameters["view"] = view
    st.switch_page(MEMORIES, query_params={"user": user_id, **parameters})


def arrived(page: str) -> bool:
    """Return whether the visitor has just come to this page, a URL path, from another one."""
    return st.session_state.get(_BEFORE) != page


def note_page(page: st.Page) -> None:
    """Remember which page was drawn last. For the router."""
    st.session_state[_BEFORE] = page.url_path


def _redirect(request: Request) -> RedirectResponse:
    """Redirect the former address of a user's page to the present one."""
    return RedirectResponse(f"memories?{request.url.query}")


def _serve_page(request: Request) -> HTMLResponse:
    """Serve Streamlit's page with our script before its own; the Overview with all it needs."""
    page = (_STATIC / "index.html").read_text("utf-8").replace(_THEIRS, f"{_OURS}{_THEIRS}", 1)
    if request.url.path == "/":
        page = page.replace("</head>", f"{_PLOTLYS}{_preloads(page)}</head>")
    return HTMLResponse(page, headers={"Cache-Control": "no-cache"})


@cache
def _preloads(page: str) -> str:
    """Return links to the code of the Overview's elements that the page does not name itself.

    The browser would learn of each only from the one that imports it.
    """
    scripts = _STATIC / "static" / "js"
    needed = [file for element in _ELEMENTS for file in scripts.glob(f"{element}.*.js")]
    for script in needed:
        with script.open(encoding="utf-8") as code:
            names = _IMPORTED.findall(code.read(20_000))
        files = [scripts / name for name in names if name not in page]
        needed += [file for file in files if file not in needed]
    return "".join(f'<link rel="modulepreload" href="./static/js/{f.name}">' for f in needed)


def _serve_script(_: Request) -> FileResponse:
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(_ASSETS / "page.js", media_type="text/javascript", headers=headers)


def _serve_plotly(_: Request) -> FileResponse:
    """Serve Plotly to a browser that takes nothing compressed."""
    return FileResponse(PLOTLY, media_type="text/javascript")


HTTP_ROUTES: Final = (
    Route("/user", _redirect),
    Route("/holdfast.js", _serve_script),
    Route(f"/{PLOTLY.name}", _serve_plotly),
    *(Route(f"/{path.stem}", _serve_page) for path in _PAGES.glob("*.py")),
    Route("/", _serve_page),
)
