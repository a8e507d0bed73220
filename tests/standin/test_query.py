from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from standin import StandIn
from tests.support.standin_requests import Desk, invalid, refusal, vector

BAD = "Query vector contains invalid values or is invalid for this index"
TOKEN = invalid("Invalid page token", ("nextToken", "Invalid page token"))


def distance_of(desk: Desk, key: str, query: tuple[float, ...]) -> float:
    params = {"topK": 100, "queryVector": {"float32": list(query)}, "returnDistance": True}
    found = desk.query_vectors(**params)["vectors"]
    return next(entry["distance"] for entry in found if entry["key"] == key)


def test_cosine_distance_is_one_minus_similarity(desk: Desk) -> None:
    data = {"same": (1, 0, 0), "long": (9, 0, 0), "half": (1, 1, 0), "against": (-1, 0, 0)}
    desk.put_vectors(vectors=[vector(key, row) for key, row in data.items()])
    found = desk.query_vectors(topK=4, queryVector={"float32": [2, 0, 0]}, returnDistance=True)
    assert found["distanceMetric"] == "cosine"
    by_key = {entry["key"]: entry["distance"] for entry in found["vectors"]}
    assert by_key == pytest.approx(
        {"same": 0, "long": 0, "half": 1 - 0.5**0.5, "against": 2}, abs=1e-6
    )
    assert [entry["key"] for entry in found["vectors"]][2:] == ["half", "against"]
    half = by_key["half"]
    assert half == float(np.float32(half))


def test_euclidean_distance_is_the_root_or_by_switch_the_square(
    standin: StandIn, unchecked_client: Any, name: str
) -> None:
    desk = Desk.opened(unchecked_client, name, distanceMetric="euclidean")
    desk.put_vectors(vectors=[vector("far", (3, 0, 0)), vector("zero", (0, 0, 0))])
    assert distance_of(desk, "far", (0, 0, 0)) == 3
    standin.set_switches(squared_euclidean=True)
    assert distance_of(desk, "far", (0, 0, 0)) == 9
    found = desk.query_vectors(topK=1, queryVector={"float32": [0, 0, 0]})
    assert (found["vectors"], found["distanceMetric"]) == ([{"key": "zero"}], "euclidean")


def test_search_is_exact(standin: StandIn, unchecked_client: Any, name: str) -> None:
    desk = Desk.opened(unchecked_client, name, dimension=16)
    rows = np.random.default_rng(7).normal(size=(300, 16))
    desk.put_vectors(vectors=[vector(str(i), tuple(row)) for i, row in enumerate(rows.tolist())])
    wanted = rows[0] + 0.1
    cosine = rows @ wanted / np.linalg.norm(rows, axis=1)
    expected = [str(i) for i in np.argsort(-cosine)[:20]]
    assert desk.keys(topK=20, queryVector={"float32": wanted.tolist()}) == expected


def test_fields_come_only_when_asked_for(desk: Desk) -> None:
    desk.put("k", a=1)
    desk.put("bare")
    query = {"topK": 2, "queryVector": {"float32": [1, 0, 0]}}
    for flags, names in (
        ({}, {"key"}),
        ({"returnDistance": True}, {"key", "distance"}),
        ({"returnMetadata": True}, {"key", "metadata"}),
        ({"returnScores": True}, {"key"}),
    ):
        found = desk.query_vectors(**query, **flags)["vectors"]
        assert [set(entry) for entry in found] == [names, names]
    both = desk.query_vectors(**query, returnMetadata=True)["vectors"]
    assert {e["key"]: e["metadata"] for e in both} == {"k": {"a": 1}, "bare": {}}


def test_an_empty_index_or_no_match_gives_an_empty_list(desk: Desk) -> None:
    assert desk.keys() == []
    desk.put("k", a=1)
    assert desk.keys(filter={"a": 2}) == []


def test_writes_and_deletes_show_at_once(desk: Desk) -> None:
    desk.put("a")
    assert desk.keys() == ["a"]
    desk.put_vectors(vectors=[vector("a", (0, 1, 0)), vector("b", (1, 0, 0))])
    assert desk.keys() == ["b", "a"]
    desk.delete_vectors(keys=["b"])
    assert desk.keys() == ["a"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([0, 0, 0], "cosine distance does not support vectors with zero norm"),
        ([math.nan, 0, 0], "vector contains NaNs or Infs"),
        ([1e39, 0, 0], "vector contains NaNs or Infs"),
        ([1, 0], "vector must have length 3, but has length 2"),
    ],
)
def test_a_bad_query_vector_is_refused_with_its_reason(
    desk: Desk, data: list[float], reason: str
) -> None:
    found = refusal(desk.keys, queryVector={"float32": data})
    assert found == invalid(BAD, ("vector", f"Invalid input: {reason}"))


def test_a_query_needs_a_vector_or_texts(desk: Desk) -> None:
    assert refusal(desk.query_vectors, topK=1).code == "ValidationException"


def test_classic_queries_are_refused_by_enhanced_indexes(desk: Desk) -> None:
    found = refusal(desk.keys, queryMode="CLASSIC")
    assert found == invalid("queryMode cannot be CLASSIC when indexMode is ENHANCED")
    assert desk.keys(queryMode="ENHANCED") == []


@pytest.fixture
def many(desk: Desk) -> Desk:
    angles = np.linspace(0, 1, 250)
    rows = [vector(f"k{i:03}", (math.cos(a), math.sin(a), 0)) for i, a in enumerate(angles)]
    desk.put_vectors(vectors=rows)
    return desk


def pages_of(desk: Desk, **params: Any) -> list[list[str]]:
    query = {"queryVector": {"float32": [1, 0, 0]}, **desk.address, **params}
    pages = desk.client.get_paginator("query_vectors").paginate(**query)
    return [[entry["key"] for entry in page["vectors"]] for page in pages]


def test_a_page_holds_at_most_a_hundred_and_ranks_go_on(many: Desk) -> None:
    pages = pages_of(many, topK=10_000)
    assert [len(page) for page in pages] == [100, 100, 50]
    assert [key for page in pages for key in page] == [f"k{i:03}" for i in range(250)]
    assert [len(page) for page in pages_of(many, topK=120)] == [100, 20]


def test_a_last_page_has_no_token(many: Desk) -> None:
    query = {"queryVector": {"float32": [1, 0, 0]}}
    assert "nextToken" not in many.query_vectors(topK=100, **query)
    assert "nextToken" in many.query_vectors(topK=101, **query)


def test_a_token_is_bound_to_every_parameter(many: Desk) -> None:
    query = {"topK": 200, "queryVector": {"float32": [1, 0, 0]}}
    token = many.query_vectors(**query)["nextToken"]
    for change in (
        {"topK": 201},
        {"queryVector": {"float32": [1, 0.1, 0]}},
        {"returnDistance": True},
        {"filter": {"a": 1}},
    ):
        assert refusal(many.query_vectors, **(query | change), nextToken=token) == TOKEN
    assert len(many.query_vectors(**query, nextToken=token)["vectors"]) == 100


@pytest.mark.parametrize("token", ["x", "ä", "AAAA", "A" * 4096])
def test_a_made_up_token_is_refused(many: Desk, token: str) -> None:
    assert refusal(many.keys, nextToken=token) == TOKEN


def test_a_token_expires_after_some_minutes(standin: StandIn, many: Desk) -> None:
    query = {"topK": 200, "queryVector": {"float32": [1, 0, 0]}}
    token = many.query_vectors(**query)["nextToken"]
    standin.set_switches(clock_offset_s=240)
    many.query_vectors(**query, nextToken=token)
    standin.set_switches(clock_offset_s=960)
    assert refusal(many.query_vectors, **query, nextToken=token) == TOKEN


def test_a_list_token_does_not_expire(standin: StandIn, many: Desk) -> None:
    token = many.list_vectors(maxResults=10)["nextToken"]
    standin.set_switches(clock_offset_s=3600)
    assert len(many.listed(maxResults=10, nextToken=token)) == 10
