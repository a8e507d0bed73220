"""Every part of the benchmark runs, at a tiny size; no time is asserted."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.parts import PARTS
from benchmarks.rows import TINY

MARKS = {
    "dashboard-memory": (pytest.mark.browser, pytest.mark.process),
    "importing": (pytest.mark.process,),
    "migrating": (pytest.mark.process, pytest.mark.s3),
    "s3": (pytest.mark.process, pytest.mark.s3),
    "tasks": (pytest.mark.browser, pytest.mark.process),
    "users": (pytest.mark.process, pytest.mark.s3),
}
UNITS = {"ms", "s", "calls", "clicks", "keys", "MB", "recall"}
# The memory grown between the first batch and the last, which at the tiny size are one.
MAY_BE_ZERO = "memory grown"


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in PARTS])
def test_a_part_yields_rows_with_plausible_values(name: str, tmp_path: Path) -> None:
    rows = list(PARTS[name].measure(TINY, tmp_path))
    titles = [(row.title, row.unit) for row in rows]
    assert titles
    assert len(set(titles)) == len(titles)
    for row in rows:
        assert row.name
        assert row.unit in UNITS
        assert math.isfinite(row.value)
        assert row.value > 0 or (row.value == 0 and MAY_BE_ZERO in row.name)
        assert (row.reference is None) == (row.against == "")
        assert row.reference is None or row.reference > 0
        assert row.target is None or row.ratio is not None


def test_every_part_that_is_marked_exists() -> None:
    assert MARKS.keys() <= PARTS.keys()
