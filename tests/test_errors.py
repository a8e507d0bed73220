"""The errors that Holdfast raises on purpose, and what a web backend answers to each."""

from __future__ import annotations

import inspect

import pytest

from memory_core import errors
from memory_core.errors import MemoryCoreError, http_status

KINDS = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass)
         if issubclass(kind, MemoryCoreError)}  # fmt: skip
OF_REQUESTS = {"InvalidUserId", "InvalidMemory", "InvalidMove", "InvalidLog", "InvalidReceipt",
               "InvalidSelection", "UnknownCheck", "DemoRefused"}  # fmt: skip
PASSING = {"NotIndexed", "BackendUnavailable", "EntryExists", "ServiceBusy"}


@pytest.mark.parametrize("name", KINDS)
def test_each_error_has_a_status(name: str) -> None:
    kind = KINDS[name]
    error = kind.__new__(kind)
    expected = {
        **dict.fromkeys(OF_REQUESTS, 400),
        "MemoryNotFound": 404,
        "MigrationConflict": 409,
        **dict.fromkeys(PASSING, 503),
    }
    assert http_status(error) == expected.get(name, 500)


def test_what_is_wrong_with_a_request_is_a_value_error_and_nothing_else_is() -> None:
    assert {name for name, kind in KINDS.items() if issubclass(kind, ValueError)} == OF_REQUESTS


def test_a_time_limit_and_a_fault_of_ours_have_one_too() -> None:
    assert http_status(TimeoutError()) == 504
    assert http_status(RuntimeError()) == 500


def test_the_tree_in_the_docstring_names_every_error() -> None:
    assert [
        name for name in KINDS if f" {name} " not in f"{errors.__doc__}".replace("\n", " ")
    ] == []
