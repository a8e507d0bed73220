"""A measured row, the size of a run, and how two calls are timed side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Call = Callable[[int], object]
LIMIT = "limit"
"""What a row is compared with where a fixed number stands for the other side."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value and, where there is one, the same work done by something else."""

    name: str
    value: float
    unit: str
    against: str = ""
    reference: float | None = None
    target: float | None = None
    """The largest ratio of value to reference that is aimed at."""
    note: str = ""

    @property
    def title(self) -> str:
        return f"{self.name} / {self.against}" if self.against else self.name

    @property
    def ratio(self) -> float | None:
        return None if self.reference is None else self.value / self.reference

    @property
    def over_target(self) -> bool:
        return None not in (self.ratio, self.target) and self.ratio > self.target


@dataclass(frozen=True, slots=True)
class Size:
    """How much is stored and how often each call is made."""

    memories: int
    users: int
    calls: int
    """Calls whose median is taken."""
    long_calls: int
    """Calls whose median is taken where each is long."""
    questions: int | None
    """Questions of each set that retrieval is measured with; None for all."""


FULL = Size(memories=10_000, users=100, calls=100, long_calls=5, questions=None)
TINY = Size(memories=40, users=10, calls=2, long_calls=1, questions=5)

Measure = Callable[[Size, Path], Iterator[Row]]
"""Yields each row as soon as it is measured; the folder is empty and temporary."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the benchmark, which can be run on its own."""

    measure: Measure
    summary: str


def medians_ms(ours: Call, theirs: Call, times: int) -> tuple[float, float]:
    """Call both alternately, so that a slow moment of the machine meets both; medians in ms."""
    spent: tuple[list[float], list[float]] = ([], [])
    for number in range(times):
        for call, durations in zip((ours, theirs), spent, strict=True):
            durations.append(elapsed_ms(lambda: call(number)))  # noqa: B023 - called at once.
    return statistics.median(spent[0]), statistics.median(spent[1])


def elapsed_ms(call: Callable[[], object]) -> float:
    """Return how long one call took."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def number(value: float | None) -> str:
    """Render with three digits that count, or all before the point."""
    if value is None:
        return ""
    digits = next((places for places, least in ((0, 100), (1, 10), (2, 1)) if value >= least), 3)
    return f"{value:,.0f}" if value == int(value) else f"{value:,.{digits}f}"


def ratio(value: float | None) -> str:
    """Render a ratio, or what is aimed at."""
    return "" if value is None else f"{value:.2f}"
