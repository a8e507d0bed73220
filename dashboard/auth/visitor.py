"""The visitor behind a call, and the roles that calls require.

`requires` guards every call that pages make: in scripts, in callbacks and fragments, which skip
the beginning of the script, and in downloads, which run in a thread of their own.
"""

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

from . import notes
from .access import access
from .roles import Role
from .sessions import Session

IDENTITY_HEADER: Final = "x-holdfast-session"
"""Header by which the gate names the session to Streamlit; removed from clients' requests."""

IDENTITY_KEY: Final = "session"
"""The same in `st.user`; see `server.trustedUserHeaders`."""

_ROUTED: Final = "dashboard.routed"
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Visitor:
    """Person at a page: name, role, network address, and the id of the session."""

    name: str
    role: Role
    address: str = ""
    session: str = ""

    def may(self, role: Role) -> bool:
        """Return whether they have this role or a higher one."""
        return self.role >= role


LOCAL: Final = Visitor("local", Role.ADMIN)
"""Everybody at this computer, where there is no login."""

PROCESS: Final = Visitor("dashboard", Role.ADMIN)
"""The dashboard itself, when it starts and stops."""


class NotAllowed(MemoryCoreError):
    """The call requires a higher role; the message names it."""


class SignedOut(NotAllowed):
    """The session is over: expired, signed out, or the account was removed."""


_acting: ContextVar[Visitor | None] = ContextVar("acting", default=None)


def current() -> Visitor:
    """Return the visitor of this call, with their current role.

    Raises:
        SignedOut: there is a login and the session is over.
    """
    if acting := _acting.get():
        return acting
    if access().open:
        return LOCAL
    context = get_script_run_ctx(suppress_warning=True)
    session_id = context.user_info.get(IDENTITY_KEY) if context else None
    return _signed_in(str(session_id or ""))


def may(role: Role) -> bool:
    """Return whether the visitor has this role or a higher one."""
    return current().may(role)


def requires(role: Role) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Allow a call to this role and higher ones, and name the visitor as its actor.

    The call raises `NotAllowed` for lower roles, and `SignedOut` once the session is over.
    """

    def decorate(call: Callable[P, T]) -> Callable[P, T]:
        @wraps(call)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            visitor = current()
            if not visitor.may(role):
                needed = f"{call.__qualname__} needs {role.word}"
                notes.note_refusal(actor_of(visitor), "overstep", needed)
                raise NotAllowed(
                    f"your role, {visitor.role.word}, does not allow this; ask {role.with_article}"
                )
            with acting(actor_of(visitor)):
                return call(*args, **kwargs)

        guarded.required_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


@contextmanager
def acting_as(visitor: Visitor) -> Iterator[None]:
    """Act for a visitor in this thread."""
    token = _acting.set(visitor)
    try:
        with acting(actor_of(visitor)):
            yield
    finally:
        _acting.reset(token)


def bound(call: Callable[[], T]) -> Callable[[], T]:
    """Return the call bound to the current visitor, for another thread; fails once signed out.

    For downloads: Streamlit makes the file in a thread without a visitor.
    """
    visitor = current()

    def bound_call() -> T:
        with acting_as(_signed_in(visitor.session) if visitor.session else visitor):
            return call()

    return bound_call


def visitor_of(session: Session) -> Visitor:
    """Return the visitor who holds a session."""
    return Visitor(session.name, session.role, session.address, session.id)


def actor_of(visitor: Visitor) -> Actor:
    """Return the visitor as the actor of activity entries."""
    return Actor(visitor.name, visitor.role.word, visitor.address)


def enter() -> Visitor:
    """Return the visitor, or end the script and lead to the login. Only for the router."""
    st.session_state[_ROUTED] = True
    return _still_signed_in()


def require_access() -> Visitor:
    """Return the visitor; stop the script unless the router let them in. For pages."""
    if not st.session_state.get(_ROUTED):
        st.error("This page opens from the dashboard only.", icon=":material/lock:")
        st.stop()
    return _still_signed_in()


def _signed_in(session_id: str) -> Visitor:
    session = access().sessions.find(session_id) if session_id else None
    if session is None:
        raise SignedOut("you are signed out; load the page again to sign in")
    return visitor_of(session)


def _still_signed_in() -> Visitor:
    try:
        return current()
    except SignedOut:
        st.error("You are signed out. Load the page again to sign in.", icon=":material/lock:")
        # Leads to our own route, which removes the cookie.
        st.logout()
        st.stop()
