"""The pace that one index takes: puts and deletes together, over all threads of the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from weakref import WeakValueDictionary

VECTORS_PER_S = 2_500.0
REQUESTS_PER_S = 1_000.0
"""Documented per index. Above them the service answers 429, and a sum of retries loses writes."""

_paces: WeakValueDictionary[tuple[str, ...], Pace] = WeakValueDictionary()
_registry_lock = Lock()


def pace_of(*index: str) -> Pace:
    """Return the one pace of an index in this process; `index` is all that names it."""
    with _registry_lock:
        pace = _paces.get(index)
        if pace is None:
            _paces[index] = pace = Pace()
        return pace


class Pace:
    """Makes writers wait their turn; a burst of one second's worth passes at once."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._lock = Lock()
        self._vectors = _TokenBucket(VECTORS_PER_S, clock)
        self._requests = _TokenBucket(REQUESTS_PER_S, clock)

    def take(self, vectors: int) -> None:
        """Wait until one more request with so many vectors is within the limits."""
        with self._lock:
            wait = max(self._vectors.take(vectors), self._requests.take(1))
        if wait > 0:
            self._sleep(wait)


class _TokenBucket:
    """Lets each taker run into debt and wait for it: in order of asking, and none starves."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._rate = per_second
        self._clock = clock
        self._level = per_second
        self._at = clock()

    def take(self, count: int) -> float:
        """Take tokens and return how many seconds to wait for them."""
        now = self._clock()
        self._level = min(self._rate, self._level + (now - self._at) * self._rate) - count
        self._at = now
        return max(0.0, -self._level / self._rate)
