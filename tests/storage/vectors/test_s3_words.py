"""The index asked for words and nearness at once, where it can be, and for nearness where not."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from memory_core import BackendError, open_service
from memory_core.model.user_id import UserId
from memory_core.storage.vectors import Vector
from standin.httpd import Request, Response
from tests.support.s3_bench import DIMENSIONS, Bench, in_front, open_bench, refusal

ANN = UserId("ann")
FAR = "The invoice number is XK-4711."


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


def towards(axis: int) -> Any:
    return np.eye(1, DIMENSIONS, axis, dtype=np.float32)[0]


def fill(store: Any) -> None:
    """Put 150 vectors that are near to axis 0, and one far away whose text has a rare word."""
    near = [
        Vector(f"near {n}", {"user_id": "ann", "data": f"note {n}"}, towards(0)) for n in range(150)
    ]
    store.put([*near, Vector("far", {"user_id": "ann", "data": FAR}, towards(1))])
    store.put([Vector("bob's", {"user_id": "bob", "data": FAR}, towards(1))])


def test_a_rare_word_is_found_however_far_its_vector_is(bench: Bench) -> None:
    store = bench.store()
    fill(store)
    bench.standin.reset_requests()
    found = dict(store.query(ANN, towards(0), 100, "what is XK-4711"))
    assert len(found) == 100
    assert found.pop("far") in (None, pytest.approx(0.0, abs=1e-6))
    assert list(found.values()) == [pytest.approx(1.0)] * 99
    assert all(key.startswith("near") for key in found)
    assert bench.asked() == bench.asked("QueryVectors")
    assert "far" not in dict(store.query(ANN, towards(0), 100))


def test_the_service_finds_it_and_ranks_it_first(bench: Bench) -> None:
    lines = [json.dumps({"memory": f"On day {n} it was sunny and warm."}) for n in range(300)]
    lines.append(json.dumps({"memory": FAR}))
    with open_service(bench.settings) as service:
        service.add_document(ANN, "days.jsonl", "\n".join(lines).encode(), isolate=False)
        hit = service.query_memories(ANN, "sunny day XK-4711", mode="index", limit=1)[0]
    assert hit.memory.memory == FAR


def test_a_question_longer_than_the_service_takes_is_cut(bench: Bench) -> None:
    store = bench.store()
    fill(store)
    assert "far" in dict(store.query(ANN, towards(0), 100, "XK-4711 " + "é" * 5_000))


def test_an_index_that_cannot_search_texts_is_asked_for_nearness_alone(bench: Bench) -> None:
    bench.standin.set_switches(classic_only=True)
    store = bench.store()
    fill(store)
    assert len(store.query(ANN, towards(0), 100, "XK-4711")) == 100
    assert store.describe().searchable_keys == ()


def test_an_index_that_is_still_reading_its_texts_is_asked_for_nearness_alone(bench: Bench) -> None:
    store = bench.store()
    fill(store)
    bench.standin.set_switches(text_build_s=3_600.0)
    client = bench.standin.client("s3vectors")
    for change in (
        {"delete": {"textSearchConfigurations": [{"metadataKey": "data"}]}},
        {"add": {"textSearchConfigurations": [{"metadataKey": "data"}]}},
    ):
        arn = client.get_index(**bench.index.address)["index"]["indexArn"]
        client.update_metadata_configuration(indexArn=arn, **change)
    again = bench.store(create=False)
    assert again.describe().searchable_keys == ()
    assert len(again.query(ANN, towards(0), 100, "XK-4711")) == 100


def test_a_service_that_refuses_words_is_asked_without_and_it_is_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    fill(bench.store())

    def answer(request: Request) -> Response | None:
        if b"queryTexts" not in request.body:
            return None
        return refusal(400, "ValidationException", "Unsupported analyzer")

    with in_front(bench.standin, "s3vectors", answer) as url:
        store = bench.store(settings=replace(bench.settings, endpoint_s3vectors=url))
        with caplog.at_level(logging.WARNING, logger="memory_core"):
            assert len(store.query(ANN, towards(0), 100, "XK-4711")) == 100
    assert "Unsupported analyzer" in caplog.text


def test_any_other_refusal_of_words_is_an_error(bench: Bench) -> None:
    store = bench.store()
    fill(store)
    bench.standin.add_fault("deny", operation="QueryVectors")
    with pytest.raises(BackendError, match="s3vectors:QueryVectors"):
        store.query(ANN, towards(0), 100, "XK-4711")
