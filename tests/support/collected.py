"""What was collected, each id with its parameters; as a plugin of pytest it writes that down."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "HOLDFAST_COLLECTED"
"""Names the file to write to."""

COLLECTED = pytest.StashKey[dict[str, dict[str, str]]]()
"""Where the run itself keeps it."""

AHEAD_VARIABLE = "HOLDFAST_COLLECTED_AHEAD_S"
"""How many seconds `time.time` is ahead of the clock meanwhile."""


def pytest_configure() -> None:
    ahead_s, now = float(os.environ.get(AHEAD_VARIABLE, "0")), time.time
    time.time = lambda: now() + ahead_s


def pytest_collection_finish(session: pytest.Session) -> None:
    text = json.dumps(parameters_of(session.items))
    Path(os.environ[VARIABLE]).write_text(text, encoding="utf-8")


def parameters_of(items: Iterable[pytest.Item]) -> dict[str, dict[str, str]]:
    """Return the parameters of every test by its id, in the order of collection."""
    return {
        item.nodeid: {
            name: canonical(value)
            for name, value in getattr(getattr(item, "callspec", None), "params", {}).items()
        }
        for item in items
    }


def canonical(value: Any) -> str:
    """Return a text that is the same in every process that was given the same value."""
    if isinstance(value, set | frozenset):
        return f"a set of {sorted(map(canonical, value))}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {[canonical(item) for item in value]}"
    if isinstance(value, dict):
        return f"dict of {[(canonical(key), canonical(item)) for key, item in value.items()]}"
    if type(value) is int:
        # Python refuses to write a very long one in decimal digits.
        return hex(value)
    if isinstance(value, str | bytes | bool | float | None):
        return repr(value)
    # Others are told apart by their names at most: their representations hold addresses.
    return f"{type(value).__qualname__} {getattr(value, '__qualname__', '')}"
