"""The places themselves: each is what its name says, and on AWS nothing is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import numpy as np
import pytest

from memory_core.embedders import Embedder
from memory_core.storage.vectors import Vector
from standin import RemoteControl, StandIn
from tests.support.bucket import on_aws
from tests.support.paths import ROOT
from tests.support.places import DIMENSIONS, LIVE, LIVE_VARIABLE, S3_SWITCHES, Place

BUCKET = "somebodys-own"
TRIED = [
    f"tests/contract/{name}[{LIVE}]"
    for name in (
        "test_stores.py::test_get_returns_what_was_put",
        "test_service_forget.py::test_a_forgotten_user_can_begin_again",
    )
]


def leftovers(s3: Any, s3vectors: Any) -> tuple[list[str], list[str]]:
    """Return the objects, deleted ones too, and the indexes."""
    found = s3.list_object_versions(Bucket=BUCKET)
    objects = [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]
    indexes = s3vectors.list_indexes(vectorBucketName=BUCKET)["indexes"]
    return [one["Key"] for one in objects], [one["indexName"] for one in indexes]


@pytest.mark.parametrize("place", S3_SWITCHES, indirect=True)
def test_each_kind_of_s3_vectors_behaves_as_its_name_says(
    place: Place, standin: tuple[StandIn, Any]
) -> None:
    store = place.store(DIMENSIONS)
    values = np.eye(DIMENSIONS, dtype=np.float32)[0]
    keys = [f"k{number}" for number in range(20)]
    store.put([Vector(key, {"user_id": "ann", "data": "x"}, values) for key in keys])
    mode = "" if place.kind == "s3_vectors_classic" else "ENHANCED"
    assert store.describe().mode == mode
    standin[0].reset_requests()
    found = len(store.query("ann", values, 20))  # type: ignore[arg-type]
    assert found < 20 if place.kind == "s3_vectors_lossy" else found == 20
    asked = standin[0].request_counts()["s3vectors:QueryVectors"]
    assert asked == (20 if place.kind == "s3_vectors_pages_of_one" else 1)
    store.close()


@pytest.mark.parametrize("versioning", ["Suspended", "Enabled"])
def test_nothing_is_left_on_aws_of_a_test_that_failed(
    versioning: str,
    standin: tuple[StandIn, Any],
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started, s3 = standin
    given = started.environ() | {LIVE_VARIABLE: BUCKET}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": versioning})
    s3vectors = started.client("s3vectors")

    def fail() -> None:
        with on_aws(LIVE, given, embedder) as place, place.service() as service:
            service.add_text_memory("ann", "likes tea")
            service.add_text_memory("bob", "likes rye")
            service.forget_user("ann")
            objects, indexes = leftovers(s3, s3vectors)
            raise LookupError(len(objects), len(indexes))

    with pytest.raises(LookupError, match=r"\([1-9]\d*, 1\)"):
        fail()
    assert leftovers(s3, s3vectors) == ([], [])


def test_the_contract_runs_on_a_bucket_of_ones_own_when_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with standin_process() as environ:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        s3, s3vectors = boto3.client("s3"), boto3.client("s3vectors")
        s3.create_bucket(Bucket=BUCKET)
        # Of the tests around it the run inside is to know nothing.
        ours = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *TRIED],
            cwd=ROOT,
            env=ours | {LIVE_VARIABLE: BUCKET},
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"{len(TRIED)} passed" in done.stdout, done.stdout + done.stderr
        asked = RemoteControl(environ["AWS_ENDPOINT_URL_S3"]).request_counts()
        assert asked["s3vectors:CreateIndex"] == asked["s3vectors:DeleteIndex"] == len(TRIED)
        assert leftovers(s3, s3vectors) == ([], [])


@contextmanager
def standin_process() -> Iterator[dict[str, str]]:
    """Run a stand-in by itself; yield the environment that leads to it."""
    command = [sys.executable, "-m", "standin"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield json.loads(child.stdout.readline())["environ"]
        finally:
            child.terminate()
