"""A folder of the newest release, and services on stores in memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from memory_core import MemoryService

from ..faults.conftest import zygote  # noqa: F401
from ..intakes import open_world
from .worlds import RELEASES, Old, unpack


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return unpack(RELEASES[-1], tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., MemoryService]:
    """Make a service with nothing in it, whose embedder is the one of the folders."""
    numbers = count()
    return lambda **more: open_world(tmp_path / f"world-{next(numbers)}", **more)
