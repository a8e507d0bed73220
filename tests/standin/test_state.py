"""What outlives a stand-in: by kill -9, by an ordinary end, by a copy of the directory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from standin import RemoteControl, StandIn
from tests.support.paths import ROOT
from tests.support.ports import held_port
from tests.support.standin_requests import Desk, invalid, refusal, vector

TEXTS = [{"metadataKey": "body", "text": "tea"}]
VECTORS = {"vectorBucketName": "kept-vectors"}


@contextmanager
def process(
    state_dir: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run a stand-in process; killed, not ended, when the block is left."""
    command = [sys.executable, "-m", "standin", "--state-dir", str(state_dir), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child, json.loads(child.stdout.readline())
        finally:
            child.kill()


def clients(ready: dict[str, Any]) -> tuple[Any, Any]:
    """Make the clients a process with the printed environment would make."""
    keys = {
        "region_name": ready["environ"]["AWS_REGION"],
        "aws_access_key_id": ready["environ"]["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": ready["environ"]["AWS_SECRET_ACCESS_KEY"],
    }
    return (
        boto3.client("s3vectors", endpoint_url=ready["url_s3vectors"], **keys),
        boto3.client("s3", endpoint_url=ready["url_s3"], **keys),
    )


def fill(vectors: Any, objects: Any) -> None:
    """Store something of every kind, overwritten and deleted things among it."""
    configuration = {
        "nonFilterableMetadataKeys": ["body"],
        "textSearchConfigurations": [{"metadataKey": "body"}],
    }
    desk = Desk.opened(vectors, "kept-vectors", metadataConfiguration=configuration)
    desk.put_vectors(vectors=[vector("old", (0.4, 0.1, 1), body="green tea", n=1), vector("gone")])
    desk.put_vectors(vectors=[vector("ä", (1, 0, 0), n=2)])
    desk.delete_vectors(keys=["gone"])
    vectors.put_vector_bucket_policy(**VECTORS, policy='{"a": 1}')
    arn = desk.get_index()["index"]["indexArn"]
    vectors.tag_resource(resourceArn=arn, tags={"a": "b"})
    Desk(vectors, "kept-vectors", "dropped").create()
    Desk(vectors, "kept-vectors", "dropped").delete_index()
    objects.create_bucket(Bucket="kept-objects")
    objects.create_bucket(Bucket="dropped-objects")
    objects.delete_bucket(Bucket="dropped-objects")
    versioning = {"Status": "Enabled"}
    objects.put_bucket_versioning(Bucket="kept-objects", VersioningConfiguration=versioning)
    for body in (b"one", b"two"):
        objects.put_object(Bucket="kept-objects", Key="k/ä", Body=body, Metadata={"m": "1"})
    objects.put_object(Bucket="kept-objects", Key="gone", Body=b"", Tagging="a=b")
    objects.put_object(Bucket="kept-objects", Key="tagged", Body=b"", Tagging="a=b")
    objects.delete_objects(Bucket="kept-objects", Delete={"Objects": [{"Key": "gone"}]})


def contents(vectors: Any, objects: Any) -> dict[str, Any]:
    """Read back all that `fill` stored, with versions, times and tags."""
    desk = Desk(vectors, "kept-vectors", "index")
    index = desk.get_index()["index"]
    listed = desk.list_vectors(returnData=True, returnMetadata=True)["vectors"]
    found = {
        "buckets": [b["vectorBucketName"] for b in vectors.list_vector_buckets()["vectorBuckets"]],
        "indexes": [i["indexName"] for i in vectors.list_indexes(**VECTORS)["indexes"]],
        "index": index,
        "vectors": sorted(listed, key=lambda entry: entry["key"]),
        "texts": desk.query_vectors(topK=9, queryTexts=TEXTS)["vectors"],
        "policy": vectors.get_vector_bucket_policy(**VECTORS)["policy"],
        "tags": vectors.list_tags_for_resource(resourceArn=index["indexArn"])["tags"],
        "s3 buckets": [b["Name"] for b in objects.list_buckets()["Buckets"]],
        "body": objects.get_object(Bucket="kept-objects", Key="k/ä")["Body"].read(),
        "s3 tags": objects.get_object_tagging(Bucket="kept-objects", Key="tagged")["TagSet"],
    }
    versions = objects.list_object_versions(Bucket="kept-objects")
    for name in ("Versions", "DeleteMarkers"):
        fields = ("Key", "VersionId", "LastModified", "ETag", "IsLatest")
        found[name] = [{f: v.get(f) for f in fields} for v in versions[name]]
    return found


@pytest.mark.process
def test_everything_outlives_a_kill(tmp_path: Path) -> None:
    with held_port() as port, held_port() as s3_port:
        kill_and_go_on(tmp_path, "--port", str(port), "--s3-port", str(s3_port))


def kill_and_go_on(state_dir: Path, *ports: str) -> None:
    with process(state_dir, *ports) as (child, ready):
        vectors, objects = clients(ready)
        fill(vectors, objects)
        before = contents(vectors, objects)
        objects.put_object(Bucket="kept-objects", Key="last", Body=b"x")
        Desk(vectors, "kept-vectors", "last-index").create()
        Desk(vectors, "kept-vectors", "last-index").put("last")
        child.kill()
    assert [entry["key"] for entry in before["vectors"]] == ["old", "ä"]
    assert len(before["Versions"]) == 4
    with process(state_dir, *ports) as (child, again):
        assert again == ready
        put = objects.put_object
        found = refusal(put, Bucket="kept-objects", Key="last", Body=b"", IfNoneMatch="*")
        assert found.status == 412
        objects.delete_object(
            Bucket="kept-objects",
            Key="last",
            VersionId=objects.head_object(Bucket="kept-objects", Key="last")["VersionId"],
        )
        assert Desk(vectors, "kept-vectors", "last-index").listed() == ["last"]
        vectors.delete_index(**VECTORS, indexName="last-index")
        assert contents(vectors, objects) == before
        assert_steered_and_ended(child, again)


def assert_steered_and_ended(child: subprocess.Popen[str], ready: dict[str, Any]) -> None:
    control = RemoteControl(ready["url_s3"])
    control.reset_requests()
    control.add_fault("error503", operation="ListVectorBuckets", times=1)
    clients(ready)[0].list_vector_buckets()
    assert [record.status for record in control.requests()] == [503, 200]
    child.terminate()
    assert child.wait(timeout=60) == 0


def test_a_copied_directory_holds_the_same(tmp_path: Path) -> None:
    with StandIn(tmp_path / "here") as standin:
        made = standin.client("s3vectors"), standin.client("s3")
        fill(*made)
        before = contents(*made)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    with StandIn(tmp_path / "there") as standin:
        assert contents(standin.client("s3vectors"), standin.client("s3")) == before


def test_tokens_go_on_after_a_restart(tmp_path: Path) -> None:
    query = {"topK": 150, "queryVector": {"float32": [1, 0, 0]}}
    with StandIn(tmp_path) as standin:
        desk = Desk.opened(standin.client("s3vectors"), "kept-vectors")
        desk.put(*(f"k{i}" for i in range(150)))
        first, listed = desk.query_vectors(**query), desk.list_vectors(maxResults=100)
    with StandIn(tmp_path) as standin:
        desk = Desk(standin.client("s3vectors"), "kept-vectors")
        rest = desk.query_vectors(**query, nextToken=first["nextToken"])["vectors"]
        assert len({e["key"] for e in first["vectors"] + rest}) == 150
        assert len(desk.listed(nextToken=listed["nextToken"])) == 50


def test_s3_tokens_go_on_after_a_restart(tmp_path: Path) -> None:
    listing = {"Bucket": "kept-objects", "MaxKeys": 2}
    with StandIn(tmp_path) as standin:
        client = standin.client("s3")
        client.create_bucket(Bucket="kept-objects")
        for key in "abc":
            client.put_object(Bucket="kept-objects", Key=key, Body=b"")
        token = client.list_objects_v2(**listing)["NextContinuationToken"]
    with StandIn(tmp_path) as standin:
        found = standin.client("s3").list_objects_v2(**listing, ContinuationToken=token)
        assert [entry["Key"] for entry in found["Contents"]] == ["c"]


def test_an_old_bucket_stays_old_after_a_restart(tmp_path: Path) -> None:
    with StandIn(tmp_path) as standin:
        standin.set_switches(classic_only=True)
        Desk.opened(standin.client("s3vectors"), "kept-vectors")
    with StandIn(tmp_path) as standin:
        desk = Desk(standin.client("s3vectors"), "kept-vectors")
        assert desk.get_index()["index"]["indexMode"] == "CLASSIC"
        desk.update_index_mode(indexMode="ENHANCED")
        desk.update_index_mode(indexMode="CLASSIC")


def test_without_a_directory_nothing_stays() -> None:
    for _ in range(2):
        with StandIn() as standin:
            standin.client("s3vectors").create_vector_bucket(**VECTORS)
            standin.client("s3").create_bucket(Bucket="kept-objects")


def test_faults_and_switches_do_not_stay(tmp_path: Path) -> None:
    with StandIn(tmp_path) as standin:
        standin.set_switches(deny_actions=["ListVectorBuckets"])
    with StandIn(tmp_path) as standin:
        assert standin.client("s3vectors").list_vector_buckets()["vectorBuckets"] == []


def test_a_refused_write_is_not_on_disk_either(tmp_path: Path) -> None:
    with StandIn(tmp_path) as standin:
        client = standin.client("s3vectors")
        desk = Desk.opened(client, "kept-vectors")
        bad = [vector("good"), vector("zero", (0, 0, 0))]
        reason = "cosine distance does not support vectors with zero norm"
        expected = invalid(f"Invalid record for key 'zero': {reason}", ("vectors[1]", reason))
        assert refusal(desk.put_vectors, vectors=bad) == expected
        standin.lose_vectors(1)
        desk.put("lost")
    with StandIn(tmp_path) as standin:
        assert Desk(standin.client("s3vectors"), "kept-vectors").listed() == []


def test_a_stopped_stand_in_answers_nobody() -> None:
    with StandIn() as standin:
        client = standin.client("s3vectors", retries={"total_max_attempts": 1})
        client.list_vector_buckets()
    with pytest.raises(Exception, match=r"Connection|connect"):
        client.list_vector_buckets()
