"""Who acts: a context variable, set by whoever starts something and read where it is noted.

It does not reach a new thread by itself: start that with `contextvars.copy_context().run`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Final

LIBRARY: Final = "library"
"""The way of a program that calls `MemoryService` itself."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the name, the role, the address that the request came from, and by what way."""

    name: str
    role: str = ""
    address: str = ""
    via: str = "dashboard"


_acting: ContextVar[Actor | None] = ContextVar("memory_core_actor", default=None)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Let what follows, in this context, be noted as done by the actor."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def current_actor() -> Actor:
    """Return who acts; a program that named nobody is the library, on this host."""
    return _acting.get() or _library()


@cache
def _library() -> Actor:
    import platform

    return Actor("library", "program", platform.node(), LIBRARY)
