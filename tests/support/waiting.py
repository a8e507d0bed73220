"""Wait for what a test expects, never for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

WITHIN_S = 60.0
"""How long anything may take on a busy machine before the test gives up."""

Seen = TypeVar("Seen")


def wait_for(
    what: str,
    condition: Callable[[], Seen],
    within_s: float = WITHIN_S,
    *,
    until: Callable[[Seen], object] = bool,
    every_s: float = 0.02,
) -> Seen:
    """Ask until the condition returns a value that is as expected, and return that.

    A condition may also assert: it is asked again, and what it said last is shown on failure.

    Raises:
        AssertionError: the time is over; says what was waited for and what was seen last.
    """
    end = time.monotonic() + within_s
    while True:
        # Whatever comes true within the time is looked at once more after it.
        over = time.monotonic() >= end
        try:
            seen = condition()
        except AssertionError as unmet:
            last = str(unmet)
        else:
            if until(seen):
                return seen
            last = repr(seen)
        if over:
            raise AssertionError(f"waited {within_s:g} s for {what}; seen last: {last}")
        time.sleep(every_s)
