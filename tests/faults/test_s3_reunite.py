"""A reunion or restore on S3 whose requests fail once, or whose answers are lost: as ever.

Those that change something: how one that reads is tried again is the same in every call.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from memory_core import MemoryFilter
from memory_core.embedders import Embedder
from tests.support.s3_worlds import BEFORE, FAULTS, Cloud, open_cloud


@pytest.fixture(scope="module")
def cloud(embedder: Embedder) -> Iterator[Cloud]:
    with open_cloud(embedder) as opened:
        yield opened


@pytest.mark.parametrize("operation", ["PutObject", "PutVectors"])
def test_a_request_that_fails_once_moves_all_the_same(cloud: Cloud, operation: str) -> None:
    world = cloud.world()
    for at in count(1):
        former, user = f"user{at}", f"user{at}+new"
        ids = world.fill(former)
        with cloud.failing(at, *FAULTS, operation=operation) as failed:
            reunion = world.service().reunite(former, user)
            over = not failed()
        assert set(reunion.ids) == set(ids.values()), f"{operation} {at}"
        assert reunion.verified == len(ids)
        assert (world.texts(former), world.texts(user)) == ([], BEFORE)
        if over:
            break
    assert at > 1
    assert world.service().audit().clean


@pytest.mark.parametrize("operation", ["PutObject", "PutVectors"])
def test_a_request_that_fails_once_restores_all_the_same(cloud: Cloud, operation: str) -> None:
    world = cloud.world()
    for at in count(1):
        user = f"user{at}"
        world.fill(user)
        deleted = world.service().change_memories(user, MemoryFilter(text="likes"), delete=True)
        with cloud.failing(at, *FAULTS, operation=operation) as failed:
            restored = world.service().restore_user(user, deleted.before)
            over = not failed()
        assert (restored.verified, restored.failed) == (len(BEFORE), ()), f"{operation} {at}"
        assert world.texts(user) == BEFORE
        assert len(world.kinds(user)) == 3
        if over:
            break
    assert at > 1
    assert world.service().audit().clean
