"""Waiting for what is expected, instead of looking once and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")
_LOOK_EVERY_S = 0.01


def wait_for(what: str, condition: Callable[[], _Value], within_s: float = 60) -> _Value:
    """Return the first true value of the condition.

    Raises:
        AssertionError: it was never true in that time; says what the condition gave last.
    """
    until = time.monotonic() + within_s
    while not (last := condition()):
        assert time.monotonic() < until, (
            f"waited {within_s:g} s for {what}; what was seen last: {last!r}"
        )
        time.sleep(_LOOK_EVERY_S)
    return last
