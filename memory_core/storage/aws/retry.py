"""The second, slower round of retries: boto3's own lasts a fraction of a second."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from weakref import WeakValueDictionary

RETRY_BUDGET_S = 20.0
"""Seconds after the first attempt within which another may begin."""


@dataclass(frozen=True, slots=True)
class Retries:
    """The limits of retrying a call; the waits have full jitter."""

    budget_s: float = RETRY_BUDGET_S
    first_s: float = 0.5
    longest_s: float = 8.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic


class Attempts:
    """The attempts of one call, which start now, and the time they have taken."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._started = retries.clock()
        self._count = 0

    @property
    def elapsed_s(self) -> float:
        return self._retries.clock() - self._started

    def wait(self, share: float = 1.0) -> bool:
        """Sleep until the next attempt; return False if it is beyond that share of the budget."""
        retries = self._retries
        ceiling = min(retries.longest_s, retries.first_s * 2**self._count)
        pause = retries.random() * ceiling
        if self.elapsed_s + pause >= retries.budget_s * share:
            return False
        self._count += 1
        retries.sleep(pause)
        return True


VECTORS_PER_S = 2_500.0
REQUESTS_PER_S = 1_000.0
"""Documented per index. Above them the service answers 429, and many retries lose writes."""

_paces: WeakValueDictionary[tuple[str, ...], Pace] = WeakValueDictionary()
_registry_lock = Lock()


def pace_of(*index: str) -> Pace:
    """Return the pace that all writers of an index share in this process."""
    with _registry_lock:
        pace = _paces.get(index)
        if pace is None:
            _paces[index] = pace = Pace()
        return pace


class Pace:
    """Rate limiter of writers, who wait in order; a burst of one second's worth passes at once."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._spent_until = float("-inf")

    def take(self, vectors: int) -> None:
        """Wait until one more request, with this many vectors, is within the limits."""
        cost_s = max(vectors / VECTORS_PER_S, 1 / REQUESTS_PER_S)
        with self._lock:
            now = self._clock()
            self._spent_until = max(self._spent_until, now - 1.0) + cost_s
            wait = self._spent_until - now
        if wait > 0:
            self._sleep(wait)
