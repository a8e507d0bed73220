"""kill -9 in the middle of a call to AWS: nothing acknowledged is missing, again finishes the work.

A process does one call and is killed when AWS has done the n-th change it asked for, and has not
answered, for every n until the call gets through; to die at a request that only reads is to die
after the change before it. Services that know nothing of it then look, do the call again, and look
again.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from memory_core.embedders import Embedder
from memory_core.storage.vectors.s3_index import IndexName
from tests.support.jobs import do
from tests.support.s3_front import Executioner, watched
from tests.support.s3_worlds import (
    AFTER,
    BEFORE,
    COCOA,
    FIGS,
    OATS,
    TEA,
    Cloud,
    World,
    open_cloud,
)
from tests.support.zygote import Zygote

# `{tea}` stands for the id of that memory.
CALLS: dict[str, list[Any]] = {
    "save": ["save", "ann", FIGS],
    "messages": ["messages", "ann", FIGS, TEA, "likes kiwis"],
    "update": ["update", "ann", "{tea}", COCOA],
    "delete": ["delete", "ann", "{tea}"],
    "delete user": ["delete user", "ann"],
    "forget": ["forget", "ann"],
    "repair": ["repair", "ann"],
}


@dataclass(frozen=True)
class Gallows:
    """Worlds in which processes die."""

    cloud: Cloud
    _zygote: Zygote
    _executioner: Executioner
    _urls: dict[str, str]

    def die(self, world: World, calls: list[Any], at: int) -> tuple[bool, list[Any]]:
        """Do calls in a process killed at a change; say whether it was, and what it reported."""
        self._executioner.wait_for(at)
        environ = world.environ(**self._urls)
        child = self._zygote.start("work_on_aws", environ=environ, calls=calls)
        self._executioner.name(child.pid)
        code = child.wait()
        assert code in (0, -signal.SIGKILL), child.reported()[-1:]
        return code != 0, child.reported()


@pytest.fixture(scope="module")
def gallows(zygote: Zygote, embedder: Embedder) -> Iterator[Gallows]:
    executioner = Executioner()
    with (
        open_cloud(embedder) as cloud,
        watched(cloud.bench.standin, executioner.watch) as urls,
    ):
        yield Gallows(cloud, zygote, executioner, urls)


@pytest.mark.parametrize("name", CALLS)
def test_a_process_may_die_at_any_change_of_a_call(gallows: Gallows, name: str) -> None:
    after = AFTER.get(name, BEFORE)
    for at in count(1):
        world = gallows.cloud.world()
        ids = world.fill("ann")
        if name == "repair":
            world.lose(ids, OATS)
        call = [ids[TEA] if part == "{tea}" else part for part in CALLS[name]]
        died, acknowledged = gallows.die(world, [call], at)
        if not died:
            assert len(acknowledged) == 1
            assert world.texts("ann") == after
            break
        assert acknowledged == []
        assert world.texts("ann") in (BEFORE, after), f"change {at}"
        do(world.service(), call)
        assert world.texts("ann") == after, f"change {at}"
        world.assert_sound()
        if name == "forget":
            assert set(world.kinds("ann")) == {"FORGET"}
    assert at > 1


def test_one_repair_makes_sound_what_a_process_left_that_died_forgetting(gallows: Gallows) -> None:
    for at in count(1):
        world = gallows.cloud.world()
        world.fill("ann")
        died, _ = gallows.die(world, [CALLS["forget"]], at)
        if not died:
            break
        left = world.texts("ann")
        # Forgetting is put on record first, in the activity log: until then nothing is changed.
        assert left in ([], BEFORE), at
        assert world.service().audit(repair=True).clean
        world.assert_sound()
        assert world.look("ann") == [(one, text, True) for one, text, _ in world.look("ann")]
        assert world.texts("ann") == left
    assert left == []
    assert at > 2


def test_a_process_may_die_at_any_change_of_opening(gallows: Gallows) -> None:
    for at in count(1):
        world = gallows.cloud.world()
        world.index = IndexName(f"{world.index.bucket}-{at}", "own")
        died, _ = gallows.die(world, [CALLS["save"]], at)
        world.open()
        do(world.service(), CALLS["save"])
        assert world.texts("ann") == [FIGS]
        world.assert_sound()
        if not died:
            break
    assert at == 5, "bucket, index, entry, vector"


def test_a_document_cut_off_between_its_parts_is_finished_without_doubles(
    gallows: Gallows,
) -> None:
    texts = [f"entry {number}" for number in range(510)]
    lines = "\n".join(json.dumps({"memory": text}) for text in texts)
    # Of 500 first an entry is written, then the vectors; then the same of the rest.
    call = ["document", "ann", "many.jsonl", lines]
    world = gallows.cloud.world()
    world.open()
    assert gallows.die(world, [call], 2) == (True, [])
    assert world.texts("ann") == texts[:500]
    do(world.service(), call)
    assert world.texts("ann") == texts


@pytest.mark.parametrize("at", [12, 19])
def test_a_process_killed_among_many_calls_loses_nothing_it_acknowledged(
    gallows: Gallows, at: int
) -> None:
    world = gallows.cloud.world()
    world.open()
    texts = [f"number {number}" for number in range(12)]
    calls = [["save", "ann", text] for text in texts]
    died, acknowledged = gallows.die(world, calls, at)
    assert died
    said = [one for (one,) in acknowledged]
    # The entry is written, of each memory before also the vector.
    assert len(said) == (at - 1) // 2
    found = [[one, text] for one, text, _ in world.look("ann")]
    assert found[:-1] == said
    for call in calls:
        do(world.service(), call)
    assert world.texts("ann") == texts
    world.assert_sound()
