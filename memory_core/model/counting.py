"""Counting: items in batches, progress towards a total, and numbers with their nouns."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

_Item = TypeVar("_Item")

Progress = Callable[[int, int], None]
"""Callback with the number of memories done and the total, which may still grow."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 memory`, `1,204 memories`."""
    if number == 1:
        return f"1 {noun}"
    if not plural:
        ends_in_ies = noun.endswith("y") and noun[-2] not in "aeiou"
        plural = f"{noun[:-1]}ies" if ends_in_ies else f"{noun}s"
    return f"{number:,} {plural}"


def batches(
    items: Iterable[_Item],
    count: int,
    *,
    max_bytes: int = 0,
    size_of: Callable[[_Item], int] | None = None,
) -> Iterator[list[_Item]]:
    """Yield lists of at most `count` items and, unless one alone has more, `max_bytes` in all."""
    batch: list[_Item] = []
    size = 0
    for item in items:
        length = size_of(item) if size_of else 0
        if batch and size_of and size + length > max_bytes:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
        if len(batch) == count:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


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
    """Return the callback for the rest of the work once `done` items are done."""
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
