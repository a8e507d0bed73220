"""Forgetting in a bucket with versions, cut off at any change: again, and nothing is kept.

What is left to erase can be seen, so that an audit finds it and a repair erases it as well. What a
refused request leaves is what a lost answer to the one before leaves, so one of the two is followed
by the same call, the other by a repair.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from memory_core.embedders import Embedder
from memory_core.errors import BackendUnavailable
from tests.support.s3_worlds import BEFORE, Cloud, World, open_cloud

CHANGES = ("PutObject", "DeleteObjects", "DeleteVectors")
"""To fail at a request that only reads is to fail after the change before it."""


@pytest.fixture(scope="module")
def cloud(embedder: Embedder) -> Iterator[Cloud]:
    with open_cloud(embedder, budget_s=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def s3(cloud: Cloud) -> Any:
    """A client of the stand-in, whose bucket keeps versions."""
    client = cloud.bench.standin.client("s3")
    client.put_bucket_versioning(
        Bucket=cloud.bench.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    return client


def kept(s3: Any, world: World) -> list[str]:
    """Return the kinds of everything the bucket keeps of a world, deleted or not.

    Segments of the activity log stay and name nobody; a mark of a user would be no kind.
    """
    versions = []
    for folder in ("ledger/", "activity/v1/users/"):
        page = s3.list_object_versions(Bucket=world.bench.bucket, Prefix=f"{world.prefix}{folder}")
        versions += [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
    names = [version["Key"].rpartition("/")[2] for version in versions]
    return [name.partition(".")[2].partition(".")[0] for name in names]


def cut_off(cloud: Cloud, fault: str) -> Iterator[tuple[World, str]]:
    """Yield worlds in which forgetting failed at each request that changes something, and which."""
    for operation in CHANGES:
        for at in count(1):
            world = cloud.world()
            world.fill("ann")
            world.service().add_text_memory("ann", "zebrafish")
            with cloud.failing(at, fault, operation=operation) as failed:
                with suppress(BackendUnavailable):
                    world.service().forget_user("ann")
                over = not failed()
            if over:
                assert at > 1, operation
                break
            yield world, f"{operation} {at}"


def test_forgetting_again_finishes_it(cloud: Cloud, s3: Any) -> None:
    cloud.bench.standin.set_switches(page_size=1)
    undisturbed = cloud.world()
    undisturbed.fill("ann")
    undisturbed.service().forget_user("ann")
    assert set(kept(s3, undisturbed)) == {"FORGET"}
    for world, where in cut_off(cloud, "drop_after"):
        assert world.texts("ann") in ([], [*BEFORE, "zebrafish"])
        world.service().forget_user("ann")
        assert set(kept(s3, world)) == {"FORGET"}, where
        world.assert_sound()


def test_a_repair_finishes_it(cloud: Cloud, s3: Any) -> None:
    cloud.bench.standin.reset_switches()
    for world, where in cut_off(cloud, "error503"):
        if world.texts("ann") == []:
            assert world.service().audit(repair=True).clean
            assert set(kept(s3, world)) == {"FORGET"}, where
