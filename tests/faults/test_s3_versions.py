"""Forgetting in a bucket with versions, cut off at any request: again, and nothing is kept.

What is left to erase can be seen, so that an audit finds it and a repair erases it as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest

from memory_core.embedders import Embedder
from memory_core.errors import BackendUnavailable
from tests.support.s3_worlds import BEFORE, Cloud, World, open_cloud


@pytest.fixture(scope="module")
def cloud(embedder: Embedder) -> Iterator[Cloud]:
    with open_cloud(embedder, budget_s=0) as opened:
        opened.bench.standin.client("s3").put_bucket_versioning(
            Bucket=opened.bench.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        yield opened


def kept(cloud: Cloud, world: World) -> list[str]:
    """Return the kinds of everything the bucket keeps of a world, deleted or not.

    Segments of the activity log stay and name nobody; a mark of a user would be no kind.
    """
    client = cloud.bench.standin.client("s3")
    versions = []
    for folder in ("ledger/", "activity/v1/users/"):
        page = client.list_object_versions(
            Bucket=cloud.bench.bucket, Prefix=f"{world.prefix}{folder}"
        )
        versions += [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
    names = [version["Key"].rpartition("/")[2] for version in versions]
    return [name.partition(".")[2].partition(".")[0] for name in names]


@pytest.mark.parametrize(("fault", "page_size"), [("error503", None), ("drop_after", 1)])
def test_forgetting_again_finishes_it(cloud: Cloud, fault: str, page_size: int | None) -> None:
    cloud.bench.standin.set_switches(page_size=page_size)
    for at in count(3):
        world = cloud.world()
        world.fill("ann")
        world.service().add_text_memory("ann", "zebrafish")
        with cloud.failing(at, fault) as failed:
            with suppress(BackendUnavailable):
                world.service().forget_user("ann")
            over = not failed()
        assert world.texts("ann") in ([], [*BEFORE, "zebrafish"])
        if not over:
            world.service().forget_user("ann")
        assert set(kept(cloud, world)) == {"FORGET"}, f"request {at}"
        world.assert_sound()
        if over:
            break
    assert at > 8


@pytest.mark.parametrize("fault", ["error503", "drop_after"])
def test_a_repair_finishes_it(cloud: Cloud, fault: str) -> None:
    cloud.bench.standin.reset_switches()
    for at in count(4):
        world = cloud.world()
        world.fill("ann")
        world.service().add_text_memory("ann", "zebrafish")
        with cloud.failing(at, fault) as failed:
            with suppress(BackendUnavailable):
                world.service().forget_user("ann")
            over = not failed()
        if world.texts("ann") == []:
            assert world.service().audit(repair=True).clean
            assert set(kept(cloud, world)) == {"FORGET"}, f"request {at}"
        if over:
            break
