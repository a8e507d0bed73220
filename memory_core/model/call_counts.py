"""Counts of a service's own calls, saves and questions by hour, and of requests to AWS."""

import time
from bisect import bisect_left
from collections import Counter
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
"""Upper bounds of the buckets of durations: 1 ms to 25 s; one bucket follows without a bound."""

_HOURS: Final = 48
_ENOUGH: Final = timedelta(minutes=10)


@dataclass(slots=True)
class CallCount:
    """Counts of the calls of one kind: all, without an answer, failed, and by duration.

    `errors` counts failures by the name of the error, `durations` calls by bucket of `BOUNDS_S`;
    `seconds` is their total time. Calls refused for invalid arguments are not counted.
    """

    calls: int = 0
    empty: int = 0
    seconds: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    durations: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))

    @property
    def failed(self) -> int:
        """The number of failures."""
        return self.errors.total()

    def add(self, seconds: float, *, empty: bool = False, error: str = "") -> None:
        self.calls += 1
        self.empty += empty
        self.errors.update([error] * bool(error))
        self.seconds += seconds
        self.durations[bisect_left(BOUNDS_S, seconds)] += 1

    def quantile(self, share: float) -> float | None:
        """Return the seconds within which this share of the calls ended, None without calls.

        This is the upper bound of a bucket, up to half too long; the last bound beyond all of them.
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

    def add(self, kind: CallKind, seconds: float, **how: Any) -> None:
        """Count a call, which may be `empty` or have ended with an `error`."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        with self._lock:
            for key in [key for key in self._hours if key[0] <= hour - timedelta(hours=_HOURS)]:
                del self._hours[key]
            for count in (self._hours.setdefault((hour, kind), CallCount()), self._totals[kind]):
                count.add(seconds, **how)

    def hours(self) -> dict[tuple[datetime, CallKind], CallCount]:
        """Return the present counts by hour and kind; hours without calls are missing."""
        with self._lock:
            return deepcopy(self._hours)

    def totals(self) -> dict[CallKind, CallCount]:
        """Return the counts since the start."""
        with self._lock:
            return deepcopy(self._totals)


class RequestCounts:
    """Requests that this process sent, by service and operation; each attempt counts."""

    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self._lock = Lock()
        self._sent: Counter[tuple[str, str]] = Counter()

    def add(self, service: str, operation: str) -> None:
        """Count a request."""
        with self._lock:
            self._sent[service, operation] += 1

    def sent(self) -> dict[tuple[str, str], int]:
        """Return the present counts, sorted by name."""
        with self._lock:
            return dict(sorted(self._sent.items()))

    def per_month(self, sent: int) -> int | None:
        """Project a count since the start to 30 days; None in the first ten minutes."""
        age = datetime.now(UTC) - self.since
        return round(sent * (timedelta(days=30) / age)) if age >= _ENOUGH else None


def tallied(
    kind: CallKind, is_empty: Callable[[Any], bool] = lambda _: False
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Count the calls of a service's method, whose first argument is a user id, in its `counts`.

    `is_empty` returns whether a result is no answer. Calls for users of redeploy tests are not
    counted.
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
                # A blank question or an invalid id is no failure of the service.
                if not isinstance(exc, ValueError):
                    error = type(exc).__name__
                    service.counts.add(kind, time.perf_counter() - began, error=error)
                raise
            service.counts.add(kind, time.perf_counter() - began, empty=is_empty(result))
            return result

        return run

    return decorate
