"""Looks that were noted a short while ago."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import Final

SAME_LOOK_S: Final = 300.0
"""How long the same look of the same person is not noted again."""

_KEPT: Final = 2_000


class Repeats:
    """Remembers looks for a while; safe to share between threads."""

    def __init__(self) -> None:
        self._looks: OrderedDict[tuple[object, ...], float] = OrderedDict()
        self._lock = Lock()

    def is_repeated(self, look: tuple[object, ...]) -> bool:
        """Say whether the look is known, and remember it if it is not."""
        now = time.monotonic()
        with self._lock:
            at = self._looks.get(look)
            if at is not None and now - at < SAME_LOOK_S:
                return True
            self._looks[look] = now
            self._looks.move_to_end(look)
            if len(self._looks) > _KEPT:
                self._looks.popitem(last=False)
            return False
