"""Progress callbacks: counts towards a total, or steps of a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from .records import Progress


@dataclass(slots=True)
class Steps:
    """Counts towards a total, which may grow; safe to share between threads.

    `report` is called at every `every`th part.
    """

    report: Progress | None
    total: int = 0
    every: int = 1
    done: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def advance(self, count: int) -> None:
        """Count parts that are done."""
        with self._lock:
            self.done += count
            self.total = max(self.total, self.done)
            if self.report and self.done % self.every == 0:
                self.report(self.done, self.total)

    def end(self, total: int) -> None:
        """Report that all is done, whatever the total."""
        if self.report:
            self.report(total, total)


def after(report: Progress | None, done: int) -> Progress | None:
    """Return the callback of a part of the work that begins when `done` are done."""
    if report is None:
        return None
    return lambda count, total: report(done + count, done + total)


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step of a test as it happens; `ms` is None while it goes on."""

    name: str
    detail: str = ""
    ms: int | None = None
    failed: bool = False


OnStep = Callable[[StepDone], None]
