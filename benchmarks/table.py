"""A measured row, and how a table of them is printed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Call = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, ours and theirs in `unit`, and the ratio that is aimed at, if any."""

    name: str
    ours: float
    theirs: float
    unit: str
    aim: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


def medians_ms(ours: Call, theirs: Call, times: int) -> tuple[float, float]:
    """Call both alternately, so that a slow moment of the machine meets both; medians in ms."""
    spent: tuple[list[float], list[float]] = ([], [])
    for number in range(times):
        for call, durations in zip((ours, theirs), spent, strict=True):
            start = time.perf_counter()
            call(number)
            durations.append((time.perf_counter() - start) * 1000)
    return statistics.median(spent[0]), statistics.median(spent[1])


def print_table(rows: Iterable[Row]) -> None:
    """Print the rows; a ratio above its aim is marked."""
    print(f"{'what':<58}{'ours':>10}{'theirs':>10}  {'unit':<5}{'ratio':>7}{'aim':>7}")
    for row in rows:
        aim = "" if row.aim is None else f"{row.aim:.2f}"
        over = "over" if row.aim is not None and row.ratio > row.aim else ""
        remark = "; ".join(filter(None, (over, row.note)))
        print(
            f"{row.name:<58}{row.ours:>10.2f}{row.theirs:>10.2f}  {row.unit:<5}"
            f"{row.ratio:>7.2f}{aim:>7}  {remark}".rstrip()
        )
