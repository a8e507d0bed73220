"""Calls of a demo: invented people, and things broken on purpose; never with an AWS account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from memory_core import MemoryService, Settings
from memory_core.doctor.demo_director import DemoDirector, DemoState, Scene
from memory_core.errors import DemoRefused, SettingsError

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import connection
from . import memory_reads

T = TypeVar("T")
_WAIT_S: Final = 10.0


@requires(Role.VIEWER)
def director() -> DemoDirector | None:
    """Return the director of this place, None where a demo must not touch it."""
    try:
        return _director()
    except (DemoRefused, SettingsError):
        return None


@requires(Role.OPERATOR)
def load() -> tuple[str, ...]:
    """Load the invented people."""
    return memory_reads.write(lambda service: _director().load(service))


@requires(Role.OPERATOR)
def begin(scene: str) -> Scene:
    """Break something on purpose."""
    return _closed(lambda: _director().begin(scene, _service))


@requires(Role.OPERATOR)
def put_right(scene: str) -> Scene:
    """Repair what a scene has done."""
    return _closed(lambda: _director().put_right(scene, _service))


@requires(Role.OPERATOR)
def reset() -> DemoState:
    """Remove all that the demo has made."""
    return _closed(lambda: _director().reset(_service))


def _director() -> DemoDirector:
    return DemoDirector(Settings.from_env())


@contextmanager
def _service() -> Iterator[MemoryService]:
    with connection().writing() as service:
        yield service
    connection().close(_WAIT_S)


def _closed(work: Callable[[], T]) -> T:
    """Work while nothing has the disk open; a page that asks meanwhile opens it again."""
    connection().close(_WAIT_S)
    try:
        return work()
    finally:
        connection().close(_WAIT_S)
        memory_reads.forget_reads()
