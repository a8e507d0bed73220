"""Entries of the activity log about sign-ins and refusals."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from memory_core.activity import MUST_BE_WRITTEN, Actor, Outcome
from memory_core.errors import MemoryCoreError

from ..connection import connection

SAME_S: Final = 300
"""Seconds during which the same refusal of the same actor is not noted again."""

MOST_AN_HOUR: Final = 60
"""Most refusals of an action noted in an hour; the next entry counts those left out."""

_HOUR_S: Final = 3600
_logger = logging.getLogger("dashboard")


class RefusalLimiter:
    """Decides which refusals get an entry, so that nobody can flood the log."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: deque[tuple[float, tuple[str, ...]]] = deque()
        self._left_out = 0

    def left_out(self, *refusal: str) -> int | None:
        """Return how many were left out before this one, None to leave it out too."""
        now = self._clock()
        with self._lock:
            while self._noted and now - self._noted[0][0] >= _HOUR_S:
                self._noted.popleft()
            repeated = any(refusal == earlier and now - at < SAME_S for at, earlier in self._noted)
            if repeated or len(self._noted) >= MOST_AN_HOUR:
                self._left_out += 1
                return None
            self._noted.append((now, refusal))
            left_out, self._left_out = self._left_out, 0
            return left_out


_limiters: dict[str, RefusalLimiter] = {}


def note(
    actor: Actor,
    action: str,
    *,
    user_id: str | None = None,
    detail: str = "",
    outcome: Outcome = "done",
) -> None:
    """Write an entry; without storage, log a warning instead.

    Raises:
        MemoryCoreError: the entry cannot be written, and the action, such as reveal, must not
            proceed without one.
    """
    try:
        log = connection().service().activity
    except MemoryCoreError as error:
        if action in MUST_BE_WRITTEN:
            raise
        _logger.warning("activity could not be noted: %s: %s", action, error)
        return
    log.note(actor, action, user_id=user_id, detail=detail, outcome=outcome)


def note_refusal(actor: Actor, action: str, detail: str = "") -> None:
    """Note a refusal, within the limits; the entry is written within a minute.

    Does not open the storage: nothing is noted before it is open.
    """
    limiter = _limiters.setdefault(action, RefusalLimiter())
    left_out = limiter.left_out(actor.name, actor.address, detail)
    service = connection().opened
    if left_out is None or service is None:
        return
    if left_out:
        detail = f"{detail}{', ' if detail else ''}{left_out:,} others not noted"
    service.activity.note(actor, action, detail=detail, outcome="refused", waits=True)
