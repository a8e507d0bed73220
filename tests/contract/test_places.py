"""The places themselves: each is what its name says, and on AWS nothing is left of it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_core.doctor.checks.user_data import leaks, neighbours
from memory_core.embedders import Embedder
from memory_core.model.user_id import UserId
from memory_core.storage.vectors import Vector
from standin import StandIn
from tests.support.bucket import on_aws
from tests.support.paths import ROOT
from tests.support.places import DIMENSIONS, FEW, LIVE, LIVE_VARIABLE, S3_SWITCHES, Place
from tests.support.zygote import Zygote

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
    switches = S3_SWITCHES[place.kind]
    assert store.describe().mode == ("" if "classic_only" in switches else "ENHANCED")
    standin[0].reset_requests()
    found = len(store.query("ann", values, 20))  # type: ignore[arg-type]
    assert 0 < found < 20 if "lossy_queries" in switches else found == 20
    asked = standin[0].request_counts()["s3vectors:QueryVectors"]
    assert asked == (found if "page_size" in switches else 1)
    store.close()


@pytest.mark.parametrize("place", FEW, indirect=True)
def test_no_way_of_reading_shows_one_user_what_is_another_s(place: Place) -> None:
    """The doctor's own probe, which finds nothing; what it would find, it finds of itself."""
    service, users = place.service(), ("ann", "ann.b", "ben")
    for user in users:
        for text in ("likes tea", f"the key of {user} is below the mat"):
            service.add_text_memory(user, text)
    views = [service.parts.ledger.view(UserId(user)) for user in users]
    assert [(one.user_id, other.user_id) for one, other in neighbours(views)] == [
        ("ann", "ann.b"), ("ann.b", "ben"), ("ben", "ann"),
    ]  # fmt: skip
    assert list(leaks(service, neighbours(views))) == []
    (leak,) = leaks(service, [(views[0], views[0])])
    assert leak.detail == (
        "Compared: 1 pair of users. One was shown memories of another by a listing in 1, "
        "a question in 1, an id in 1."
    )
    assert not leak.evidence
    service.close()


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
    standin: tuple[StandIn, Any], zygote: Zygote, tmp_path: Path
) -> None:
    started, s3 = standin
    started.reset()
    s3.create_bucket(Bucket=BUCKET)
    # Of the tests around it the run inside is to know nothing.
    ours = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    run = zygote.start(
        "program",
        module="pytest",
        arguments=["-p", "no:cacheprovider", *TRIED],
        cwd=ROOT,
        environ=ours | started.environ() | {LIVE_VARIABLE: BUCKET},
        out=tmp_path / "out",
        err=tmp_path / "err",
    )
    assert run.finish() == [0], (tmp_path / "out").read_text() + (tmp_path / "err").read_text()
    assert f"{len(TRIED)} passed" in (tmp_path / "out").read_text()
    done = Counter(request.operation for request in started.requests() if request.status == 200)
    # And one with which it is tried what the server can do.
    assert done["CreateIndex"] == done["DeleteIndex"] == len(TRIED) + 1
    assert leftovers(s3, started.client("s3vectors")) == ([], [])
    started.reset()
