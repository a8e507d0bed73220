"""Untrusted text is made harmless to look at, and cut, before any sink sees it."""

from __future__ import annotations

import pytest

from dashboard.ui import text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("  outer  ", "outer"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("bell\x07 null\x00 escape\x1b[31m", "bell null escape[31m"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("\u2066isolated\u2069 \u200emark", "isolated mark"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("line\u2028separator", "lineseparator"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("Z\u0300\u0301\u0302\u0303\u0304\u0305o", "Z\u0300\u0301\u0302o"),
        (42, "42"),
    ],
)
def test_control_and_direction_characters_are_removed(raw: object, shown: str) -> None:
    assert text.clean(raw) == shown


def test_text_is_cut_with_an_ellipsis() -> None:
    assert text.clean("x" * 100, 10) == "xxxxxxxxx…"
    assert text.clean("x" * 10, 10) == "x" * 10


def test_one_line_folds_every_whitespace() -> None:
    assert text.one_line("a\n\n b\t c", 10) == "a b c"


def test_ids_are_shortened_in_the_middle() -> None:
    assert text.shorten("a37230bd-7681-5fbf-ab51-9ca6418efe57") == "a37230…8efe57"
    assert text.shorten("short") == "short"


def test_a_chart_label_has_no_markup() -> None:
    assert text.chart_label("<b>x</b>") == "&lt;b&gt;x&lt;/b&gt;"


@pytest.mark.parametrize("word", ["WordLlama", "text-embedding-3-small", "v0.4", "two words"])
def test_words_without_markup_pass(word: str) -> None:
    assert text.plain_word(word, "other") == word


@pytest.mark.parametrize(
    "word",
    [
        "**bold**",
        "[a](b)",
        "www.evil.example",
        "https://evil",
        ":red[x]",
        "$x$",
        "a_b_",
        "",
        "x" * 41,
    ],
)
def test_words_that_could_be_markup_become_a_constant(word: str) -> None:
    assert text.plain_word(word, "other") == "other"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("the bucket is gone; make it again", "The bucket is gone; make it again."),
        ("MEMORY_LLM is 'x'; set it", "MEMORY_LLM is 'x'; set it."),
        ("Already one.", "Already one."),
        ("'x' is odd", "'x' is odd."),
    ],
)
def test_a_sentence_begins_with_a_capital_and_ends(raw: str, shown: str) -> None:
    assert text.sentence(raw) == shown
