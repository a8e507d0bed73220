"""Several requests at once, where one call needs many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_THREADS = 8


def each(read: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """Yield the result for each item in order, working on several at once."""
    if len(items) < 2:
        yield from map(read, items)
        return
    with ThreadPoolExecutor(min(_THREADS, len(items))) as threads:
        yield from threads.map(read, items)
