"""Counts of a service's own calls since it was opened: saves and questions, by hour."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from threading import Lock
from typing import Any, Final, Literal, ParamSpec, TypeVar

from .user_id import is_probe

_P = ParamSpec("_P")
_T = TypeVar("_T")

CallKind = Literal["save", "search"]

BOUNDS_S: Final = tuple(0.001 * 1.5**step for step in range(26))
"""Upper bounds of the ranges of durations: 1 ms to 25 s; one range follows without a bound."""

_HOURS: Final = 48


@dataclass(slots=True)
class CallCount:
    """The calls of one kind: how many, with no answer, failed, and how long they took.

    `durations` counts the calls of each range of `BOUNDS_S`, `seconds` is their sum. Calls that
    were refused for what they were given count nowhere.
    """

    calls: int = 0
    empty: int = 0
    failed: int = 0
    seconds: float = 0.0
    durations: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))

    def add(self, seconds: float, *, empty: bool = False, failed: bool = False) -> None:
        self.calls += 1
        self.empty += empty
        self.failed += failed
        self.seconds += seconds
        self.durations[bisect_left(BOUNDS_S, seconds)] += 1

    def quantile(self, share: float) -> float | None:
        """Return the seconds within which this share of the calls ended, None without calls.

        It is the upper bound of a range, so up to half too long; beyond the last, that bound.
        """
        rest = share * self.calls
        for count, bound in zip(self.durations, (*BOUNDS_S, BOUNDS_S[-1]), strict=True):
            rest -= count
            if self.calls and rest <= 0:
                return bound
        return None


class CallCounts:
    """Counts of each kind of call: in each of the last 48 hours (UTC), and since the start."""

    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self._lock = Lock()
        self._hours: dict[tuple[datetime, CallKind], CallCount] = {}
        self._totals: dict[CallKind, CallCount] = {"save": CallCount(), "search": CallCount()}

    def add(self, kind: CallKind, seconds: float, **how: bool) -> None:
        """Count a call, which may be `empty` or `failed`."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        with self._lock:
            for key in [key for key in self._hours if key[0] <= hour - timedelta(hours=_HOURS)]:
                del self._hours[key]
            for count in (self._hours.setdefault((hour, kind), CallCount()), self._totals[kind]):
                count.add(seconds, **how)

    def hours(self) -> dict[tuple[datetime, CallKind], CallCount]:
        """Return the counts by hour and kind, as they are now; hours without calls are missing."""
        with self._lock:
            return deepcopy(self._hours)

    def totals(self) -> dict[CallKind, CallCount]:
        """Return the counts since the start."""
        with self._lock:
            return deepcopy(self._totals)


def tallied(
    kind: CallKind, is_empty: Callable[[Any], bool] = lambda _: False
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Count each call of a method of a service, which has `counts`, whose argument is a user id.

    `is_empty` gets the result and tells if it is no answer. Calls for the users of redeploy tests
    are left out.
    """

    def decorate(call: Callable[_P, _T]) -> Callable[_P, _T]:
        @wraps(call)
        def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            service: Any = args[0]
            user_id = kwargs["user_id"] if "user_id" in kwargs else args[1]
            if is_probe(str(user_id)):
                return call(*args, **kwargs)
            began = time.perf_counter()
            try:
                result = call(*args, **kwargs)
            except Exception as exc:
                # A blank question, or an id that is none, is not the service's failure.
                if not isinstance(exc, ValueError):
                    service.counts.add(kind, time.perf_counter() - began, failed=True)
                raise
            service.counts.add(kind, time.perf_counter() - began, empty=is_empty(result))
            return result

        return run

    return decorate
