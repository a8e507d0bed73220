"""Marks every test with what it needs, found by reading its code, and holds it to that.

A test is followed through its fixtures, parameters and helpers as far as they lie in `tests`:

- `browser`: everything in tests/browser.
- `process`: starts a process of its own or forks.
- `s3`: talks to the stand-in for AWS, or to AWS.
- `exhaustive`: tries each fault, damage or outcome there is, each document or source that means
  harm, each call with each role or against mem0, the stand-in or the benchmarks themselves, or the
  contract on a variant of S3 Vectors once more. `EXHAUSTIVE` and `VARIANTS` say which; the core
  contract is not among them. A test that measures much in a file of others carries the marker
  itself.

What starts a process inside the product is not seen that way; such a test carries the marker
itself. A test that starts a process without being marked fails, and says which command it ran.
"""

from __future__ import annotations

import functools
import inspect
import os
import subprocess
import sys
from collections.abc import Generator, Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, NoneType
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.places import LIVE, PROFILED, S3_SWITCHES

STARTING = {
    subprocess: {"Popen", "call", "check_call", "check_output", "run"},
    os: {"execv", "fork", "forkpty", "popen", "posix_spawn", "system"},
}
STARTERS = ("memory_core.redeploy_test.simulation", "playwright.")
"""The modules whose functions start processes."""

AWS = ("boto3", "moto", "standin")
AWS_KINDS = {"s3", LIVE, *S3_SWITCHES, *PROFILED}
"""What a test calls places on AWS, where a fixture chooses the place by its kind."""

EXHAUSTIVE = (
    "tests/activity/test_service_notes.py",
    "tests/benchmarks/",
    "tests/cli/test_service_notes.py",
    "tests/contract/test_isolation.py",
    "tests/dashboard/auth/test_calls.py",
    "tests/dashboard/views/test_redeploy_receipts.py",
    "tests/doctor/logs/test_speed.py",
    "tests/doctor/test_damages.py",
    "tests/doctor/test_demo_director.py",
    "tests/doctor/test_read_log.py",
    "tests/documents/test_isolated.py",
    "tests/documents/test_refused.py",
    "tests/documents/test_speed.py",
    "tests/embedders/test_multilingual.py",
    "tests/faults/",
    "tests/mem0/test_like_mem0.py",
    "tests/memories/test_state_machine.py",
    "tests/redeploy_test/test_at_once.py",
    "tests/redeploy_test/test_probes.py",
    "tests/redeploy_test/test_real_users.py",
    "tests/redeploy_test/test_truths.py",
    "tests/standin/",
    "tests/storage/aws/test_endpoint.py",
    "tests/storage/aws/test_parsing.py",
    "tests/storage/test_other_servers.py",
    "tests/storage/test_request_budgets.py",
    "tests/storage/test_server_probe.py",
    "tests/storage/vectors/test_chroma_trial.py",
    "tests/storage/vectors/test_s3_tie.py",
    "tests/test_patterns.py",
    "tests/transfer/test_bad_sources.py",
    "tests/transfer/test_foreign_exports.py",
    "tests/transfer/test_interrupted.py",
    "tests/transfer/test_migrate_on_s3.py",
    "tests/transfer/test_real_sources.py",
)
VARIANTS = {kind for kind, switches in S3_SWITCHES.items() if switches} | {*PROFILED}

BROWSER = "tests/browser/"
FIRST = (BROWSER, "tests/test_packaging.py")
"""What takes longest of what one process does alone."""

PLAIN = (str, bytes, int, float, NoneType)
"""What needs nothing, and is most of what tests are given."""

EVENTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}
READS = "memory_core.model.child_process"
OF_LIBRARIES = {"uname"}
"""Commands that Python's own modules run: `platform.processor` does, once in a process."""


class Marker(str):
    """The name of a marker, as code that is read yields it."""


class Needs:
    """What code needs, by its name in the markers; each piece of code is read once."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[object, set[str]]] = {}

    def of(self, value: Any) -> set[str]:
        """Return the markers of a function, a class, a module, or a container of such."""
        if isinstance(value, PLAIN):
            return set()
        if id(value) in self._read:
            return self._read[id(value)][1]
        markers: set[str] = set()
        # Kept with the value, whose id must not be given away; and before code that calls itself.
        self._read[id(value)] = (value, markers)
        for part in self._parts(value):
            markers |= {part} if isinstance(part, Marker) else self.of(part)
        return markers

    def _parts(self, value: Any) -> Iterable[Any]:
        module = value.__name__ if isinstance(value, ModuleType) else _module(value)
        if isinstance(value, dict):
            yield from [*value.values()]
        elif isinstance(value, list | tuple):
            yield from value
        elif isinstance(value, functools.partial):
            yield from (value.func, value.args, value.keywords)
        elif module.startswith(AWS):
            yield Marker("s3")
        elif module.startswith(STARTERS):
            yield Marker("process")
        elif isinstance(value, ModuleType) or not module.startswith("tests."):
            return
        elif isinstance(value, type):
            yield from value.__mro__[1:]
            yield from vars(value).values()
        elif is_dataclass(value):
            yield from (getattr(value, field.name) for field in fields(value))
        else:
            function = getattr(value, "__func__", getattr(value, "fget", value))
            function = inspect.unwrap(function)
            if isinstance(function, FunctionType):
                yield from _used(function.__code__, function.__globals__)
                yield from (cell.cell_contents for cell in function.__closure__ or ())


def _module(value: Any) -> str:
    holder = getattr(value, "fget", value)
    return str(getattr(holder, "__module__", None) or "")


def _used(code: CodeType, names: dict[str, Any]) -> Iterable[Any]:
    """Yield what a function names, and the markers of the calls that start a process."""
    for name in code.co_names:
        if name in names:
            yield names[name]
    for module, calls in STARTING.items():
        named = {*code.co_names}
        if module.__name__ in named and names.get(module.__name__) is module and calls & named:
            yield Marker("process")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _used(constant, names)


def _chooses(code: CodeType) -> bool:
    """Return whether a fixture asks for another one only when it has to."""
    nested = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return "getfixturevalue" in code.co_names or any(map(_chooses, nested))


def _words(value: Any) -> Iterable[str]:
    """Yield the texts in a parameter or in the constants of a function."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _words(part)
    elif is_dataclass(value):
        yield from _words(tuple(getattr(value, field.name) for field in fields(value)))


def is_exhaustive(nodeid: str, parameters: tuple[Any, ...]) -> bool:
    """Return whether a test is one of many for the same, which `make test-fast` leaves out."""
    return nodeid.startswith(EXHAUSTIVE) or bool(VARIANTS & {*_words(parameters)})


@dataclass(frozen=True)
class _Code:
    """What a test function needs with its fixtures, whatever its parameters are."""

    markers: set[str]
    of_chosen: set[str]
    """What the fixtures need that choose by a kind."""
    chooses: bool
    names_aws: bool


def _read(item: pytest.Function, needs: Needs) -> _Code:
    function = inspect.unwrap(item.function)
    fixtures = [
        inspect.unwrap(definitions[-1].func)
        for definitions in item._fixtureinfo.name2fixturedefs.values()
    ]
    chosen = [fixture for fixture in fixtures if _chooses(fixture.__code__)]
    fixed = [fixture for fixture in fixtures if fixture not in chosen]
    return _Code(
        needs.of(function).union(*map(needs.of, fixed)),
        set[str]().union(*map(needs.of, chosen)) - {"s3"},
        bool(chosen),
        bool(AWS_KINDS & {*_words(function.__code__.co_consts)}),
    )


def _markers_of(item: pytest.Function, needs: Needs, code: _Code) -> set[str]:
    parameters = tuple(item.callspec.params.values()) if hasattr(item, "callspec") else ()
    # One by one: the tuple is new for each test, and what it holds is not.
    markers = (code.markers | code.of_chosen).union(*map(needs.of, parameters))
    if code.chooses and (code.names_aws or AWS_KINDS & {*_words(parameters)}):
        markers.add("s3")
    if item.nodeid.startswith(BROWSER):
        markers |= {"browser"}
    if is_exhaustive(item.nodeid, parameters):
        markers |= {"exhaustive"}
    return markers


def left_out(expression: str) -> tuple[str, ...]:
    """Return the files of which `-m` leaves out every test, as far as it is plain to see."""
    if {"or", "("} & {*expression.replace("(", " ( ").split()}:
        return ()
    terms = expression.split(" and ")
    return (EXHAUSTIVE if "not exhaustive" in terms else ()) + (
        (BROWSER,) if "not browser" in terms else ()
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file of which every test is left out."""
    if not collection_path.is_relative_to(ROOT):
        return None
    within = f"{collection_path.relative_to(ROOT).as_posix()}/"
    return within.startswith(left_out(config.option.markexpr)) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needs, codes = Needs(), dict[int, _Code]()
    for item in items:
        assert isinstance(item, pytest.Function)
        # Tests that differ in their parameters alone share what is known of their fixtures.
        known = id(item._fixtureinfo)
        if known not in codes:
            codes[known] = _read(item, needs)
        for marker in sorted(_markers_of(item, needs, codes[known])):
            # Exactly a str: what a worker reports must be plain.
            item.add_marker(str(marker))
    # Where several processes share the files, none is left with a long one at the end.
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


_started: list[str] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    # First what it is: Python tells of each file and each id() as well.
    if event not in EVENTS or next(iter(arguments), None) in OF_LIBRARIES:
        return
    # Reading a document in a child takes a tenth of a second: no reason to be left out.
    if not any(READS in str(part) for part in arguments[1:2]):
        _started.append(f"{event} {arguments[:2]}")


sys.addaudithook(_note)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    _started.clear()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    result = yield
    if _started and not {"browser", "process"} & {mark.name for mark in item.iter_markers()}:
        pytest.fail(
            f"{item.nodeid} starts a process and is not marked `process`: {_started}",
            pytrace=False,
        )
    return result
