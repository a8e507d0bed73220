"""No text takes the analyser longer than in proportion to its length."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator

import pytest

from memory_core.doctor import logs, redact
from memory_core.doctor.logs import analyze_log
from memory_core.memories import log_lines
from memory_core.storage.aws import errors
from tests.support.expressions import compiled, in_proportion, keeps_a_group, runs_of


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield every regular expression that a log passes by its name."""
    modules = [
        importlib.import_module(f"{logs.__name__}.{module.name}")
        for module in pkgutil.iter_modules(logs.__path__)
    ]
    for module in (*modules, errors, log_lines, redact):
        for name, value in vars(module).items():
            yield from compiled(f"{module.__name__.rpartition('.')[2]}.{name}", value)


@pytest.mark.parametrize("name", [name for name, _ in patterns()])
def test_no_regular_expression_is_superlinear(name: str) -> None:
    pattern = dict(patterns())[name]
    assert [run for run in sorted(runs_of(pattern)) if not in_proportion(pattern.search, run)] == []


def test_no_regular_expression_is_matched_wrongly_by_an_older_python() -> None:
    assert [name for name, pattern in patterns() if keeps_a_group(pattern)] == []


def test_the_measure_finds_what_is_superlinear() -> None:
    assert not in_proportion(re.compile(r"-+x").search, "-")


@pytest.mark.parametrize(
    "run",
    [
        "-", " ", "a", "5", "[", "{", '"', "\\", "'", ",", "=", "|", ":", ".", "<", "_", "\\\"",
        "- ", "a ", "a-", "a=", "a=b ", 'a="', '"a', '"\\"', '{"a":', "[[", '[{"a":[', "[a] ",
        "<1>", "a@", "'a", "1.", "[Mem0] ", "[API]", "[Mem0] Found 1 relevant memories for user ",
        "stderr P ", "stderr F ", "2026-11-20T10:00:00Z ", "INFO ", "INFO:a:", "==> ", "eyJ-",
        "password", "An error occurred (", "Traceback (most recent call last):", "H4sI", "\x1b[",
        "user None has no id ", "could not ", "MEMORY_EMBED", "AWS_", "ERROR ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "2026-11-20T10:00:00Z ", "2026-11-20T10:00:00Z ERROR "])
def test_no_line_takes_longer_than_in_proportion(before: str, run: str) -> None:
    def work(text: str) -> object:
        return analyze_log(f"{before}{text} live log: an ERROR happened\n".encode())

    assert in_proportion(work, run)


def test_lines_of_dashes_are_read_at_once() -> None:
    dashes = f"{'-' * 44} live log: an ERROR happened\n{'-' * 27}\n{'-' * 27}\n"
    report = analyze_log(f"2026-11-20T10:00:00Z {dashes}".encode())
    assert report.lines == 3


def test_layers_are_unwrapped_to_a_limit() -> None:
    nested = "ERROR it broke"
    for _ in range(30):
        nested = f'{{"message": {json.dumps(nested)}}}' if len(nested) < 9_000 else nested
    assert analyze_log(nested.encode()).lines == 1
    assert analyze_log(('{"a":' * 50_000).encode()).lines == 1
    assert analyze_log(("[" * 50_000 + "]" * 50_000).encode()).lines == 1


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "1" + "0" * 400, "true", '"1e400"'])
def test_a_time_that_is_no_number_of_seconds_is_none(number: str) -> None:
    report = analyze_log(f'{{"time": {number}, "level": "error", "message": "broke"}}'.encode())
    assert report.first_at is None
    assert report.errors[0].example == "broke"
