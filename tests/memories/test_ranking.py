"""Ranking: small claims on hostile input, and what it finds in the example memories."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_core.embedders import Embedder
from memory_core.memories.ranking import Ranked, Ranker, terms
from tests.support.paths import MEMORIES


def axes(*places: int) -> np.ndarray[Any, Any]:
    return np.eye(8, dtype=np.float32)[list(places)]


def by_words(question: str, *texts: str) -> list[str]:
    """The texts in the order of their words alone, those without any match left out."""
    ranker = Ranker(texts, axes(*[0] * len(texts)))
    ranked = ranker.rank(question, axes(1)[0], len(texts))
    return [texts[one.position] for one in ranked if one.bm25 > 0]


def test_no_texts_have_no_ranking() -> None:
    assert Ranker([], np.zeros((0, 8), dtype=np.float32)).rank("a", axes(0)[0], 5) == []


def test_equal_scores_keep_the_order_given() -> None:
    texts = ["same", "other"] * 40
    ranked = Ranker(texts, axes(*[0, 1] * 40)).rank("same", axes(0)[0], 80)
    assert [one.position for one in ranked] == [*range(0, 80, 2), *range(1, 80, 2)]
    assert len({one.score for one in ranked}) == 2


def test_no_more_than_the_limit_is_returned_and_it_is_the_best() -> None:
    ranker = Ranker([f"text {number}" for number in range(8)], axes(*range(8)))
    whole = ranker.rank("text 5", axes(5)[0], 8)
    assert whole[0].position == 5
    assert ranker.rank("text 5", axes(5)[0], 3) == whole[:3]


def test_a_perfect_answer_scores_near_one_and_a_foreign_text_near_nothing() -> None:
    texts = ["the hydraulic valve leaks", "a birthday cake"]
    first, second = Ranker(texts, axes(0, 1)).rank("hydraulic valve leaks", axes(0)[0], 2)
    assert first.cosine == 1.0
    assert first.score > 0.6
    assert (second.cosine, second.bm25, second.score) == (0.0, 0.0, 0.0)


def test_an_opposite_vector_scores_nothing_and_not_less() -> None:
    (one,) = Ranker(["text"], -axes(0)).rank("other", axes(0)[0], 1)
    assert (one.cosine, one.score) == (0.0, 0.0)


def test_words_that_no_text_has_make_the_match_smaller() -> None:
    texts = ["the cat sleeps", "the dog barks", "it rains"]

    def best(question: str) -> float:
        return Ranker(texts, axes(0, 0, 0)).rank(question, axes(1)[0], 1)[0].bm25

    assert best("cat sleeps") > best("cat sleeps zeppelin") > best("zeppelin cat quartz prism") > 0


HOSTILE = st.text(max_size=25) | st.sampled_from(
    [
        "",
        " ",
        "the of and",
        "\x00",
        "😀",
        "'\"\\",
        "%s",
        "a" * 3_000,
        "١٢٣",
        "İi̇",
        "ﷺ",
        "e\u0301" * 9,
    ]
)


@given(st.lists(HOSTILE, max_size=6), HOSTILE, st.integers(1, 8), st.data())
@settings(deadline=None, max_examples=80)
def test_scores_stay_between_0_and_1_and_fall(
    texts: list[str], question: str, limit: int, data: st.DataObject
) -> None:
    numbers = st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=8)
    rows = np.asarray([*(data.draw(numbers) for _ in texts), data.draw(numbers)], dtype=np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    ranked = Ranker(texts, rows[:-1]).rank(question, rows[-1], limit)
    assert len(ranked) == min(limit, len(texts))
    assert len({one.position for one in ranked}) == len(ranked)
    for one in ranked:
        assert min(one.score, one.cosine, one.bm25) >= 0.0
        assert max(one.score, one.cosine, one.bm25) <= 1.0
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)


def test_japanese_is_found_without_spaces() -> None:
    meeting, allergy = "毎週火曜日の朝九時に定例会議がある。", "彼女は落花生アレルギーです。"
    assert by_words("火曜日の会議", meeting, allergy)[0] == meeting
    assert by_words("落花生", meeting, allergy) == [allergy]


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("grant aplication", "The grant application is due in May."),
        ("cashwes", "Cashews give her hives."),
        ("Steuererklaerung Finanzamt", "Die Steuererklärung geht ans Finanzamt."),
        ("demenage Lille", "Elle a déménagé à Lille."),
        ("inspection camera", "He sent the inspection cameras back."),
        ("CASHEWS", "Cashews give her hives."),
        ("ｃａｓｈｅｗｓ", "Cashews give her hives."),
        ("order 48213", "Her order number is 48213."),
    ],
)
def test_typos_accents_inflections_and_numbers_are_found(question: str, wanted: str) -> None:
    others = [
        "It rains in Ghent.",
        "Der Hund bellt laut.",
        "He plays the cello.",
        "Room 7 is free.",
    ]
    assert by_words(question, *others, wanted)[0] == wanted


@pytest.mark.parametrize("question", ["what is it", "the", "wer ist das", "a"])
def test_a_question_of_stop_words_alone_is_answered_by_meaning(question: str) -> None:
    texts = ["cashews", f"{question} indeed", question]
    first, second, third = Ranker(texts, axes(0, 1, 2)).rank(question, axes(0)[0], 3)
    assert terms(question)
    assert (first.position, first.bm25) == (0, 0.0)
    assert (second.position, third.position) == (2, 1), "the same words are nearer than others"


def test_stop_words_do_not_count_beside_telling_words() -> None:
    assert terms("what is the password") == terms("password")


def test_asking_twice_gives_the_same() -> None:
    ranker = Ranker(["one text", "another text"], axes(0, 1))
    assert ranker.rank("text", axes(1)[0], 2) == ranker.rank("text", axes(1)[0], 2)


# Over the example memories: twelve people, eight languages.


@dataclass(frozen=True)
class Person:
    keys: Sequence[str]
    ranker: Ranker


@pytest.fixture(scope="module")
def people(embedder: Embedder) -> Mapping[str, Person]:
    found = {}
    for path in sorted((MEMORIES / "people").glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        texts = [row["memory"] for row in rows]
        ranker = Ranker(texts, embedder.embed(texts))
        found[path.stem.lower()] = Person([row["metadata"]["key"] for row in rows], ranker)
    assert len(found) == 12
    return found


@dataclass(frozen=True)
class Answered:
    """A question, the keys that answer it, and every memory of the person as it was ranked."""

    question: str
    wanted: frozenset[str]
    keys: Sequence[str]
    ranked: Sequence[Ranked]

    def found(self, part: str, first: int) -> float:
        """Which share of the answers stands among the first by `score`, `cosine` or `bm25`."""
        by_place = sorted(self.ranked, key=lambda one: one.position)
        order = sorted(by_place, key=lambda one: -getattr(one, part))
        top = {self.keys[one.position] for one in order[:first]}
        return len(top & self.wanted) / min(first, len(self.wanted))


def answered(name: str, people: Mapping[str, Person], embedder: Embedder) -> Iterable[Answered]:
    for one in json.loads((MEMORIES / name).read_text())["questions"]:
        person = people[one["user"]]
        question = one["question"]
        values = embedder.embed([question])[0]
        ranked = person.ranker.rank(question, values, len(person.keys))
        assert set(one["answers"]) <= set(person.keys)
        yield Answered(question, frozenset(one["answers"]), person.keys, ranked)


def test_the_fusion_finds_at_least_what_each_of_its_parts_finds(
    people: Mapping[str, Person], embedder: Embedder
) -> None:
    questions = list(answered("questions-large.json", people, embedder))
    assert len(questions) == 308
    share = {
        part: sum(one.found(part, 10) for one in questions) / len(questions)
        for part in ("score", "cosine", "bm25")
    }
    assert share["score"] >= max(share["cosine"], share["bm25"]), share
    assert min(share["cosine"], share["bm25"]) > 0.5, "a part has failed altogether"


def test_the_readme_questions_are_answered_in_the_first_three(
    people: Mapping[str, Person], embedder: Embedder
) -> None:
    questions = list(answered("questions.json", people, embedder))
    missed = [one.question for one in questions if not one.found("score", 3)]
    assert len(questions) == 20
    assert len(missed) <= 2, missed
