from __future__ import annotations

from typing import Any

import pytest

from standin import StandIn
from standin.text import bm25, tokenize
from tests.support.standin_requests import Desk, refusal, vector

CONFIGURATION = {
    "nonFilterableMetadataKeys": ["body"],
    "textSearchConfigurations": [
        {"metadataKey": "body", "language": "en"},
        {"metadataKey": "title"},
    ],
}
ROWS: dict[str, tuple[tuple[float, ...], dict[str, str]]] = {
    "tea": ((1, 0, 0), {"body": "The user drinks green tea, tea and more tea", "title": "drinks"}),
    "dog": ((0, 1, 0), {"body": "The user walks two dogs before tea", "title": "animals"}),
    "car": ((0, 0, 1), {"body": "The user sold the car", "title": "green cars"}),
    "mute": ((1, 0.2, 0), {}),
}


@pytest.fixture
def library(standin: StandIn, unchecked_client: Any, name: str) -> Desk:
    desk = Desk.opened(unchecked_client, name, metadataConfiguration=CONFIGURATION)
    desk.put_vectors(vectors=[vector(key, row, **text) for key, (row, text) in ROWS.items()])
    return desk


def texts(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"metadataKey": key, "text": text} for key, text in pairs]


def search(desk: Desk, **params: Any) -> list[dict[str, Any]]:
    defaults: dict[str, Any] = {"topK": 10, "returnScores": True, "returnDistance": True}
    return desk.query_vectors(**(defaults | params))["vectors"]


def test_text_alone_is_ranked_by_bm25(library: Desk) -> None:
    found = search(library, queryTexts=texts(("body", "Tea")))
    assert [entry["key"] for entry in found] == ["tea", "dog"]
    scores = [entry["scores"] for entry in found]
    assert all(set(score) == {"bm25Scores"} for score in scores)
    assert scores[0]["bm25Scores"][0]["score"] > scores[1]["bm25Scores"][0]["score"] > 0
    assert scores[0]["bm25Scores"][0]["metadataKey"] == "body"
    assert "distance" not in found[0]


def test_no_shared_word_means_no_result(library: Desk) -> None:
    assert search(library, queryTexts=texts(("body", "submarine"))) == []


def test_the_english_analyzer_drops_stop_words_and_plurals(library: Desk) -> None:
    assert search(library, queryTexts=texts(("body", "the"))) == []
    found = search(library, queryTexts=texts(("body", "dog")))
    assert [entry["key"] for entry in found] == ["dog"]
    assert search(library, queryTexts=texts(("title", "car"))) == []


def test_several_texts_score_each_key_that_matched(library: Desk) -> None:
    found = search(library, queryTexts=texts(("body", "tea"), ("title", "green drinks")))
    scores = {e["key"]: {s["metadataKey"] for s in e["scores"]["bm25Scores"]} for e in found}
    assert scores == {"tea": {"body", "title"}, "dog": {"body"}, "car": {"title"}}
    assert found[0]["key"] == "tea"
    assert all("fused" not in entry["scores"] for entry in found)


def test_hybrid_results_are_fused_by_reciprocal_rank(library: Desk) -> None:
    found = search(
        library, queryTexts=texts(("body", "tea")), queryVector={"float32": [0.9, 0, 0.1]}
    )
    by_key = {entry["key"]: entry["scores"] for entry in found}
    assert found[0]["key"] == "tea"
    assert by_key["tea"]["fused"] == pytest.approx(1 / 61 + 1 / 61)
    assert by_key["mute"]["fused"] == pytest.approx(1 / 62)
    assert "bm25Scores" not in by_key["mute"]
    assert all("vectorDistance" in score for score in by_key.values())
    assert [s["fused"] for s in by_key.values()] == sorted(
        (s["fused"] for s in by_key.values()), reverse=True
    )


def test_scores_come_only_when_asked_for(library: Desk) -> None:
    (found, *_) = search(library, queryTexts=texts(("body", "tea")), returnScores=False)
    assert set(found) == {"key"}


def test_a_filter_applies_before_the_search(library: Desk) -> None:
    found = search(library, queryTexts=texts(("body", "tea")), filter={"title": "animals"})
    assert [entry["key"] for entry in found] == ["dog"]


def test_queries_see_the_latest_writes(library: Desk) -> None:
    library.put_vectors(vectors=[vector("new", body="a submarine")])
    assert [e["key"] for e in search(library, queryTexts=texts(("body", "submarine")))] == ["new"]
    library.delete_vectors(keys=["new"])
    assert search(library, queryTexts=texts(("body", "submarine"))) == []


@pytest.mark.parametrize(
    "wanted",
    [
        texts(("other", "tea")),
        texts(("body", "tea"), ("body", "dog")),
    ],
)
def test_texts_aim_at_distinct_searchable_keys(library: Desk, wanted: Any) -> None:
    assert refusal(library.query_vectors, topK=1, queryTexts=wanted).code == "ValidationException"


def test_a_key_added_later_is_backfilled_and_builds_for_a_while(
    standin: StandIn, desk: Desk
) -> None:
    desk.put("k", body="green tea")
    standin.set_switches(text_build_s=60)
    desk.update_metadata_configuration(add={"textSearchConfigurations": [{"metadataKey": "body"}]})

    def status() -> str:
        configuration = desk.get_index()["index"]["metadataConfiguration"]
        return configuration["textSearchConfigurations"][0]["status"]

    wanted = texts(("body", "tea"))
    assert status() == "BUILDING"
    assert refusal(desk.query_vectors, topK=1, queryTexts=wanted).code == "ValidationException"
    standin.set_switches(clock_offset_s=61)
    assert status() == "ACTIVE"
    assert [entry["key"] for entry in search(desk, queryTexts=wanted)] == ["k"]


def test_text_pages_like_any_query(standin: StandIn, library: Desk) -> None:
    standin.set_switches(page_size=1)
    wanted = texts(("body", "tea"))
    query = {**library.address, "topK": 10, "queryTexts": wanted}
    pages = library.client.get_paginator("query_vectors").paginate(**query)
    assert [[e["key"] for e in page["vectors"]] for page in pages] == [["tea"], ["dog"]]


def test_bm25_by_hand() -> None:
    scores = bm25({0: "a b", 1: "a a a a", 2: "c"}, "a", None)
    # idf ln(1 + 1.5/2.5), average length 7/3
    assert scores == pytest.approx({0: 0.49918, 1: 0.70788}, abs=1e-5)


def test_ideographs_are_words() -> None:
    assert tokenize("緑茶 Tea", "ja") == ("緑", "茶", "tea")
