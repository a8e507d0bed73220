"""Whether work takes time in proportion to what it is given, told apart from chance."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

TIMES_LARGER = 8
TIMES_LONGER = (12.0, 24.0)
"""In proportion it takes 8 times as long, by the square 64 times.

What takes longer than the first at one size is measured at eight times that, and may take as long
as the second there: a square shows all the more, and a machine busy with something else less.
"""

TRIES = 3


def is_in_proportion(
    work: Callable[[Any], object], make: Callable[[int], Any], size: int, quick_s: float
) -> bool:
    """Say whether `work(make(n))` takes time that does not grow with the square of n.

    `size` is the smallest n; what takes less than `quick_s` seconds of this thread's processor
    time at eight times that is good, whatever the smaller one takes.
    """
    for times_longer in TIMES_LONGER:
        short, long = make(size), make(TIMES_LARGER * size)
        took = seconds(work, long)
        if took < quick_s:
            return True
        # The best of all tries first: with a short one that was held up, a square would pass.
        longest = times_longer * min(seconds(work, short) for _ in range(TRIES))
        longest = max(longest, quick_s)
        if took < longest or any(seconds(work, long) < longest for _ in range(TRIES - 1)):
            return True
        size *= TIMES_LARGER
    return False


def seconds(work: Callable[[Any], object], content: Any) -> float:
    """Return the processor time of this thread, without collections of the whole process."""
    enabled = gc.isenabled()
    gc.disable()
    began = time.thread_time()
    try:
        work(content)
        return time.thread_time() - began
    finally:
        if enabled:
            gc.enable()
