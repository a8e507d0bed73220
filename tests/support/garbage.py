"""What the garbage collector finds open."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable


def unclosed_behind(fail: Callable[[], BaseException]) -> list[str]:
    """Drop a failure at once, and another that was kept; return what was still open behind them.

    They lie in a ring, so only the garbage collector finds them. It begins with what is oldest, and
    what outlives a collection is put into another order: by luck, a connection before its owner.
    """
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always", ResourceWarning)
        for is_kept in (False, True):
            gc.collect()
            ring: list[object] = []
            ring += [fail(), ring]
            if is_kept:
                gc.collect()
            del ring
            gc.collect()
    return [str(complaint.message) for complaint in complaints]
