"""A permission that is missing is one error, at once, that names it; for commands as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory_core.embedders import Embedder
from memory_core.errors import AccessDenied, NotIndexed
from memory_core.storage.vectors.s3_index import IndexName
from tests.support.command_line import CommandLine
from tests.support.s3_worlds import (
    AFTER,
    BEFORE,
    OATS,
    READS,
    WRITES,
    Cloud,
    Work,
    World,
    open_cloud,
)
from tests.support.zygote import Zygote

# What each call needs beyond s3:ListBucket and s3:GetObject, which all need.
READING = {"s3vectors:GetVectors"}
WRITING = {"s3:PutObject", "s3vectors:PutVectors"}
DELETING = {"s3:PutObject", "s3vectors:DeleteVectors"}
NEEDS: dict[str, set[str]] = {
    "save": WRITING,
    "save and verify": WRITING | READING,
    "save what is there": READING,
    "save what is not indexed": READING | {"s3vectors:PutVectors"},
    "messages": WRITING | READING,
    "document": WRITING | READING,
    "update": WRITING | READING,
    "delete": DELETING,
    "delete user": DELETING | READING,
    "forget": DELETING | READING | {"s3:DeleteObject"},
    "list": READING,
    "get": READING,
    "query": READING,
    "query the index": READING | {"s3vectors:QueryVectors"},
    "history": set(),
    "users": set(),
    "days": set(),
    "storage": {"s3vectors:ListVectors"},
    "status": set(),
    "audit": READING | {"s3vectors:ListVectors"},
}
EVERY = {"s3:ListBucket", "s3:GetObject"}
OPENING = {
    "s3:ListBucket",
    "s3vectors:GetIndex",
    "s3vectors:GetVectorBucket",
    "s3vectors:CreateVectorBucket",
    "s3vectors:CreateIndex",
}
PERMISSIONS = {"s3:ListObjectsV2": "s3:ListBucket", "s3:DeleteObjects": "s3:DeleteObject"}
"""Of the operations that do not have the name of theirs."""
ACTIONS = sorted(EVERY.union(*NEEDS.values()))


@pytest.fixture(scope="module")
def cloud(embedder: Embedder) -> Iterator[Cloud]:
    with open_cloud(embedder) as opened:
        yield opened


@pytest.fixture(autouse=True)
def allowed_again(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.bench.standin.reset_switches()


def deny(cloud: Cloud, action: str) -> None:
    cloud.bench.standin.set_switches(deny_actions=[action])
    cloud.bench.standin.reset_requests()


def refusal(cloud: Cloud, action: str, work: Work, world: World, *about: Any) -> str:
    """Do a call without a permission that it needs; return what it said."""
    service = world.service()
    deny(cloud, action)
    slept = len(cloud.bench.clock.slept)
    with pytest.raises((AccessDenied, NotIndexed)) as caught:
        work(service, *about)
    cloud.bench.standin.reset_switches()
    assert len(cloud.bench.clock.slept) == slept
    refused = [one for one in cloud.bench.standin.requests() if one.status == 403]
    # Parts of a scan are under way together.
    assert 1 <= len(refused) <= 2
    return str(caught.value)


def test_every_call_asks_for_what_it_needs_and_nothing_else(cloud: Cloud) -> None:
    assert NEEDS.keys() == WRITES.keys() | READS.keys()
    world = cloud.world()
    for name, work in {**READS, **WRITES}.items():
        user = name.replace(" ", "-")
        ids = world.fill(user)
        if name == "save what is not indexed":
            world.lose(ids, OATS)
        service = world.service()
        cloud.bench.standin.reset_requests()
        work(service, user, ids)
        asked = {f"{one.service}:{one.operation}" for one in cloud.bench.standin.requests()}
        assert {PERMISSIONS.get(one, one) for one in asked} == NEEDS[name] | EVERY, name


@pytest.mark.parametrize("action", ACTIONS)
def test_a_call_says_which_permission_it_lacks(cloud: Cloud, action: str) -> None:
    world = cloud.world()
    ids = world.fill("ann")
    needing = {name for name, needs in NEEDS.items() if action in needs | EVERY}
    for name in READS.keys() & needing:
        assert f"AWS refused {action} on " in refusal(cloud, action, READS[name], world, "ann", ids)
    for name in WRITES.keys() & needing:
        user = name.replace(" ", "-")
        ids = world.fill(user)
        if name == "save what is not indexed":
            world.lose(ids, OATS)
        said = refusal(cloud, action, WRITES[name], world, user, ids)
        assert f"AWS refused {action} on " in said
        assert world.texts(user) in (BEFORE, AFTER[name])
    assert world.service().audit(repair=True).clean
    world.assert_sound()


@pytest.mark.parametrize("action", sorted(OPENING))
def test_opening_says_which_permission_it_lacks(cloud: Cloud, action: str) -> None:
    world = cloud.world()
    world.index = IndexName(world.index.bucket + "-" + action.split(":")[1].lower(), "own")
    deny(cloud, action)
    with pytest.raises(AccessDenied, match=f"AWS refused {action} on .*IAM policy"):
        world.open()
    assert cloud.bench.clock.slept == []
    cloud.bench.standin.reset_switches()
    world.open()
    world.fill("ann")
    assert world.texts("ann") == BEFORE


COMMANDS = {
    "s3:ListBucket": ["users", "--json"],
    "s3:GetObject": ["list", "ann"],
    "s3:PutObject": ["save", "ann", "likes figs"],
    "s3:DeleteObject": ["forget", "cy", "--yes"],
    "s3vectors:GetIndex": ["status"],
    "s3vectors:PutVectors": ["save", "ann", "likes plums"],
    "s3vectors:GetVectors": ["query", "ann", "tea"],
    "s3vectors:QueryVectors": ["query", "ann", "tea", "--mode", "index", "--json"],
    "s3vectors:ListVectors": ["audit", "--repair"],
    "s3vectors:DeleteVectors": ["delete", "bob", "{tea}"],
}


@pytest.fixture(scope="module")
def filled(cloud: Cloud) -> World:
    world = cloud.world()
    world.fill("ann")
    world.fill("bob")
    world.fill("cy")
    return world


@pytest.mark.parametrize("action", COMMANDS)
def test_a_command_says_it_in_one_sentence_and_exits_with_3(
    cloud: Cloud, filled: World, zygote: Zygote, tmp_path: Path, action: str
) -> None:
    commands = CommandLine(zygote, tmp_path)
    ids = {text: one for one, text, _ in filled.look("bob")}
    arguments = [ids["likes tea"] if one == "{tea}" else one for one in COMMANDS[action]]
    deny(cloud, action)
    result = commands.run(*arguments, **filled.environ())
    refused = [request for request in cloud.bench.standin.requests() if request.status == 403]
    # None is tried again; the parts of a scan are under way together.
    assert 1 <= len(refused) <= (8 if action == "s3vectors:ListVectors" else 2)
    assert (result.code, result.out) == (3, ""), result
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1
    assert f"AWS refused {action} on " in result.err
    assert "standin-secret" not in result.err
    assert not commands.data_dir.exists()
