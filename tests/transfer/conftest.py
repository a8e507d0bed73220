"""A folder of the newest release, and services on stores in memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core.transfer import export_memories
from tests.support.intakes import carried, open_world, take
from tests.support.migration_worlds import RELEASES, Old, unpack


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return unpack(RELEASES[-1], tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., MemoryService]:
    """Make a service with nothing in it, whose embedder is the one of the folders."""
    numbers = count()
    return lambda **more: open_world(tmp_path / f"world-{next(numbers)}", **more)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An export of three users with four memories each."""
    source = open_world(tmp_path / "source")
    take(source, *(carried(f"{u}-{n}", u, f"{u} {n}") for u in "abc" for n in range(4)))
    path = tmp_path / "all.jsonl"
    export_memories(source, path, vectors=True)
    return path
