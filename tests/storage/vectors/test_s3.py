"""The S3 Vectors store: few requests, whole answers, and nobody else's vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from memory_core import AccessDenied, BackendError, BackendUnavailable, IndexMismatch, InvalidUserId
from memory_core.model.limits import MAX_MEMORY_BYTES
from memory_core.storage.vectors import Vector
from memory_core.storage.vectors.s3 import AMAZONS, owned_by, put_requests, shortest_decimals
from standin.httpd import Request, Response
from tests.support.s3_bench import DIMENSIONS, Bench, in_front, open_bench, refusal


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


def unit(angle: float, dimensions: int = DIMENSIONS) -> Any:
    values = np.zeros(dimensions, dtype=np.float32)
    values[:2] = np.cos(angle), np.sin(angle)
    return values


def vector(key: str, angle: float = 0.0, user: str = "ann", **payload: Any) -> Vector:
    return Vector(key, {"user_id": user, "data": key, **payload}, unit(angle))


def test_a_put_whose_answer_is_lost_is_repeated_without_doubles(bench: Bench) -> None:
    store = bench.store()
    bench.standin.add_fault("drop_after", operation="PutVectors")
    store.put([vector("a"), vector("b")])
    bench.standin.add_fault("drop_after", operation="DeleteVectors")
    store.delete(["a"])
    assert list(store.keys()) == ["b"]


def test_large_amounts_go_in_as_few_requests_as_allowed(bench: Bench) -> None:
    store = bench.store()
    keys = [f"k{number:04}" for number in range(1200)]
    bench.standin.reset_requests()
    store.put([vector(key, number / 400) for number, key in enumerate(keys)])
    assert len(store.get(keys)) == 1200
    store.delete([*keys, "k0000"])
    assert bench.standin.request_counts() == {
        "s3vectors:PutVectors": 3, "s3vectors:GetVectors": 12, "s3vectors:DeleteVectors": 3,
    }  # fmt: skip
    assert bench.standin.warnings() == []


def test_large_texts_are_spread_over_requests(bench: Bench) -> None:
    store = bench.store()
    # Escaped in JSON, a control character takes six times its byte.
    text = "\x01" * MAX_MEMORY_BYTES
    store.put([vector(f"k{number}", data=text) for number in range(100)])
    sizes = [one.bytes_in for one in bench.standin.requests() if one.operation == "PutVectors"]
    assert len(sizes) == 2
    assert max(sizes) < AMAZONS.body_bytes + 1024
    assert store.get(["k7"])["k7"].payload["data"] == text


def test_a_request_is_measured_as_botocore_writes_it() -> None:
    vectors = [vector(f"k{number}", data="ü👪\n" * 5000) for number in range(200)]
    requests = list(put_requests(vectors, DIMENSIONS, "it"))
    assert [one["key"] for request in requests for one in request] == [one.key for one in vectors]
    assert all(len(json.dumps(request)) <= AMAZONS.body_bytes for request in requests)
    assert len(json.dumps(requests[0])) > AMAZONS.body_bytes * 0.97


def test_components_are_short_and_round_to_the_same_float32() -> None:
    rows = np.random.default_rng(5).standard_normal((200, 256)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    odd = np.array([0.0, -0.0, 1.0, -1.0, 1e-30, 3e38, 1e-45, 0.1, 123456.789], dtype=np.float32)
    for values in (*rows, odd):
        short = shortest_decimals(values)
        assert np.array_equal(np.asarray(short, dtype=np.float32), values)
    length = len(json.dumps([shortest_decimals(values) for values in rows])) / rows.size
    assert length < 14


def test_values_come_back_as_the_same_float32(bench: Bench) -> None:
    store = bench.store()
    values = np.random.default_rng(6).standard_normal(DIMENSIONS).astype(np.float32)
    store.put([Vector("a", {"user_id": "ann", "data": "x"}, values)])
    found = store.get(["a"], with_values=True)["a"].values
    assert found is not None
    assert found.dtype == np.float32
    assert np.array_equal(found, values)


@pytest.mark.parametrize(
    "values",
    [None, unit(0, 7), np.zeros(8, np.float32), np.full(8, np.nan, np.float32),
     np.full(8, np.inf, np.float32)],
    ids=["none", "short", "zero", "nan", "inf"],
)  # fmt: skip
def test_a_vector_that_cannot_be_stored_is_refused_before_it_is_sent(
    bench: Bench, values: Any
) -> None:
    store = bench.store()
    with pytest.raises(BackendError, match=r"memory 'b'.*8 finite numbers"):
        store.put([vector("a"), Vector("b", {"user_id": "ann"}, values)])
    assert bench.asked("PutVectors") == 0


def test_a_key_that_cannot_exist_is_missing_and_no_error(bench: Bench) -> None:
    store = bench.store()
    odd = ["", "ü" * 600, "x" * 2000, "\ud800"]
    assert store.get(odd) == {}
    store.delete(odd)


def test_none_in_a_payload_is_left_out(bench: Bench) -> None:
    store = bench.store()
    store.put([vector("a", agent_id=None)])
    assert store.get(["a"])["a"].payload == {"user_id": "ann", "data": "a"}


@pytest.mark.parametrize("page_size", [None, 1, 7])
def test_a_full_scan_finds_every_key_once_whatever_the_pages(
    bench: Bench, page_size: int | None
) -> None:
    store = bench.store()
    keys = [f"k{number}" for number in range(40)]
    store.put([vector(key) for key in keys])
    bench.standin.set_switches(page_size=page_size)
    assert sorted(store.keys()) == sorted(keys)


def test_a_query_follows_its_pages(bench: Bench) -> None:
    store = bench.store()
    store.put([vector(f"k{number:03}", number / 100) for number in range(250)])
    found = store.query("ann", unit(0), 250)  # type: ignore[arg-type]
    assert [key for key, _ in found] == [f"k{number:03}" for number in range(250)]
    assert bench.asked("QueryVectors") == 3


def test_a_query_whose_pages_expired_begins_again(bench: Bench) -> None:
    store = bench.store()
    store.put([vector(f"k{number}", number) for number in range(3)])
    stale = iter([True, False])

    def answer(request: Request) -> Response | None:
        if b"nextToken" not in request.body or not next(stale, False):
            return None
        return refusal(400, "ValidationException", "Invalid page token")

    bench.standin.set_switches(page_size=1)
    with in_front(bench.standin, "s3vectors", answer) as url:
        again = bench.store(settings=replace(bench.settings, endpoint_s3vectors=url))
        found = again.query("ann", unit(0), 3)  # type: ignore[arg-type]
    assert len({key for key, _ in found}) == len(found) == 3


def test_a_query_that_never_ends_well_is_given_up(bench: Bench) -> None:
    store = bench.store()
    store.put([vector(f"k{number}", number) for number in range(3)])
    bench.standin.set_switches(page_size=1)

    def answer(request: Request) -> Response | None:
        if b"nextToken" not in request.body:
            return None
        return refusal(400, "ValidationException", "Invalid page token")

    with in_front(bench.standin, "s3vectors", answer) as url:
        again = bench.store(settings=replace(bench.settings, endpoint_s3vectors=url))
        with pytest.raises(BackendError, match="Invalid page token"):
            again.query("ann", unit(0), 3)  # type: ignore[arg-type]


def test_more_than_the_service_ranks_may_be_asked_for(bench: Bench) -> None:
    assert bench.store().query("ann", unit(0), 1_000_000) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("nobody", [None, "", 0, {}])
def test_a_search_without_a_user_is_impossible(bench: Bench, nobody: Any) -> None:
    store = bench.store()
    with pytest.raises(InvalidUserId):
        owned_by(nobody)
    with pytest.raises(InvalidUserId):
        store.query(nobody, unit(0), 5)
    assert bench.asked("QueryVectors") == 0


def test_an_index_that_vanished_says_how_to_make_it_again(bench: Bench) -> None:
    store = bench.store()
    bench.standin.client("s3vectors").delete_index(**bench.index.address)
    with pytest.raises(IndexMismatch, match="rebuild"):
        store.put([vector("a")])


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("PutVectors", lambda store: store.put([vector("b")])),
        ("GetVectors", lambda store: store.get(["a"])),
        ("GetVectors", lambda store: store.query("ann", unit(0), 5)),
        ("QueryVectors", lambda store: store.query("ann", unit(0), 5)),
        ("ListVectors", lambda store: list(store.keys())),
        ("DeleteVectors", lambda store: store.delete(["a"])),
        ("GetIndex", lambda store: store.describe()),
    ],
)
def test_a_permission_that_is_missing_is_named(bench: Bench, action: str, call: Any) -> None:
    store = bench.store()
    bench.standin.set_switches(deny_actions=[f"s3vectors:{action}"])
    with pytest.raises(AccessDenied, match=f"s3vectors:{action} on .*index/mem0-test-8"):
        call(store)


def test_a_failure_in_one_part_of_a_scan_fails_the_scan(bench: Bench) -> None:
    store = bench.store(budget_s=0)
    bench.standin.add_fault("error503", operation="ListVectors", nth=5)
    with pytest.raises(BackendUnavailable):
        list(store.keys())
