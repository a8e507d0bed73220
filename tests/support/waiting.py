"""Wait for what a test expects, with a deadline, instead of measuring a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WITHIN_S = 60.0
"""How long anything may take on a busy machine before the test gives up."""


def wait_for(
    what: str,
    condition: Callable[[], T],
    *,
    until: Callable[[T], object] = bool,
    within_s: float = WITHIN_S,
    every_s: float = 0.01,
) -> T:
    """Call `condition` until its value satisfies `until`, and return that value.

    The failure names `what` was awaited and the last value seen.
    """
    end = time.monotonic() + within_s
    while True:
        # Whatever becomes true before the deadline is looked at once more after it.
        last_try = time.monotonic() >= end
        value = condition()
        if until(value):
            return value
        assert not last_try, f"{what}: not within {within_s:g} s; last seen: {value!r}"
        time.sleep(every_s)
