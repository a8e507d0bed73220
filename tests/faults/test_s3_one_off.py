"""A request to AWS that fails once changes nothing: not the answer, not what is stored.

Each request of every call is refused in every way, one after the other, before it is let through,
and then it takes effect and the answer is lost. A call that changes memories meets that at every
third of its requests, so that three calls meet it at all of them; one that reads, part of it by
several threads, is made once for each. The waits of the retries take no time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from memory_core.embedders import Embedder
from tests.support.damage import found_in
from tests.support.s3_worlds import (
    AFTER,
    FAULTS,
    OATS,
    READS,
    WRITES,
    Cloud,
    World,
    open_cloud,
)

EACH_OF = 3
"""Of so many requests one fails."""
LONGEST = 200


@pytest.fixture(scope="module")
def cloud(embedder: Embedder) -> Iterator[Cloud]:
    with open_cloud(embedder) as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(cloud: Cloud) -> World:
    world = cloud.world()
    world.fill("ann")
    world.fill("bob")
    return world


@pytest.mark.parametrize("name", WRITES)
def test_a_call_that_changes_memories_is_as_undisturbed(cloud: Cloud, name: str) -> None:
    world = cloud.world()
    undisturbed, failed_in_all = None, 0
    for first in range(EACH_OF + 1):
        user = f"user{first}"
        ids = world.fill(user)
        if name == "save what is not indexed":
            world.lose(ids, OATS)
        cloud.bench.standin.reset_requests()
        # Undisturbed at first.
        places = range(first, LONGEST, len(FAULTS) + EACH_OF) if first else ()
        with cloud.failing_at(places) as failed:
            said = WRITES[name](world.service(), user, ids)
            failed_in_all += failed()
        asked = cloud.bench.asked()
        assert asked < LONGEST
        seen = said, world.texts(user), world.kinds(user)
        if undisturbed is None:
            undisturbed, requests = seen, asked
        assert seen == undisturbed, f"every third request from {first}"
        assert seen[1] == AFTER[name]
    assert failed_in_all >= requests > 2
    world.assert_sound()


@pytest.mark.parametrize("name", READS)
def test_a_call_that_reads_answers_the_same(cloud: Cloud, filled: World, name: str) -> None:
    ids = {text: one for one, text, _ in filled.look("ann")}
    undisturbed = READS[name](filled.service(), "ann", ids)
    for at in count(1):
        with cloud.failing(at, *FAULTS) as failed:
            assert READS[name](filled.service(), "ann", ids) == undisturbed, f"request {at}"
            if not failed():
                break
    assert at > 2


def test_a_repair_puts_right_what_it_found(cloud: Cloud) -> None:
    world = cloud.world()
    ids = world.fill("ann")
    for at in count(1):
        world.lose(ids, OATS)
        with cloud.failing(at, *FAULTS) as failed:
            report = world.service().audit(repair=True)
            over = not failed()
        assert found_in(report) == {"missing": {ids[OATS]}}, f"request {at}"
        assert report.clean, f"request {at}"
        if over:
            break
    assert at > 8
    world.assert_sound()


def test_opening_makes_one_index_and_opening_again_finds_it(cloud: Cloud) -> None:
    for at in count(1):
        world = cloud.world()
        with cloud.failing(at, *FAULTS) as failed:
            world.open()
            over = not failed()
        with cloud.failing(at, *FAULTS):
            world.open()
        world.fill("ann")
        if over:
            break
    assert at > 4
    world.assert_sound()
