"""The second, slower round of retries: boto3's own lasts a fraction of a second."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

RETRY_BUDGET_S = 20.0
"""Seconds after the first attempt within which another may begin."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How long and how often a call is tried again; the waits have full jitter."""

    budget_s: float = RETRY_BUDGET_S
    first_s: float = 0.5
    longest_s: float = 8.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic

    def start(self) -> Attempts:
        """Begin to count the attempts of one call."""
        return Attempts(self)


class Attempts:
    """The attempts of one call, and the time they have taken."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._started = retries.clock()
        self._count = 0

    @property
    def elapsed_s(self) -> float:
        return self._retries.clock() - self._started

    def wait(self, share: float = 1.0) -> bool:
        """Sleep until the next attempt, or say that a share of the budget is used up by then."""
        retries = self._retries
        ceiling = min(retries.longest_s, retries.first_s * 2**self._count)
        pause = retries.random() * ceiling
        if self.elapsed_s + pause >= retries.budget_s * share:
            return False
        self._count += 1
        retries.sleep(pause)
        return True
