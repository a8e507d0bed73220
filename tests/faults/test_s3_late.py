"""A request that was given up on takes effect much later: an audit finds what it left.

The network may keep a request for as long as it likes; the client has long repeated it, and done
other things since. Nothing acknowledged is lost or shown twice, and nothing forgotten is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from memory_core.embedders import Embedder
from memory_core.errors import MemoryNotFound
from tests.support.damage import found_in
from tests.support.s3_front import Delay, watched
from tests.support.s3_worlds import BEFORE, COCOA, FIGS, OATS, RYE, TEA, Cloud, World, open_cloud


@pytest.fixture(scope="module")
def late(embedder: Embedder) -> Iterator[tuple[Cloud, Delay]]:
    delay = Delay()
    with (
        open_cloud(embedder) as plain,
        watched(plain.bench.standin, delay.watch) as urls,
    ):
        settings = replace(
            plain.bench.settings,
            endpoint_s3=urls["AWS_ENDPOINT_URL_S3"],
            endpoint_s3vectors=urls["AWS_ENDPOINT_URL_S3VECTORS"],
        )
        yield plain.through(settings), delay


@pytest.fixture
def world(late: tuple[Cloud, Delay]) -> World:
    return late[0].world()


@pytest.fixture
def delay(late: tuple[Cloud, Delay]) -> Delay:
    return late[1]


def repaired(world: World) -> dict[str, set[str]]:
    """Repair; return what was found. Afterwards the store is as recorded."""
    report = world.service().audit(repair=True)
    assert report.clean
    world.assert_sound()
    return found_in(report)


def held(world: World) -> set[str]:
    return set(world.service().parts.store.keys())


def test_a_vector_that_comes_after_its_deletion_is_not_shown(world: World, delay: Delay) -> None:
    with delay.holding("/PutVectors"):
        ids = world.fill("ann")
    world.service().delete_memory("ann", ids[TEA])
    assert delay.release().status == 200
    assert ids[TEA] in held(world)
    assert world.texts("ann") == [RYE, OATS]
    hits = world.service().query_memories("ann", TEA, mode="index")
    assert TEA not in {hit.memory.memory for hit in hits}
    assert repaired(world) == {"undeleted": {ids[TEA]}}


def test_a_vector_that_comes_after_its_update_is_not_shown(world: World, delay: Delay) -> None:
    with delay.holding("/PutVectors"):
        ids = world.fill("ann")
    world.service().update_memory("ann", ids[TEA], COCOA, verify=True)
    assert delay.release().status == 200
    assert world.texts("ann") == [COCOA, RYE, OATS]
    for mode in ("exact", "index"):
        hits = world.service().query_memories("ann", COCOA, mode=mode)
        assert hits[0].memory.memory == COCOA
        assert TEA not in {hit.memory.memory for hit in hits}
    assert repaired(world) == {"altered": {ids[TEA]}}


def test_a_vector_that_comes_after_forgetting_is_erased_by_a_repair(
    world: World, delay: Delay
) -> None:
    with delay.holding("/PutVectors"):
        ids = world.fill("ann")
    world.service().forget_user("ann")
    assert delay.release().status == 200
    assert world.texts("ann") == []
    with pytest.raises(MemoryNotFound):
        world.service().get_memory("ann", ids[RYE])
    assert repaired(world) == {"undeleted": set(ids.values())}
    assert held(world) == set()


def test_an_entry_that_comes_after_forgetting_is_not_shown_and_erased_by_a_repair(
    world: World, delay: Delay
) -> None:
    with delay.holding("/ledger/v1/"):
        world.fill("ann")
    world.service().forget_user("ann")
    world.service().add_text_memory("ann", FIGS)
    assert delay.release().status == 200
    assert world.kinds("ann") == ["BATCH", "FORGET", "ADD"]
    assert world.texts("ann") == [FIGS]
    assert repaired(world) == {"undeleted": {"*"}}
    assert world.kinds("ann") == ["FORGET", "ADD"]
    assert world.texts("ann") == [FIGS]


def test_a_deletion_that_comes_after_the_memory_was_saved_again_is_mended(
    world: World, delay: Delay
) -> None:
    ids = world.fill("ann")
    with delay.holding("/DeleteVectors"):
        world.service().delete_memory("ann", ids[TEA])
    (again,) = world.service().add_text_memory("ann", TEA, verify=True)
    assert again.id == ids[TEA]
    assert delay.release().status == 200
    assert world.texts("ann") == [RYE, OATS, TEA]
    assert world.service().query_memories("ann", TEA)[0].memory.memory == TEA
    assert repaired(world) == {"missing": {ids[TEA]}}


def test_an_entry_that_comes_twice_is_written_once(world: World, delay: Delay) -> None:
    with delay.holding("/ledger/v1/"):
        world.fill("ann")
    assert delay.release().status == 412
    assert world.texts("ann") == BEFORE
    assert world.kinds("ann") == ["BATCH"]
    world.assert_sound()


def test_objects_deleted_late_take_nothing_that_was_saved_since(world: World, delay: Delay) -> None:
    world.fill("ann")
    with delay.holding("?delete"):
        world.service().forget_user("ann")
    world.fill("ann", [TEA, FIGS])
    assert delay.release().status == 200
    assert world.texts("ann") == [TEA, FIGS]
    world.assert_sound()
