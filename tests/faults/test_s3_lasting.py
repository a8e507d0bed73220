"""AWS that does not come back in time: one clear error, nothing lost, and the call can be repeated.

From its n-th request on a call meets only failures, for every n. An error after the retries are
used up leaves a state that the next call finishes, or a repair; what a refused n-th request leaves
is what a lost answer to the one before leaves, so each of the two is followed by one of the two.
The answer to a request that only reads is lost as if it was refused: it is only refused. What a
forgetting without its answers leaves, `test_s3_kill` has as what a process left that died.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count

import pytest

from memory_core.embedders import Embedder
from memory_core.errors import BackendUnavailable, MemoryCoreError, MemoryNotFound, NotIndexed
from tests.support.damage import found_in
from tests.support.s3_worlds import (
    AFTER,
    BEFORE,
    OATS,
    READS,
    WRITES,
    Cloud,
    Ids,
    Work,
    World,
    open_cloud,
)

REFUSALS = ["throttle", "error503", "timeout408", "drop_before"]
"""They differ in how they are recognised, not in what they leave: each request meets another."""
LOST = "drop_after"
FAILURES = [*REFUSALS, LOST]
"""For reads: whether it is the request that is lost or the answer, nothing is changed."""
CUT_OFF = [name for name in WRITES if name != "save"]
"""A save is the same requests as one that is verified, but for those that read it back."""
NEVER = 10_000
READING = ("Get", "List", "Query")
BUDGET_S = 1.0


@pytest.fixture(scope="module")
def cloud(embedder: Embedder) -> Iterator[Cloud]:
    with open_cloud(embedder, budget_s=BUDGET_S) as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(cloud: Cloud) -> World:
    world = cloud.world()
    world.fill("ann")
    return world


def fail(
    cloud: Cloud, world: World, work: Work, ids: Ids, at: int, action: str, user: str = "ann"
) -> bool:
    """Do a call that meets only failures from its request `at` on; say whether it met one."""
    clock = cloud.bench.clock
    started = clock.now
    succeeded = False
    with cloud.failing(at, action, times=10_000) as failed:
        try:
            work(world.service(), user, ids)
        except (BackendUnavailable, NotIndexed) as exc:
            assert clock.now - started <= BUDGET_S
            assert_one_sentence(exc)
        except MemoryNotFound:
            assert not failed()
        else:
            succeeded = True
        met = failed()
    if met and succeeded:
        # It did all that it does, but for the end of its entry in the activity log.
        (newest,) = world.service().activity.page(limit=1).entries
        assert newest.outcome in {"begun", "done"}
    return met


def assert_one_sentence(error: MemoryCoreError) -> None:
    text = str(error)
    assert "\n" not in text
    assert "Amazon S3" in text
    assert "try again" in text or "save it again" in text
    assert len(text) < 500


def changes(cloud: Cloud, world: World, name: str) -> dict[int, str]:
    """Return the requests of a call that change something, by their numbers."""
    ids = world.fill("nobody")
    if name == "save what is not indexed":
        world.lose(ids, OATS)
    cloud.bench.standin.reset_requests()
    WRITES[name](world.service(), "nobody", ids)
    asked = [record.operation for record in cloud.bench.standin.requests()]
    return {at: name for at, name in enumerate(asked, 1) if not name.startswith(READING)}


def cut_off(
    cloud: Cloud, world: World, name: str, actions: Sequence[str], places: Iterable[int]
) -> dict[str, Ids]:
    """Cut the call off at its requests, each with a user of its own; return their ids.

    The last user's call was not cut off.
    """
    users: dict[str, Ids] = {}
    for at in places:
        user = f"user{at}"
        users[user] = ids = world.fill(user)
        if name == "save what is not indexed":
            world.lose(ids, OATS)
        met = fail(cloud, world, WRITES[name], ids, at, actions[at % len(actions)], user)
        assert world.texts(user) in (BEFORE, AFTER[name]), f"request {at}"
        if not met:
            assert at > 2
            return users
    raise AssertionError("never done")


def finish(world: World, name: str, users: dict[str, Ids]) -> None:
    """Do the call of each user again."""
    for user, ids in users.items():
        with suppress(MemoryNotFound):
            WRITES[name](world.service(), user, ids)
        assert world.texts(user) == AFTER[name], user
        if name == "forget":
            assert set(world.kinds(user)) == {"FORGET"}, user
    world.assert_sound()


@pytest.mark.parametrize("name", CUT_OFF)
def test_doing_it_again_finishes_a_call_that_was_refused(cloud: Cloud, name: str) -> None:
    world = cloud.world()
    finish(world, name, cut_off(cloud, world, name, REFUSALS, count(1)))


@pytest.mark.parametrize("name", [name for name in CUT_OFF if name != "forget"])
def test_one_repair_makes_sound_what_calls_without_answers_left(cloud: Cloud, name: str) -> None:
    world = cloud.world()
    changing = changes(cloud, world, name)
    cloud.bench.standin.reset_requests()
    users = cut_off(cloud, world, name, [LOST], [*changing, NEVER])
    lost = [record for record in cloud.bench.standin.requests() if record.faults]
    assert {*changing.values()} <= {record.operation for record in lost}
    found = {user: world.texts(user) for user in users}
    assert world.service().audit(repair=True).clean
    world.assert_sound()
    for user, texts in found.items():
        assert [(text, indexed) for _, text, indexed in world.look(user)] == [
            (text, True) for text in texts
        ], user
    finish(world, name, users)


@pytest.mark.parametrize("name", READS)
def test_a_call_that_reads_never_answers_in_part(cloud: Cloud, filled: World, name: str) -> None:
    ids = {text: one for one, text, _ in filled.look("ann")}
    for at in count(1):
        if not fail(cloud, filled, READS[name], ids, at, FAILURES[at % len(FAILURES)]):
            break
    assert at > 2


def test_a_repair_that_was_cut_off_is_finished_by_the_next(cloud: Cloud) -> None:
    def repair(service: object, user: str, ids: Ids) -> None:
        service.audit(repair=True)  # type: ignore[attr-defined]

    world = cloud.world()
    ids = world.fill("ann")
    for at in count(1):
        world.lose(ids, OATS)
        met = fail(cloud, world, repair, ids, at, LOST)
        assert world.texts("ann") == BEFORE
        report = world.service().audit(repair=True)
        assert report.clean
        assert found_in(report) in ({}, {"missing": {ids[OATS]}})
        if not met:
            break
    world.assert_sound()
    assert at > 8


def test_opening_that_failed_can_be_repeated(cloud: Cloud) -> None:
    for at in count(1):
        world = cloud.world()
        met = fail(cloud, world, lambda *_: world.open(), {}, at, LOST)  # noqa: B023
        world.open()
        world.fill("ann")
        assert world.texts("ann") == BEFORE
        if not met:
            break
    assert at > 2


def test_the_many_requests_of_one_call_are_given_up_together(cloud: Cloud) -> None:
    world = cloud.world()
    for number in range(40):
        world.service().add_text_memory("ann", f"number {number}")
    cloud.bench.standin.reset_requests()
    with (
        cloud.failing(2, "throttle", times=10_000),
        pytest.raises(BackendUnavailable, match="try again later"),
    ):
        world.service().history("ann")
    # Eight at a time, each twice; those that were not begun are not made.
    assert cloud.bench.asked() < 40
    assert len(world.service().history("ann")) == 40
