"""The language of a text by its letters and smallest words."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from memory_core.memories.word_index import language_of
from tests.support.paths import MEMORIES


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("She is allergic to cashews and to walnuts.", "English"),
        ("Der Hund bellt in der Nacht nicht mehr.", "German"),
        ("Elle habite à Lille avec sa sœur et son chien.", "French"),
        ("Vive en Sevilla con su hermana y no come carne.", "Spanish"),
        ("Abita a Torino con la sorella e non mangia il pesce.", "Italian"),
        ("Kız kardeşi için bir hediye ve çok çiçek aldı.", "Turkish"),
        ("毎週火曜日の朝九時に定例会議がある。", "Japanese"),
        ("她对花生过敏。", "Chinese"),
        ("회의는 화요일 아침에 있습니다.", "Korean"),
        ("هو لا يأكل السمك", "Arabic"),
        ("Он живёт в Москве.", "Russian"),
        ("वह मछली नहीं खाता।", "Hindi"),
        ("เขาไม่กินปลา", "Thai"),
        ("Bob's colleague in the office is called 山田.", "English"),
        ("Order 48213", None),
        ("", None),
        ("😀 !!!", None),
    ],
)
def test_a_language_is_told_where_it_is_clear(text: str, language: str | None) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("person", "language"),
    [("Alice@Example.com", "English"), ("Camille.Lefevre@Example.org", "French")],
)
def test_the_memories_of_a_person_are_in_that_language(person: str, language: str) -> None:
    lines = (MEMORIES / "people" / f"{person}.jsonl").read_text().splitlines()
    counts = Counter(language_of(json.loads(line)["memory"]) for line in lines)
    del counts[None]
    assert counts.most_common(1)[0][0] == language
    assert counts[language] > 0.8 * counts.total()
