"""What `VectorStore` promises, sentence by sentence, over every store."""

from __future__ import annotations

from math import isclose
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory_core.errors import InvalidMemory
from memory_core.model.limits import MAX_MEMORY_BYTES, check_metadata
from memory_core.model.user_id import UserId
from memory_core.storage.vectors import Vector, VectorStore
from tests.support.places import DIMENSIONS, KINDS, QUERIED, Place

TEXTS = {
    "accents": "Zoë naïve Straße",
    "emoji": "👩‍👩‍👧‍👦 🇺🇳 e\u0301",
    "right to left": "שלום \u202eevil",
    "nul": "before\x00after",
    "line ends": "a\r\nb\rc\n\u2028d\x1b[31m",
    "32 KB": "é" * (MAX_MEMORY_BYTES // 2),
    "blank edges": "  two  ",
    "quotes": "'; DROP TABLE memories; -- \" \\",
}
METADATA: dict[str, Any] = {
    "text": "x",
    "empty text": "",
    "nul": "a\x00b",
    "whole number": 2**53,
    "negative": -7,
    "fraction": 0.1,
    "small": 5e-324,
    "whole fraction": 3.0,
    "true": True,
    "false": False,
    "zero": 0,
    "texts": ["a", "ü", ""],
    "numbers": [1, 2, 2**53],
    "fractions": [0.5, 2.0],
    "a.b[c]/d": "key with marks",
    "ключ 🔑": "key in another script",
}
# Enough to need more than one request of every kind: 500 are put and deleted at once, 100 read.
# More than a page of keys, a thousand, are tried on Amazon and NooBaa: with the manners of the
# others a page holds as many, and in the worst case it holds one.
AMOUNTS = dict.fromkeys((kind for kind in KINDS if kind.startswith("s3_vectors_")), 510)
AMOUNTS["s3_vectors_noobaa"] = 1200
# More than is read at once; each key is a page.
AMOUNTS["s3_vectors_worst"] = 120
# What metadata goes through is the same for every kind of S3 Vectors, so one tries it in earnest.
EXAMPLES = {kind: 10 for kind in KINDS if kind.startswith("s3_vectors_")}


queried = pytest.mark.parametrize("place", QUERIED, indirect=True)


def unit(*numbers: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    values = np.zeros(DIMENSIONS, dtype=np.float32)
    values[: len(numbers)] = numbers
    return values / np.linalg.norm(values)


def vector(key: str, user: str = "ann", at: float = 0.0, /, **payload: Any) -> Vector:
    return Vector(key, {"user_id": user, "data": key, **payload}, unit(np.cos(at), np.sin(at)))


def nearest(store: VectorStore, user: str, values: Any, limit: int) -> list[tuple[str, float]]:
    return store.query(UserId(user), values, limit)


def _same(found: Any, put: Any) -> bool:
    if isinstance(put, float):
        # ChromaDB 1.5.9 returns one fraction in ten with its last bit changed.
        return isinstance(found, float) and isclose(found, put, rel_tol=1e-15)
    if isinstance(put, list):
        return len(found) == len(put) and all(map(_same, found, put))
    return type(found) is type(put) and bool(found == put)


def payloads(store: VectorStore, *keys: str) -> dict[str, dict[str, Any]]:
    return {key: dict(found.payload) for key, found in store.get(keys).items()}


def test_get_returns_what_was_put(store: VectorStore) -> None:
    store.put([vector("a", "ann", 0.3, topic="diet")])
    found = store.get(["a"], with_values=True)["a"]
    assert found.key == "a"
    assert found.payload == {"user_id": "ann", "data": "a", "topic": "diet"}
    assert found.values is not None
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, unit(np.cos(0.3), np.sin(0.3)), atol=1e-6)
    # Values are left out unless asked for.
    assert store.get(["a"])["a"].values is None


def test_get_takes_any_iterable_with_repetitions_and_leaves_out_what_is_missing(
    store: VectorStore,
) -> None:
    store.put([vector(key) for key in "abc"])
    found = store.get(key for key in ("c", "a", "c", "x", "b", "a"))
    assert {key: each.payload["data"] for key, each in found.items()} == {
        "a": "a",
        "b": "b",
        "c": "c",
    }
    assert set(store.get(["x", "a", "y"], with_values=True)) == {"a"}
    assert store.get(["x"]) == {}
    assert store.get(["x"], with_values=True) == {}


def test_nothing_is_a_valid_amount(store: VectorStore) -> None:
    store.put([])
    store.delete([])
    assert store.get([]) == {}
    assert list(store.keys()) == []
    assert nearest(store, "ann", unit(1), 5) == []


def test_put_replaces_payload_and_values_wholly(store: VectorStore) -> None:
    store.put([vector("a", topic="diet", stars=5, tags=["x", "y"])])
    store.put([vector("a", "bob", 1.0, stars="many")])
    found = store.get(["a"], with_values=True)["a"]
    assert found.payload == {"user_id": "bob", "data": "a", "stars": "many"}
    assert found.values is not None
    np.testing.assert_allclose(found.values, unit(np.cos(1), np.sin(1)), atol=1e-6)
    assert nearest(store, "ann", unit(1), 5) == []
    assert list(store.keys()) == ["a"]


def test_repeating_a_put_changes_nothing(store: VectorStore) -> None:
    for _ in range(3):
        store.put([vector("a", topic="diet")])
    assert list(store.keys()) == ["a"]
    assert payloads(store, "a") == {"a": {"user_id": "ann", "data": "a", "topic": "diet"}}
    assert store.describe().vectors in (1, None)


def test_of_equal_keys_in_one_put_the_last_stays(store: VectorStore) -> None:
    store.put([vector("a", n=1), vector("b"), vector("a", n=2, last=True)])
    assert payloads(store, "a")["a"] == {"user_id": "ann", "data": "a", "n": 2, "last": True}
    assert sorted(store.keys()) == ["a", "b"]


def test_a_payload_changed_after_the_put_stays_as_it_was_put(store: VectorStore) -> None:
    payload = {"user_id": "ann", "data": "before"}
    store.put([Vector("a", payload, unit(1))])
    payload["data"] = "after"
    assert payloads(store, "a")["a"]["data"] == "before"


def test_texts_come_back_letter_for_letter(store: VectorStore) -> None:
    store.put([vector(name, data=text) for name, text in TEXTS.items()])
    found = payloads(store, *TEXTS)
    assert {name: payload["data"] for name, payload in found.items()} == TEXTS


def test_every_kind_of_metadata_comes_back_as_it_was(store: VectorStore) -> None:
    checked = {key: check_metadata({key: value}) for key, value in METADATA.items()}
    # One after the other: each makes the index know a key.
    for key, metadata in checked.items():
        store.put([vector(key, **metadata)])
    for key, found in payloads(store, *checked).items():
        assert found == {"user_id": "ann", "data": key, **checked[key]}
        assert type(found[key]) is type(checked[key][key])


_FRACTIONS = st.floats(-(2.0**53), 2.0**53)
_VALUES = st.one_of(
    st.text(max_size=20),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    _FRACTIONS,
    st.lists(st.text(max_size=5), min_size=1, max_size=3),
    st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=3),
    st.lists(_FRACTIONS, min_size=1, max_size=3),
)


def test_whatever_the_limits_let_pass_comes_back_equal(place: Place, store: VectorStore) -> None:
    keys = st.builds(str.__add__, st.sampled_from(["", "#", "$", "chroma:", "_", "."]), st.text())
    examples = EXAMPLES.get(place.kind, 60)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(keys, _VALUES, max_size=5))
    def round_trip(metadata: dict[str, Any]) -> None:
        try:
            checked = check_metadata(metadata)
        except InvalidMemory:
            return
        store.put([vector("a", **checked)])
        found = payloads(store, "a")["a"]
        assert found.keys() == {"data", "user_id"} | checked.keys()
        assert all(_same(found[key], value) for key, value in checked.items())

    round_trip()


def test_a_batch_larger_than_any_page_is_kept_whole(place: Place, store: VectorStore) -> None:
    many = AMOUNTS.get(place.kind, 1200)
    keys = [f"k{number:04}" for number in range(many)]
    store.put([vector(key, "ann", number / many) for number, key in enumerate(keys)])
    assert sorted(store.keys()) == keys
    found = store.get(reversed(keys), with_values=True)
    assert set(found) == set(keys)
    assert all(one.payload["data"] == key and one.values is not None for key, one in found.items())
    assert store.describe().vectors in (many, None)
    store.delete(keys[:-1])
    assert list(store.keys()) == keys[-1:]


def test_delete_removes_and_may_be_repeated(store: VectorStore) -> None:
    store.put([vector(key) for key in "abc"])
    store.delete(["a", "x", "a"])
    store.delete(key for key in ("a", "b"))
    assert list(store.keys()) == ["c"]
    assert set(store.get("abc")) == {"c"}
    assert {key for key, _ in nearest(store, "ann", unit(1), 5)} <= {"c"}
    store.put([vector("a", again=True)])
    assert payloads(store, "a")["a"] == {"user_id": "ann", "data": "a", "again": True}


@queried
def test_query_returns_the_cosine_nearest_first(place: Place, store: VectorStore) -> None:
    angles = {"a": 0.0, "b": 0.4, "c": 1.2, "d": 2.0, "e": 3.0}
    store.put([vector(key, "ann", angle) for key, angle in angles.items()])
    found = nearest(store, "ann", unit(np.cos(0.1), np.sin(0.1)), 10)
    keys = [key for key, _ in found]
    assert keys == sorted(keys)
    assert keys == list(angles) or not place.finds_all
    for key, cosine in found:
        assert cosine == pytest.approx(np.cos(angles[key] - 0.1), abs=1e-3)
    assert nearest(store, "ann", unit(np.cos(0.1), np.sin(0.1)), 2) == found[:2]


@queried
def test_query_returns_only_the_users_own(place: Place, store: VectorStore) -> None:
    users = ["ann", "an", "ann ", "ann%", "ANN", "*", "ann\x00", "ann'--"]
    store.put([vector(f"{user} {n}", user) for user in users for n in range(3)])
    for user in users:
        found = {key for key, _ in nearest(store, user, unit(1), 100)}
        own = {f"{user} {n}" for n in range(3)}
        assert found == own if place.finds_all else found <= own
    assert nearest(store, "nobody", unit(1), 5) == []


def test_describe_says_dimensions_metric_and_count(place: Place, store: VectorStore) -> None:
    store.put([vector("a"), vector("b")])
    info = store.describe()
    assert (info.dimensions, info.metric) == (DIMENSIONS, "cosine")
    assert info.vectors == (2 if place.counts else None)
    assert info.backend
    assert info.name


@pytest.mark.parametrize("place", [kind for kind in KINDS if kind != "in_memory"], indirect=True)
def test_an_index_that_is_persistent_keeps_everything_when_opened_again(place: Place) -> None:
    store = place.store(DIMENSIONS)
    store.put([vector(key, n=1) for key in "abc"])
    store.put([vector("a", last=True)])
    store.delete(["b"])
    store.close()
    store = place.store(DIMENSIONS)
    assert payloads(store, *"abc") == {
        "a": {"user_id": "ann", "data": "a", "last": True},
        "c": {"user_id": "ann", "data": "c", "n": 1},
    }
    assert all(one.values is not None for one in store.get("ac", with_values=True).values())
    store.close()
