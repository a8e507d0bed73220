"""No text takes the analyser longer than in proportion to its length."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from re import _constants as codes
from re import _parser as parser
from typing import Any

import pytest

from memory_core.doctor import logs, redact
from memory_core.doctor.logs import analyze_log
from memory_core.memories import log_lines
from memory_core.storage.aws import errors

LENGTH = 1_500
QUICK_S = 0.004
"""Twice the length of a text in which anything quadratic takes many times as long."""

MOST_TIMES_LONGER = 3.2
TRIES = 6
OF_CATEGORIES = {
    codes.CATEGORY_DIGIT: "5",
    codes.CATEGORY_SPACE: " \t",
    codes.CATEGORY_WORD: "a_5",
    codes.CATEGORY_NOT_SPACE: "!a",
    codes.CATEGORY_NOT_WORD: "- ",
}


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield every regular expression that a log passes by its name."""
    modules = [
        importlib.import_module(f"{logs.__name__}.{module.name}")
        for module in pkgutil.iter_modules(logs.__path__)
    ]
    for module in (*modules, errors, log_lines, redact):
        for name, value in vars(module).items():
            yield from compiled(f"{module.__name__.rpartition('.')[2]}.{name}", value)


def compiled(name: str, value: Any) -> Iterator[tuple[str, re.Pattern[str]]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif isinstance(value, (tuple, list)):
        for place, item in enumerate(value):
            yield from compiled(f"{name}.{place}", item)


def runs_of(pattern: re.Pattern[str]) -> set[str]:
    """Return what a pattern names: its characters, literal texts, and each text with each."""
    characters: set[str] = set()
    texts: set[str] = set()

    def visit(parts: Any) -> None:
        text = ""
        for code, value in parts:
            if code is codes.LITERAL:
                text += chr(value)
                characters.add(chr(value))
                continue
            texts.add(text)
            text = ""
            if code in (codes.ANY, codes.NOT_LITERAL):
                characters.update("x ")
            elif code is codes.IN:
                visit_class(value)
            elif code is codes.BRANCH:
                for branch in value[1]:
                    visit(branch)
            elif isinstance(value, parser.SubPattern):
                visit(value)
            elif isinstance(value, tuple):
                for part in value:
                    if isinstance(part, parser.SubPattern):
                        visit(part)
        texts.add(text)

    def visit_class(members: Any) -> None:
        negated = members[0][0] is codes.NEGATE
        characters.update("z7-" if negated else "")
        for code, value in members:
            if code is codes.CATEGORY:
                characters.update(OF_CATEGORIES[value])
            elif code is codes.LITERAL and not negated:
                characters.add(chr(value))
            elif code is codes.RANGE and not negated:
                characters.update(map(chr, value))

    visit(parser.parse(pattern.pattern, pattern.flags))
    texts.discard("")
    return characters | texts | {text + character for text in texts for character in characters}


def seconds(work: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    work(text)
    return time.process_time() - began


def is_in_proportion(work: Callable[[str], object], run: str, length: int = LENGTH) -> bool:
    """Say whether twice the text takes about twice as long, at the best of several tries."""
    short, long = ((run * size)[:size] + "\n!" for size in (length, 2 * length))
    best_short = best_long = float("inf")
    for _ in range(TRIES):
        best_long = min(best_long, seconds(work, long))
        if best_long < QUICK_S:
            return True
        best_short = min(best_short, seconds(work, short))
        if best_long < MOST_TIMES_LONGER * best_short:
            return True
    return False


@pytest.mark.parametrize("name", [name for name, _ in patterns()])
def test_no_regular_expression_is_superlinear(name: str) -> None:
    pattern = dict(patterns())[name]
    assert [
        run for run in sorted(runs_of(pattern)) if not is_in_proportion(pattern.search, run)
    ] == []


def test_the_measure_finds_what_is_superlinear() -> None:
    assert not is_in_proportion(re.compile(r"-+x").search, "-")


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

    assert is_in_proportion(work, run)


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
