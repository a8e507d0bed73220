"""Who asks for something, and whether they may.

`requires` stands above every call that pages make: it holds in scripts, in callbacks and fragments,
which run without the script's beginning, and in downloads, which run in a thread of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Final, ParamSpec, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from memory_core.activity import Actor, acting
from memory_core.errors import MemoryCoreError

from .access import access
from .roles import Role

IDENTITY_HEADER: Final = "x-holdfast-session"
"""How the gate tells Streamlit whose socket it is; what a client sends under it is dropped."""

IDENTITY_KEY: Final = "session"
"""The same in `st.user`, see `server.trustedUserHeaders`."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Visitor:
    """Somebody at a page: name, role, network address, and the id of the session."""

    name: str
    role: Role
    address: str = ""
    session: str = ""

    def may(self, role: Role) -> bool:
        """Say whether this role is theirs, or one below it."""
        return self.role >= role


LOCAL: Final = Visitor("local", Role.ADMIN)
"""Whoever is at this computer, where there is no login."""

PROCESS: Final = Visitor("dashboard", Role.ADMIN)
"""The dashboard itself, when it starts."""


class NotAllowed(MemoryCoreError):
    """The role of the visitor does not reach; the message names the one that does."""


class SignedOut(NotAllowed):
    """The session is over: by time, by signing out, or because the account is gone."""


_acting: ContextVar[Visitor | None] = ContextVar("acting", default=None)


def current() -> Visitor:
    """Return who asks, as the settings are now.

    Raises:
        SignedOut: there is a login, and nobody is signed in here any more.
    """
    if acting := _acting.get():
        return acting
    if access().open:
        return LOCAL
    context = get_script_run_ctx(suppress_warning=True)
    session_id = context.user_info.get(IDENTITY_KEY) if context else None
    return _of_session(str(session_id or ""))


def need(role: Role) -> Visitor:
    """Return who asks.

    Raises:
        NotAllowed: their role is below this one.
        SignedOut: they are not signed in any more.
    """
    visitor = current()
    if not visitor.may(role):
        raise NotAllowed(
            f"this needs the role {role.word} and you are {visitor.role.word}; "
            f"ask somebody who is {role.word}"
        )
    return visitor


def requires(role: Role) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a call through for this role and those above it only; it is noted as the visitor's."""

    def decorate(call: Callable[P, T]) -> Callable[P, T]:
        @wraps(call)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            with acting(actor_of(need(role))):
                return call(*args, **kwargs)

        guarded.required_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


@contextmanager
def acting_as(visitor: Visitor) -> Iterator[None]:
    """Do what follows, in this thread, for a visitor who was let in before."""
    token = _acting.set(visitor)
    try:
        with acting(actor_of(visitor)):
            yield
    finally:
        _acting.reset(token)


def bound(call: Callable[[], T]) -> Callable[[], T]:
    """Return the call for another thread, as the visitor of now; at once over when they are.

    For downloads: Streamlit makes the file in a thread that does not know whose it is.
    """
    asked = current()

    def bound_call() -> T:
        with acting_as(_of_session(asked.session) if asked.session else asked):
            return call()

    return bound_call


def actor_of(visitor: Visitor) -> Actor:
    """Return the visitor as the activity log names them."""
    return Actor(visitor.name, visitor.role.word, visitor.address)


def _of_session(session_id: str) -> Visitor:
    session = access().sessions.find(session_id) if session_id else None
    if session is None:
        raise SignedOut("you are signed out; load the page again to sign in")
    return Visitor(session.name, session.role, session.address, session.id)


_ROUTED = "dashboard.routed"


def enter() -> Visitor:
    """Return who is here, or end the script and lead to the login; only the router calls this."""
    st.session_state[_ROUTED] = True
    return _still_signed_in()


def require_access() -> Visitor:
    """Return who is here; stop unless the router let them in."""
    if not st.session_state.get(_ROUTED):
        st.error("This page opens from the dashboard only.", icon=":material/lock:")
        st.stop()
    return _still_signed_in()


def _still_signed_in() -> Visitor:
    try:
        return current()
    except SignedOut:
        st.error("You are signed out. Load the page again to sign in.", icon=":material/lock:")
        # Leads to our own route, which takes the cookie away.
        st.logout()
        st.stop()
