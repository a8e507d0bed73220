from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from standin import StandIn
from tests.support.standin_requests import Desk, invalid, refusal, vector

FLT_MAX = float(np.finfo(np.float32).max)
TINY = 1e-45


@pytest.fixture
def euclidean(standin: StandIn, unchecked_client: Any, name: str) -> Desk:
    return Desk.opened(unchecked_client, f"{name}-2d", distanceMetric="euclidean", dimension=2)


def bad_record(key: str, path: str, reason: str) -> Any:
    return invalid(f"Invalid record for key '{key}': {reason}", (path, reason))


def test_components_come_back_as_widened_float32(desk: Desk) -> None:
    desk.put_vectors(vectors=[vector("k", (0.4, 1, -2.5))])
    (found,) = desk.get_vectors(keys=["k"], returnData=True)["vectors"]
    assert found["data"]["float32"] == [0.4000000059604645, 1.0, -2.5]


def test_components_are_judged_after_rounding(euclidean: Desk) -> None:
    euclidean.put_vectors(vectors=[vector("k", (FLT_MAX, TINY))])
    (found,) = euclidean.get_vectors(keys=["k"], returnData=True)["vectors"]
    assert found["data"]["float32"][0] == FLT_MAX
    assert found["data"]["float32"][1] > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 3.5e38, 10**39])
def test_nan_infinity_and_overflow_are_refused(euclidean: Desk, value: float) -> None:
    found = refusal(euclidean.put_vectors, vectors=[vector("k", (1, value))])
    assert found == bad_record("k", "vectors[0]", "vector contains NaNs or Infs")


def test_a_zero_vector_is_refused_by_cosine_only(desk: Desk, euclidean: Desk) -> None:
    found = refusal(desk.put_vectors, vectors=[vector("zero", (0, 0, 0))])
    reason = "cosine distance does not support vectors with zero norm"
    assert found == bad_record("zero", "vectors[0]", reason)
    euclidean.put_vectors(vectors=[vector("zero", (0, 0))])


def test_a_wrong_dimension_is_refused(desk: Desk) -> None:
    found = refusal(desk.put_vectors, vectors=[vector("ok"), vector("my_first_vector", (1,))])
    reason = "vector must have length 3, but has length 1"
    assert found == bad_record("my_first_vector", "vectors[1]", reason)


def test_one_bad_record_refuses_the_whole_request(desk: Desk) -> None:
    refusal(desk.put_vectors, vectors=[vector("good"), vector("bad", (0, 0, 0))])
    assert desk.listed() == []


def test_put_replaces_vector_and_metadata_wholly(desk: Desk) -> None:
    desk.put_vectors(vectors=[vector("k", (1, 0, 0), a=1, b=2)])
    desk.put_vectors(vectors=[vector("k", (0, 1, 0), a=3)])
    (found,) = desk.get_vectors(keys=["k"], returnData=True, returnMetadata=True)["vectors"]
    assert found == {"key": "k", "data": {"float32": [0, 1, 0]}, "metadata": {"a": 3}}
    desk.put_vectors(vectors=[vector("k")])
    (found,) = desk.get_vectors(keys=["k"], returnMetadata=True)["vectors"]
    assert found == {"key": "k", "metadata": {}}


def test_a_key_twice_in_one_put_keeps_the_last_and_warns(standin: StandIn, desk: Desk) -> None:
    desk.put_vectors(vectors=[vector("k", a=1), vector("k", a=2)])
    (found,) = desk.get_vectors(keys=["k", "k"], returnMetadata=True)["vectors"]
    assert found["metadata"] == {"a": 2}
    assert standin.warnings() == [
        "PutVectors: a key twice in one request is undocumented",
        "GetVectors: a key twice in one request is undocumented",
    ]


def test_a_key_has_at_most_1024_bytes(desk: Desk) -> None:
    fits, too_long = "é" * 512, "é" * 513
    desk.put(fits)
    assert desk.listed() == [fits]
    text = "Record key length exceeds the maximum allowed"
    put, get, delete = desk.put_vectors, desk.get_vectors, desk.delete_vectors
    assert refusal(put, vectors=[vector(too_long)]) == invalid(text, ("vectors[0].key", text))
    assert refusal(get, keys=["a", too_long]) == invalid(text, ("keys[1]", text))
    assert refusal(delete, keys=[too_long]) == invalid(text, ("keys[0]", text))


def test_get_leaves_out_missing_keys_and_keeps_no_order(desk: Desk) -> None:
    keys = [f"k{i}" for i in range(20)]
    desk.put(*keys)
    found = [entry["key"] for entry in desk.get_vectors(keys=["absent", *keys])["vectors"]]
    assert sorted(found) == sorted(keys)
    assert found != keys
    assert desk.get_vectors(keys=["absent"])["vectors"] == []


def test_get_returns_only_keys_unless_asked(desk: Desk) -> None:
    desk.put("k", a=1)
    assert desk.get_vectors(keys=["k"])["vectors"] == [{"key": "k"}]


def test_delete_is_idempotent(desk: Desk) -> None:
    desk.put("a", "b")
    desk.delete_vectors(keys=["a", "absent"])
    desk.delete_vectors(keys=["a"])
    assert desk.listed() == ["b"]
    assert desk.keys() == ["b"]


def test_five_hundred_vectors_fit_one_put_and_the_default_page(desk: Desk) -> None:
    desk.put(*(f"k{i}" for i in range(500)))
    desk.put("one more")
    page = desk.list_vectors()
    assert len(page["vectors"]) == 500
    rest = desk.list_vectors(nextToken=page["nextToken"])
    assert len(rest["vectors"]) == 1
    assert "nextToken" not in rest
    assert len(desk.listed(maxResults=1000)) == 501


def test_listing_keeps_no_order_but_is_complete(desk: Desk) -> None:
    keys = [f"p-{i:02}" for i in range(10)]
    desk.put(*keys)
    assert sorted(desk.listed()) == keys
    assert desk.listed() != keys


def test_a_page_of_three_then_two(desk: Desk) -> None:
    desk.put(*"abcde")
    first = desk.list_vectors(maxResults=3)
    second = desk.list_vectors(maxResults=3, nextToken=first["nextToken"])
    assert [len(page["vectors"]) for page in (first, second)] == [3, 2]
    assert "nextToken" not in second
    exact = desk.list_vectors(maxResults=5)
    assert "nextToken" not in exact


def test_deleting_between_pages_skips_nothing(desk: Desk) -> None:
    desk.put(*(f"k{i}" for i in range(10)))
    seen: list[str] = []
    page = desk.list_vectors(maxResults=3)
    while True:
        keys = [entry["key"] for entry in page["vectors"]]
        seen += keys
        desk.delete_vectors(keys=keys)
        if "nextToken" not in page:
            break
        page = desk.list_vectors(maxResults=3, nextToken=page["nextToken"])
    assert len(seen) == len(set(seen)) == 10


def test_a_page_ends_at_one_megabyte(standin: StandIn, unchecked_client: Any, name: str) -> None:
    configuration = {"nonFilterableMetadataKeys": ["body"]}
    desk = Desk.opened(unchecked_client, name, metadataConfiguration=configuration)
    desk.put(*(f"k{i}" for i in range(60)), body="x" * 40_000)
    page = desk.list_vectors()
    size = 12 + 3 + 4 + 8 + 4 + 40_000
    assert len(page["vectors"]) == 1024 * 1024 // size == 26
    assert "nextToken" in page
    pages = desk.client.get_paginator("list_vectors").paginate(**desk.address)
    assert len({entry["key"] for page in pages for entry in page["vectors"]}) == 60


def test_segments_are_disjoint_and_cover_the_index(desk: Desk) -> None:
    keys = {f"k{i}" for i in range(100)}
    desk.put(*keys)
    parts = [desk.listed(segmentCount=4, segmentIndex=i) for i in range(4)]
    assert all(parts)
    assert sum(map(len, parts)) == 100
    assert set().union(*parts) == keys


def test_each_segment_pages_on_its_own_token(desk: Desk) -> None:
    desk.put(*(f"k{i}" for i in range(40)))
    half = {"segmentCount": 2, "segmentIndex": 0}
    page = desk.list_vectors(maxResults=2, **half)
    token = page["nextToken"]
    other = {"segmentCount": 2, "segmentIndex": 1}
    expected = invalid("Invalid page token", ("nextToken", "Invalid page token"))
    assert refusal(desk.list_vectors, nextToken=token, **other) == expected
    assert refusal(desk.list_vectors, nextToken=token) == expected
    rest = desk.listed(nextToken=token, **half)
    whole = desk.listed(**half)
    assert [entry["key"] for entry in page["vectors"]] + rest == whole


def test_a_segment_needs_both_numbers_in_range(desk: Desk) -> None:
    for wrong in (
        {"segmentCount": 2},
        {"segmentIndex": 0},
        {"segmentCount": 2, "segmentIndex": 2},
    ):
        assert refusal(desk.list_vectors, **wrong).code == "ValidationException"
