"""Fault rules: which request fails, and how."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from dataclasses import dataclass
from typing import Any, Literal, get_args

Action = Literal[
    "throttle", "error500", "error503", "timeout408", "quota402", "deny", "expired", "wrong_region",
    "drop_before", "drop_after", "latency", "hang",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Fail the nth matching request from now, or every one, `times` times."""

    action: Action
    service: Literal["s3", "s3vectors", "*"] = "*"
    operation: str = "*"
    nth: int | Literal["every"] = 1
    times: int | None = None
    """None: once for a number in `nth`, without end for `every`."""
    seconds: float = 0.0
    """For latency and hang."""

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise ValueError(f"fault action is one of {get_args(Action)}, not {self.action!r}")
        if self.service not in ("s3", "s3vectors", "*"):
            raise ValueError(f"fault service is s3, s3vectors or *, not {self.service!r}")
        if self.nth != "every" and (not isinstance(self.nth, int) or self.nth < 1):
            raise ValueError(f"nth is a number from 1 or 'every', not {self.nth!r}")

    def matches(self, service: str, operation: str) -> bool:
        """Say whether the rule is about this request."""
        return self.service in ("*", service) and self.operation in ("*", operation)

    def fires_at(self, count: int) -> bool:
        """Say whether the rule fires on its count-th matching request, from 1."""
        first = 1 if self.nth == "every" else self.nth
        times = self.times if self.times is not None else (None if self.nth == "every" else 1)
        return count >= first and (times is None or count < first + times)


@dataclass
class _Armed:
    rule: FaultRule
    seen: int = 0
    fired: int = 0


class FaultBook:
    """The armed rules and how often each has seen its request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._armed: dict[int, _Armed] = {}

    def add(self, rule: FaultRule) -> int:
        """Arm a rule and return its number."""
        with self._lock:
            number = next(self._numbers)
            self._armed[number] = _Armed(rule)
            return number

    def clear(self, number: int | None = None) -> None:
        """Disarm one rule, or all."""
        with self._lock:
            if number is None:
                self._armed.clear()
            else:
                self._armed.pop(number, None)

    def strike(self, service: str, operation: str) -> list[FaultRule]:
        """Count a request and return the rules that fire on it, oldest first."""
        firing = []
        with self._lock:
            for armed in self._armed.values():
                if not armed.rule.matches(service, operation):
                    continue
                armed.seen += 1
                if armed.rule.fires_at(armed.seen):
                    armed.fired += 1
                    firing.append(armed.rule)
        return firing

    def describe(self) -> list[dict[str, Any]]:
        """Return the armed rules with their numbers and counts."""
        with self._lock:
            return [
                {"id": n, "seen": a.seen, "fired": a.fired, **dataclasses.asdict(a.rule)}
                for n, a in self._armed.items()
            ]
