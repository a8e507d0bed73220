"""Wait for what a test expects, never for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

EVERY_S = 0.05

Seen = TypeVar("Seen")


def wait_for(what: str, condition: Callable[[], Seen], within_s: float = 60.0) -> Seen:
    """Ask until the condition returns something true, and return that.

    A condition may also assert: it is asked again, and on failure the last message is shown.

    Raises:
        AssertionError: the time is over; says what was waited for and what was seen last.
    """
    end = time.monotonic() + within_s
    while True:
        try:
            seen = condition()
        except AssertionError as unmet:
            last = str(unmet)
        else:
            if seen:
                return seen
            last = repr(seen)
        if time.monotonic() >= end:
            raise AssertionError(f"waited {within_s:g} s for {what}; seen last: {last}")
        time.sleep(EVERY_S)
