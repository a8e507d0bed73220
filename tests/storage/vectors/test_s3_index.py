"""The S3 Vectors index: made where nothing is stored yet, and used only where it fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from memory_core import IndexMismatch
from memory_core.model.limits import NON_FILTERABLE_KEYS
from memory_core.storage.vectors import Vector
from standin.httpd import Request, Response
from tests.support.s3_bench import DIMENSIONS, Bench, in_front, open_bench, refusal


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


def make_index(bench: Bench, **changes: Any) -> None:
    """Make an index as somebody else would."""
    aws = bench.aws()
    aws.ask("s3vectors", "CreateVectorBucket", "it", vectorBucketName=bench.index.bucket)
    wanted = {
        "dataType": "float32",
        "dimension": DIMENSIONS,
        "distanceMetric": "cosine",
        "metadataConfiguration": {"nonFilterableMetadataKeys": list(NON_FILTERABLE_KEYS)},
    }
    aws.ask("s3vectors", "CreateIndex", "it", **bench.index.address, **(wanted | changes))


def described(bench: Bench) -> dict[str, Any]:
    answer = bench.aws().ask("s3vectors", "GetIndex", "it", **bench.index.address)
    return dict(answer["index"])


def test_a_new_index_is_enhanced_with_long_keys_aside_and_texts_searchable(bench: Bench) -> None:
    info = bench.store().describe()
    assert (info.backend, info.name) == ("s3_vectors", bench.index.name)
    assert (info.dimensions, info.metric, info.mode) == (DIMENSIONS, "cosine", "ENHANCED")
    assert info.non_filterable_keys == NON_FILTERABLE_KEYS
    assert len(NON_FILTERABLE_KEYS) <= 10
    assert info.created_at is not None
    assert info.created_at.utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    texts = described(bench)["metadataConfiguration"]["textSearchConfigurations"]
    assert [text["metadataKey"] for text in texts] == ["data"]


def test_where_the_service_is_older_the_index_is_classic(bench: Bench) -> None:
    bench.standin.set_switches(classic_only=True)
    assert bench.store().describe().mode == ""
    bench.standin.reset_switches()
    store = bench.store(create=False)
    assert store.describe().mode == "CLASSIC"
    values = np.ones(DIMENSIONS, dtype=np.float32)
    store.put([Vector("a", {"user_id": "ann"}, values)])
    # The filter comes before the search all the same.
    assert store.query("ann", values, 1) == [("a", pytest.approx(1.0))]  # type: ignore[arg-type]


def test_where_full_text_is_refused_the_index_goes_without(bench: Bench) -> None:
    def answer(request: Request) -> Response | None:
        if b"textSearchConfigurations" not in request.body:
            return None
        return refusal(400, "ValidationException", "Unsupported")

    with in_front(bench.standin, "s3vectors", answer) as url:
        bench.store(settings=replace(bench.settings, endpoint_s3vectors=url))
    assert "textSearchConfigurations" not in described(bench)["metadataConfiguration"]


def test_opening_an_index_that_is_there_takes_one_request(bench: Bench) -> None:
    bench.store()
    bench.standin.reset_requests()
    bench.store(create=False)
    assert bench.asked() == bench.asked("GetIndex") == 1


@pytest.mark.parametrize("bucket_exists", [False, True])
def test_a_missing_index_is_not_made_unless_asked_for(bench: Bench, bucket_exists: bool) -> None:
    if bucket_exists:
        bench.standin.client("s3vectors").create_vector_bucket(vectorBucketName=bench.index.bucket)
    bench.standin.reset_requests()
    with pytest.raises(IndexMismatch, match=r"mem0-test-8.*python -m memory_core rebuild"):
        bench.store(create=False)
    assert bench.asked() == bench.asked("GetIndex") == 1


@pytest.mark.parametrize(
    ("changes", "both_sides"),
    [
        ({"dimension": 16}, r"has 16 dimensions and metric 'cosine'.*makes 8 and needs 'cosine'"),
        ({"distanceMetric": "euclidean"}, r"metric 'euclidean'.*makes 8 and needs 'cosine'"),
        ({"metadataConfiguration": {}}, r"non-filterable keys none, memories need .*data"),
        (
            {"metadataConfiguration": {"nonFilterableMetadataKeys": ["data", "x"]}},
            r"keys data, x, memories need .*created_at",
        ),
        (
            {"metadataConfiguration": {
                "nonFilterableMetadataKeys": [*NON_FILTERABLE_KEYS, "user_id"]}},
            r"user_id, memories need .*'user_id' not",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("create", [False, True])
def test_an_index_that_does_not_fit_is_refused_with_both_sides(
    bench: Bench, changes: dict[str, Any], both_sides: str, create: bool
) -> None:
    make_index(bench, **changes)
    with pytest.raises(IndexMismatch, match=both_sides):
        bench.store(create=create)


@pytest.mark.parametrize("operation", ["CreateVectorBucket", "CreateIndex"])
@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "error500", "throttle"])
def test_creating_survives_a_lost_answer(bench: Bench, operation: str, fault: str) -> None:
    bench.standin.add_fault(fault, operation=operation)
    assert bench.store().describe().dimensions == DIMENSIONS
    assert bench.asked(operation) == 2
