"""Folders with several collections of any sizes, in any order: each is read to its end."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core import transfer as m
from memory_core.errors import BackendUnavailable
from tests.support.intakes import texts
from tests.support.migration_worlds import plain_collection

Worlds = Callable[..., MemoryService]

BATCH = 5
ORDERS = [*permutations((1, BATCH + 1)), *permutations((1, BATCH, BATCH + 1)), (1, 1, BATCH + 1)]


def fill(folder: Path, sizes: tuple[int, ...]) -> set[str]:
    """Make collections of these sizes, in the order of their names; return all ids."""
    ids: set[str] = set()
    for number, size in enumerate(sizes):
        rows = {
            f"{number}-{row}": {"user_id": "ann", "data": f"text {number} {row}"}
            for row in range(size)
        }
        plain_collection(folder, f"memories-{number}", rows)
        ids |= rows.keys()
    return ids


@pytest.mark.parametrize("sizes", ORDERS, ids=str)
def test_every_collection_is_read_whatever_their_sizes_and_order(
    sizes: tuple[int, ...], tmp_path: Path, world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.transfer.chroma_source._BATCH", BATCH)
    service = world()
    ids = fill(tmp_path / "old", sizes)
    source = f"chroma:{tmp_path / 'old'}"
    plan = m.plan(service, source)
    assert (plan.planned, plan.failed) == (sum(sizes), 0)
    assert m.apply(service, source).copied == sum(sizes)
    assert texts(service, "ann").keys() == ids
    assert m.verify(service, source).verified
    # The same folder as the local disk of an installation.
    other = world()
    shutil.copytree(tmp_path / "old", other.settings.chroma_path)
    assert m.apply(other, "local").copied == sum(sizes)


def test_one_row_and_five_hundred_and_one_are_read(tmp_path: Path, world: Worlds) -> None:
    ids = fill(tmp_path / "old", (1, 501))
    service = world()
    assert m.apply(service, f"chroma:{tmp_path / 'old'}").copied == 502
    assert texts(service, "ann").keys() == ids


def test_a_lock_of_another_connection_is_still_told_as_one(
    tmp_path: Path, world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.storage.sqlite_readonly._BUSY_S", 0.05)
    fill(tmp_path / "old", (1,))
    writer = sqlite3.connect(tmp_path / "old" / "chroma.sqlite3", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(BackendUnavailable, match="another process is writing"):
        m.plan(world(), f"chroma:{tmp_path / 'old'}")
    writer.execute("ROLLBACK")
    writer.close()
    assert m.plan(world(), f"chroma:{tmp_path / 'old'}").planned == 1
