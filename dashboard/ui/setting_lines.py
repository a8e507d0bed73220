"""The exact lines that set variables: for Render, a shell and Docker Compose, with known values."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Final

import streamlit as st

from memory_core.model.records import Status

from .. import routes
from ..services import memory_calls

_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_NAMED: Final = re.compile(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|TZ)\b(?:=(\S+))?")
_PLACEHOLDERS: Final = {
    "AWS_S3_BUCKET": "<name of your bucket>",
    "AWS_REGION": "<its region, such as eu-central-1>",
    "MEMORY_DATA_DIR": "<folder on a mounted disk>",
}


def _shell(values: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def _compose(values: Mapping[str, str]) -> str:
    # Compose replaces `$NAME` by the value of a variable.
    quoted = {name: json.dumps(value).replace("$", "$$") for name, value in values.items()}
    lines = (f"  {name}: {value}" for name, value in quoted.items())
    return "\n".join(["environment:", *lines])


def _render(values: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in values.items())


FORMS: Final[dict[str, tuple[str, Callable[[Mapping[str, str]], str]]]] = {
    "Render": ("Environment → Add from .env, then save: Render redeploys.", _render),
    "Shell": ("In the shell that starts the application, then restart it.", _shell),
    "Compose": ("Below the service in compose.yaml, then `docker compose up -d`.", _compose),
}


def values_of(text: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a text names, with their value: its own, a known one, or a hint.

    A bucket also needs its region.
    """
    values = {
        name: value or known.get(name) or _PLACEHOLDERS.get(name, "<value>")
        for name, value in _NAMED.findall(text)
    }
    if "AWS_S3_BUCKET" in values:
        values.setdefault("AWS_REGION", known.get("AWS_REGION") or _PLACEHOLDERS["AWS_REGION"])
    return values


def draw(text: str, key: str) -> None:
    """Draw the lines for the variables that a text names; the code block has a copy button."""
    values = values_of(text, memory_calls.known_values())
    if not values:
        return
    form = st.radio("Lines for", list(FORMS), horizontal=True, key=f"lines.{key}")
    where, make = FORMS[str(form)]
    st.code(make(values), language=None, wrap_lines=True)
    st.caption(where)


def draw_to_keep(status: Status, key: str = "what-to-set") -> None:
    """Draw a button that opens the settings of persistent storage, and links to test them."""
    part = st.popover("What to set", key=key, icon=":material/tune:", on_change="rerun")
    if part.open:
        with part:
            st.markdown("**Memories survive deployments on Amazon S3 Vectors.** Set these:")
            has_keys = any(step.ok for step in status.steps if step.name == "AWS credentials")
            forced = any(step.detail == "forced by MEMORY_BACKEND" for step in status.steps)
            names = ["AWS_S3_BUCKET", "AWS_REGION", *(() if has_keys else _KEYS)]
            draw(" ".join([*names, *(["MEMORY_BACKEND=auto"] if forced else [])]), key)
            st.page_link(routes.REDEPLOY, label="Then prove it", icon=":material/verified:")
            st.page_link(routes.DOCTOR, label="Or ask the doctor", icon=":material/stethoscope:")
