"""Batches hold everything once, in order, and keep to every bound."""

from __future__ import annotations

from itertools import chain, count, islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from memory_core.model.counting import batches

SIZES = st.lists(st.integers(0, 12), max_size=40)


@given(SIZES, st.integers(1, 7), st.integers(1, 20))
def test_no_batch_is_too_long_or_too_large(sizes: list[int], most: int, max_bytes: int) -> None:
    made = list(batches(sizes, most, max_bytes=max_bytes, size_of=lambda size: size))
    assert list(chain(*made)) == sizes
    for batch in made:
        assert 1 <= len(batch) <= most
        assert sum(batch) <= max_bytes or len(batch) == 1
    for batch, following in pairwise(made):
        assert len(batch) == most or sum(batch) + following[0] > max_bytes


def test_of_nothing_there_is_no_batch() -> None:
    assert list(batches([], 5)) == []


def test_no_more_is_read_than_a_batch_takes() -> None:
    numbers = count()
    assert next(batches(numbers, 3)) == [0, 1, 2]
    assert list(islice(numbers, 1)) == [3]
