"""The words of a text: stop words of its language, scripts without spaces, and what is marked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_core.memories.word_index import (
    GRAM_WEIGHT,
    WordIndex,
    count_words,
    matched_words,
    matches,
    terms,
)

CONTENT = "dog son want met end man war hat sea door mine".split()
"""English words that are stop words of another language."""


def test_a_question_keeps_its_telling_word_alone() -> None:
    assert terms("Where is my dog?") == ["dog"]


@pytest.mark.parametrize("word", CONTENT)
def test_the_stop_words_of_other_languages_count_in_english(word: str) -> None:
    assert word in terms(f"Where is the {word} of our house?")
    texts = [f"The {word} is called Rex.", "She keeps bees.", "He plays chess."]
    scores, has_words = WordIndex(texts).scores(f"What happened to the {word}?")
    assert has_words
    assert scores[0] > scores[1] == scores[2] == 0.0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Der Hund hat einen Mann und ein Kind gebissen", {"hund", "mann", "kind", "gebissen"}),
        ("La mer est dans le nord de la France", {"mer", "nord", "franc"}),
        ("El fin de la guerra fue en mayo", {"fin", "guerra", "mayo"}),
        ("Hunden bor hos min son i huset", {"hunden", "bor", "hos", "son", "huset"}),
        ("The end of the war", {"end", "war"}),
    ],
)
def test_a_text_loses_the_stop_words_of_its_own_language(text: str, kept: set[str]) -> None:
    assert {term for term in terms(text) if not term.startswith("#")} == kept


@pytest.mark.parametrize("verb", ["must", "may", "might", "shall", "cannot"])
def test_a_modal_verb_is_no_word_of_the_answer(verb: str) -> None:
    assert terms(f"What {verb} she not eat?") == ["eat"]
    texts = [f"The invoice {verb} not be sent to her.", "Fish makes her ill if she eats it."]
    scores, _ = WordIndex(texts).scores(f"What {verb} she not eat?")
    assert scores[0] == 0.0 < scores[1]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("May she eat nuts?", False),
        ("This may not be forgotten", False),
        ("Alice may be late", False),
        ("How much may the kitchen cost?", False),
        ("In May she flies to Rome", True),
        ("The talk in may", True),
        ("On 3 May she flies to Rome", True),
        ("She sings at the May concert", True),
        ("Where does she go this May?", True),
        ("He moved that May", True),
        ("Where does May live?", True),
        ("May", True),
    ],
)
def test_the_verb_may_is_told_from_the_month_and_the_name(text: str, kept: bool) -> None:
    assert ("may" in terms(text)) == kept


def test_as_many_words_of_two_languages_are_english() -> None:
    assert terms("Rex") == ["rex"]
    assert "war" in terms("on war")


def test_pairs_of_characters_are_words_of_scripts_without_spaces() -> None:
    assert terms("落花生") == ["落花", "花生"]
    assert terms("猫") == ["猫"]
    assert set(terms("我的iPhone坏了")) >= {"iphon", "#iph"}
    scores, has_words = WordIndex(["定例会議がある", "花が咲く"]).scores("会議")
    assert has_words
    assert scores[0] > scores[1] == 0.0


def test_trigrams_count_less_than_words_and_are_no_words() -> None:
    assert GRAM_WEIGHT == 0.3
    index = WordIndex(["the garden", "the kindergartens", "a lamp", "a chair"])
    scores, has_words = index.scores("garden")
    assert has_words
    assert scores[0] > 2 * scores[1] > 0.0
    by_form, has_words = index.scores("kindergarden")
    assert not has_words
    assert by_form[1] > by_form[2] == 0.0


def test_no_texts_and_no_words_score_nothing() -> None:
    assert WordIndex([]).scores("dog")[0].tolist() == []
    assert WordIndex(["", "!!!"]).scores("dog")[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("question", "text", "marked"),
    [
        ("Which nuts must she avoid?", "Nuts give her hives, even one nut.", ["Nuts", "nut"]),
        ("When is the station open?", "Bob's train leaves the station.", ["station"]),
        (
            "When is the inspection?",
            "Two inspections, one inspector.",
            ["inspections", "inspector"],
        ),
        ("cafe", "Das Café an der Ecke", ["Café"]),
        ("Steuererklaerung", "Die Steuererklärung ist da.", ["Steuererklärung"]),
        ("火曜日の会議", "毎週火曜日の朝", ["火曜日の"]),
        ("iphone", "我的iPhone坏了", ["iPhone"]),
        ("order 48213", "Order no. 48213 and 4821.", ["Order", "48213"]),
        ("where is the dog", "the cat is where it was", []),
        ("dog", "", []),
    ],
)
def test_words_of_the_question_are_marked_in_any_form(
    question: str, text: str, marked: list[str]
) -> None:
    assert matched_words(question, text) == marked


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=30)
def test_marks_are_in_order_within_the_text_and_apart(question: str, text: str) -> None:
    places = matches(question, text)
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(before[1] < after[0] for before, after in pairwise(places))
    assert count_words(text) >= 0


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("one, two", 2), ("毎週火曜日", 3), ("我的iPhone", 2), ("naïve été", 2)],
)
def test_words_are_counted_in_any_script(text: str, count: int) -> None:
    assert count_words(text) == count
