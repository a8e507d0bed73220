"""No regular expression of the product takes longer than in proportion to the text.

Those of the log analyser are in tests/doctor/logs/test_speed.py.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from memory_core.doctor.support_bundle import _Redactor
from tests.support.expressions import LENGTH, compiled, in_proportion, keeps_a_group, runs_of
from tests.support.paths import ROOT

CALLS = {"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn"}
SCRIPTS = {"memory_core/__main__.py", "dashboard/main.py"}
"""Files that do their work when they are imported; none has an expression at its top."""

MADE_AT_RUNTIME = {
    "memory_core/memories/find_user.py": re.compile(r"(?<!\w)" + re.escape("o'brien")),
    "memory_core/doctor/support_bundle.py": _Redactor(["ann@example.org", "o'brien"])._known,
}
"""Files that make one of values, with an example of it."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Work = Callable[[str], object]


@cache
def trees() -> dict[str, ast.Module]:
    paths = [path for room in ("memory_core", "dashboard", "pages") for path in _files(room)]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def _files(folder: str) -> list[Path]:
    logs = ROOT / "memory_core" / "doctor" / "logs"
    return sorted(path for path in (ROOT / folder).rglob("*.py") if logs not in path.parents)


@cache
def calls_of_re() -> dict[str, list[tuple[ast.Call, bool]]]:
    """Return each file's calls of `re`, and whether one is made only when a function runs."""
    return {name: [*_calls_in(tree, in_function=False)] for name, tree in trees().items()}


def _calls_in(node: ast.AST, in_function: bool) -> Iterator[tuple[ast.Call, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and _is_of_re(child):
            yield child, in_function
        yield from _calls_in(child, in_function or isinstance(child, FUNCTIONS))


def in_functions(name: str) -> list[ast.Call]:
    """Return the calls of `re` that are not made when the file is imported."""
    return [call for call, in_function in calls_of_re()[name] if in_function]


def _is_of_re(call: ast.Call) -> bool:
    return (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "re"
        and call.func.attr in CALLS
    )


def calls_of(name: str) -> set[str]:
    """Return how a pattern of this name is used in the product."""
    return _calls_by_name()[name] or {"search", "findall"}


@cache
def _calls_by_name() -> defaultdict[str, set[str]]:
    calls: defaultdict[str, set[str]] = defaultdict(set)
    for node in (node for tree in trees().values() for node in ast.walk(tree)):
        if isinstance(node, ast.Attribute) and node.attr in CALLS:
            if isinstance(node.value, ast.Name):
                calls[node.value.id].add(node.attr)
            elif isinstance(node.value, ast.Attribute):
                calls[node.value.attr].add(node.attr)
    return calls


def patterns() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """Yield every expression with its place and how it is used."""
    for name, calls_here in calls_of_re().items():
        for call in in_functions(name):
            if isinstance(pattern := call.args[0], ast.Constant):
                assert isinstance(call.func, ast.Attribute)
                calls = {call.func.attr} - {"compile"} or {"search", "findall"}
                yield f"{name}:{call.lineno}.{call.col_offset}", re.compile(pattern.value), calls
        if calls_here and name not in SCRIPTS and not name.startswith("pages/"):
            module = importlib.import_module(name[:-3].replace("/", ".").removesuffix(".__init__"))
            for variable, value in vars(module).items():
                for place, pattern in compiled(variable, value):
                    yield f"{name} {place}", pattern, calls_of(variable)
    for name, made in MADE_AT_RUNTIME.items():
        assert made is not None
        yield f"{name} made", made, {"sub"}


def work_of(pattern: re.Pattern[Any], call: str) -> Work:
    is_text = isinstance(pattern.pattern, str)

    def work(text: str) -> None:
        given: Any = text if is_text else text.encode("latin-1", "replace")
        method = getattr(pattern, call)
        answer = method(given[:0], given) if call in ("sub", "subn") else method(given)
        if call == "finditer":
            for _ in answer:
                pass

    return work


def text_pattern(pattern: re.Pattern[Any]) -> re.Pattern[str]:
    """Return the expression as one over text, in which runs are made."""
    source = pattern.pattern
    return pattern if isinstance(source, str) else re.compile(source.decode("latin-1"))


def test_every_expression_is_measured() -> None:
    at_runtime = {
        name
        for name in trees()
        for call in in_functions(name)
        if not isinstance(call.args[0], ast.Constant)
    }
    assert at_runtime == MADE_AT_RUNTIME.keys(), "give an example of the expression"
    places = [place for place, _, _ in patterns()]
    assert len(places) == len(set(places))
    assert {"memory_core/documents/prose.py _HEADING", "dashboard/ui/text.py _STACKED_MARKS"} <= {
        *places
    }


def test_no_expression_is_superlinear() -> None:
    slow = [
        (place, call, run)
        for place, pattern, calls in patterns()
        for call in sorted(calls)
        for run in sorted(runs_of(text_pattern(pattern)))
        if not in_proportion(work_of(pattern, call), run)
    ]
    assert slow == []


def test_no_expression_is_matched_wrongly_by_an_older_python() -> None:
    assert [place for place, pattern, _ in patterns() if keeps_a_group(pattern)] == []


@pytest.mark.parametrize(
    ("source", "is_kept"),
    [
        (r"[a-z]{1,9}+\d++x?+", False),
        (r"(?:a[b-d]?|(e)f++)*", False),
        (r"(?:ab)*+", True),
        (r"x(?:y|(?=(?:\w-){0,6}+))", True),
        (r"(?>ab|a)c", True),
    ],
)
def test_a_group_without_a_way_back_is_seen(source: str, is_kept: bool) -> None:
    assert keeps_a_group(re.compile(source)) is is_kept


def test_the_measure_knows_how_an_expression_is_used() -> None:
    digits = re.compile(r"\d+[.)]")
    assert in_proportion(work_of(digits, "match"), "5")
    # Seconds at the usual length; the smallest here still takes far longer than what is quick.
    assert not in_proportion(work_of(digits, "findall"), "5", LENGTH // 3)
