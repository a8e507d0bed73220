from __future__ import annotations

from typing import Any

import pytest

from standin import StandIn
from tests.support.standin_requests import Desk, invalid, refusal

ROWS: dict[str, dict[str, Any]] = {
    "ada": {"user": "ada", "age": 36, "on": True, "tags": ["x", "y"], "": "nameless"},
    "bob": {"user": "bob", "age": 25, "on": False, "tags": ["y"], "a.b": 1},
    "cyd": {"user": "cyd", "age": 41.5, "on": "true", "nums": [1, 2]},
    "nil": {"other": 1},
}


@pytest.fixture(scope="module")
def people(unchecked_client: Any) -> Desk:
    """An index that the tests of this module only read."""
    configuration = {"nonFilterableMetadataKeys": ["secret"]}
    desk = Desk.opened(unchecked_client, "people", metadataConfiguration=configuration)
    desk.fill(ROWS)
    return desk


def query(desk: Desk, document: Any) -> set[str]:
    return set(desk.keys(filter=document))


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        ({"user": "ada"}, "ada"),
        ({"user": {"$eq": "ada"}}, "ada"),
        ({"on": True}, "ada"),
        ({"on": "true"}, "cyd"),
        ({"on": 1}, ""),
        ({"age": 25}, "bob"),
        ({"age": 25.0}, "bob"),
        ({"age": "25"}, ""),
        ({"absent": 1}, ""),
        ({"tags": "x"}, "ada"),
        ({"tags": {"$eq": "y"}}, "ada bob"),
        ({"nums": 2}, "cyd"),
        ({"age": {"$gt": 25}}, "ada cyd"),
        ({"age": {"$gte": 25}}, "ada bob cyd"),
        ({"age": {"$lt": 36}}, "bob"),
        ({"age": {"$lte": 36}}, "ada bob"),
        ({"age": {"$gte": 30, "$lt": 40}}, "ada"),
        ({"user": {"$gt": 1}}, ""),
        ({"user": {"$in": ["ada", "cyd", "eve"]}}, "ada cyd"),
        ({"on": {"$in": [True, "true", 5]}}, "ada cyd"),
        ({"tags": {"$in": ["x", "z"]}}, "ada"),
        ({"user": {"$exists": True}}, "ada bob cyd"),
        ({"user": {"$exists": False}}, "nil"),
        ({"user": {"$startsWith": "a"}}, "ada"),
        ({"user": {"$startsWith": "A"}}, ""),
        ({"age": {"$startsWith": "2"}}, ""),
        ({"": "nameless"}, "ada"),
        ({"a.b": 1}, "bob"),
        ({"$and": [{"user": "ada"}, {"age": 36}]}, "ada"),
        ({"$or": [{"user": "ada"}, {"age": 25}]}, "ada bob"),
        ({"$or": [{"$and": [{"user": "ada"}, {"age": 1}]}, {"on": False}]}, "bob"),
        ({"$and": [{"$or": [{"on": True}, {"on": False}]}, {"age": {"$lt": 30}}]}, "bob"),
        ({"$and": [{"user": {"$exists": True}}, {"user": {"$ne": "ada"}}]}, "bob cyd"),
        ({"$and": [{"user": {"$exists": True}}, {"user": {"$nin": ["ada", "bob"]}}]}, "cyd"),
        ({"$and": [{"user": "nobody"}]}, ""),
    ],
)
def test_a_filter_keeps_exactly_what_matches(people: Desk, document: Any, keys: str) -> None:
    assert query(people, document) == set(keys.split())


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        "x",
        {"a": 1, "b": 2},
        {"$and": [{"a": 1, "b": 2}]},
        {"$or": [{"a": 1}, {"b": 2, "c": 3}]},
        {"a": 1, "$and": [{"b": 2}]},
        {"$and": [{"a": 1}], "$or": [{"b": 2}]},
        {"a": {"$regex": "x"}},
        {"$not": {"a": 1}},
        {"$nor": [{"a": 1}]},
        {"a": {}},
        {"a": {"$eq": 1, "b": 2}},
        {"a": None},
        {"a": {"$eq": None}},
        {"a": {"$in": [None]}},
        {"a": ["x"]},
        {"a": {"$eq": ["x"]}},
        {"a": {"$in": []}},
        {"a": {"$nin": []}},
        {"a": {"$in": "x"}},
        {"a": {"$in": [["x"]]}},
        {"$and": []},
        {"$or": []},
        {"$and": {"a": 1}},
        {"a": {"$and": [{"$eq": 1}]}},
        {"a": {"$or": [1]}},
        {"$and": ["x"]},
        {"$and": [{}]},
        {"$and": [None]},
        {"a": {"$gt": "x"}},
        {"a": {"$lte": True}},
        {"a": {"$exists": 1}},
        {"a": {"$exists": "true"}},
        {"a": {"$startsWith": 1}},
        {"a": {"b": 1}},
        {"a": {"$eq": {"b": 1}}},
    ],
)
def test_a_malformed_filter_is_refused_without_a_hint(people: Desk, document: Any) -> None:
    found = refusal(people.keys, filter=document)
    assert found == invalid("Invalid filter", ("filter", "Invalid filter"))


def test_a_non_filterable_key_is_refused_by_name(people: Desk) -> None:
    text = "Invalid use of non-filterable metadata in filter"
    nested = {"$or": [{"user": "ada"}, {"secret": {"$exists": True}}]}
    for document in ({"secret": "x"}, nested):
        assert refusal(people.keys, filter=document) == invalid(text, ("filter", text))


@pytest.mark.parametrize(
    "build",
    [
        lambda count: {"user": {"$in": [f"u{i}" for i in range(count)]}},
        lambda count: {"$or": [{"user": f"u{i}"} for i in range(count)]},
        lambda count: {"$and": [{"user": {"$in": ["a", "b"]}}]
                       + [{"age": {"$gt": 1}}] * (count - 2)},
    ],
)  # fmt: skip
def test_a_hundred_constraints_pass_and_101_do_not(people: Desk, build: Any) -> None:
    query(people, build(100))
    assert refusal(people.keys, filter=build(101)).message == "Invalid filter"


def test_ne_on_an_absent_field_follows_the_switch(standin: StandIn, people: Desk) -> None:
    for document in ({"user": {"$ne": "ada"}}, {"user": {"$nin": ["ada"]}}):
        standin.set_switches(ne_absent="refuse")
        assert "which AWS does not document" in refusal(people.keys, filter=document).message
        standin.set_switches(ne_absent="match")
        assert query(people, document) == {"bob", "cyd", "nil"}
        standin.set_switches(ne_absent="skip")
        assert query(people, document) == {"bob", "cyd"}


def test_ne_is_not_refused_while_every_vector_has_the_field(desk: Desk) -> None:
    desk.fill({key: row for key, row in ROWS.items() if key != "nil"})
    assert query(desk, {"user": {"$ne": "ada"}}) == {"bob", "cyd"}
    assert query(desk, {"tags": {"$exists": False}}) == {"cyd"}


def test_ne_on_an_array_means_no_element_equals(people: Desk) -> None:
    present = {"tags": {"$exists": True}}
    assert query(people, {"$and": [present, {"tags": {"$ne": "x"}}]}) == {"bob"}


def test_boto3_drops_a_none_filter_silently(people: Desk, standin: StandIn) -> None:
    checked = standin.client("s3vectors")
    found = checked.query_vectors(
        **people.address, topK=10, queryVector={"float32": [1.0, 0.0, 0.0]}, filter=None
    )
    assert len(found["vectors"]) == len(ROWS)
