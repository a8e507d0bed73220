"""Items in batches, cut by count, by size and between groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def batches(
    items: Iterable[_Item],
    count: int,
    *,
    max_bytes: int = 0,
    size_of: Callable[[_Item], int] | None = None,
    slack: int = 0,
    group_of: Callable[[_Item], object] | None = None,
) -> Iterator[list[_Item]]:
    """Yield lists of at most `count` items, and of `max_bytes` by `size_of` but for a single one.

    With `group_of` a batch may be up to `slack` items shorter, so that it ends with a group.
    """
    batch: list[_Item] = []
    size = 0
    for item in items:
        length = size_of(item) if size_of else 0
        if batch:
            too_large = size_of is not None and size + length > max_bytes
            ends_group = group_of is not None and group_of(batch[-1]) != group_of(item)
            if too_large or (ends_group and len(batch) >= count - slack):
                yield batch
                batch, size = [], 0
        batch.append(item)
        size += length
        if len(batch) == count:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
