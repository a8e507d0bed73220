"""The role that docs/s3-vectors.md describes is enough for every call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from memory_core import MemoryService, open_service
from memory_core.memories.repair import rebuild_index
from tests.support.paths import DOCS
from tests.support.s3_bench import Bench, open_bench

DOCUMENT = (DOCS / "s3-vectors.md").read_text()
POLICY = json.loads(re.findall(r"```json\n(.*?)```", DOCUMENT, re.S)[0])
ALLOWED = {action for statement in POLICY["Statement"] for action in statement["Action"]}
# S3 checks these under the name of another action.
S3_ACTIONS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "DeleteObjects": "s3:DeleteObject",
}


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bucket that keeps versions, so that forgetting has to remove them too."""
    with open_bench() as opened:
        opened.standin.client("s3").put_bucket_versioning(
            Bucket=opened.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        opened.standin.reset_requests()
        yield opened


def use_everything(service: MemoryService) -> None:
    (one,) = service.add_text_memory("ann", "likes tea", verify=True)
    service.add_document("ann", "notes.txt", b"likes rye\n\nlikes oats", isolate=False)
    assert service.query_memories("ann", "tea")
    assert service.query_memories("ann", "tea", mode="index")
    service.update_memory("ann", one.id, "likes cocoa", verify=True)
    assert service.history("ann", one.id)
    assert service.list_memories("ann")
    service.delete_memory("ann", one.id)
    assert service.users()
    assert service.storage()["s3_vectors"]
    assert service.audit(repair=True).clean
    service.delete_user("ann")
    assert service.forget_user("ann").left == 0


def test_every_call_asks_for_allowed_actions_and_each_of_them_is_asked_for(bench: Bench) -> None:
    with open_service(bench.settings) as service:
        use_everything(service)
    assert rebuild_index(bench.settings).audit.clean
    asked = {
        S3_ACTIONS.get(operation, f"{service}:{operation}")
        for service, _, operation in (
            name.partition(":") for name in bench.standin.request_counts()
        )
    }
    # Part of DeleteObjects, where it names versions.
    assert asked | {"s3:DeleteObjectVersion"} == ALLOWED


def test_the_ledger_is_below_the_prefix_that_the_role_may_read(bench: Bench) -> None:
    with open_service(bench.settings) as service:
        service.add_text_memory("ann", "likes tea")
    listed = bench.standin.client("s3").list_objects_v2(Bucket=bench.bucket)["Contents"]
    assert all(one["Key"].startswith("memory/") for one in listed)
