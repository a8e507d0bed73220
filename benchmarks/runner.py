"""Runs parts one after the other, and prints each row as soon as it is measured."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .rows import Part, Row, Size, number, ratio


@dataclass(slots=True)
class Results:
    """The rows of every part that ran, and why parts failed."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def run_parts(parts: Mapping[str, Part], size: Size) -> Results:
    """Run all parts, the rest also after one has failed."""
    results = Results()
    _print(f"{'what':<66}{'value':>10}{'other':>10}  {'unit':<6}{'ratio':>7}{'target':>7}")
    for name, part in parts.items():
        _print(f"\n{name}: {part.summary}")
        rows = results.rows[name] = []
        try:
            with tempfile.TemporaryDirectory() as folder:
                for row in part.measure(size, Path(folder)):
                    rows.append(row)
                    _print(_line(row))
        except Exception as error:
            results.failures[name] = _reason(error)
            _print(f"{name} failed: {results.failures[name]}")
            traceback.print_exc()
    _print(f"\n{_summary(results)}")
    return results


def _line(row: Row) -> str:
    remark = "; ".join(filter(None, ("over" if row.over_target else "", row.note)))
    return (
        f"{row.title:<66}{number(row.value):>10}{number(row.reference):>10}  {row.unit:<6}"
        f"{ratio(row.ratio):>7}{ratio(row.target):>7}  {remark}"
    ).rstrip()


def _reason(error: Exception) -> str:
    first_line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def _summary(results: Results) -> str:
    if results.failures:
        names = ", ".join(results.failures)
        return f"{len(results.failures)} of {len(results.rows)} parts failed: {names}"
    count = sum(map(len, results.rows.values()))
    return f"{count} rows of {len(results.rows)} parts were measured."


def _print(line: str) -> None:
    print(line, flush=True)
