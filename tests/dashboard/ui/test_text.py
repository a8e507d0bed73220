"""Untrusted text is made harmless and cut before it is drawn; times and numbers are in words."""

from __future__ import annotations

import datetime as dt

import pytest

from dashboard.ui import text

NOW = dt.datetime(2025, 11, 12, 14, 32, 5, tzinfo=dt.UTC)


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


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "just now"),
        (44, "just now"),
        (46, "1 minute ago"),
        (120, "2 minutes ago"),
        (59 * 60, "59 minutes ago"),
        (3600, "1 hour ago"),
        (23 * 3600, "23 hours ago"),
        (23.9 * 3600, "1 day ago"),
        (3 * 86_400, "3 days ago"),
        (45 * 86_400, "2 months ago"),
        (400 * 86_400, "1 year ago"),
        (800 * 86_400, "2 years ago"),
    ],
)
def test_how_long_ago(seconds: float, shown: str) -> None:
    assert text.ago(NOW - dt.timedelta(seconds=seconds), NOW) == shown


def test_the_exact_time_is_utc_whatever_the_zone() -> None:
    there = NOW.astimezone(dt.timezone(dt.timedelta(hours=-9)))
    assert text.utc(there) == "12 Nov 2025, 14:32:05 UTC"
    assert text.day(dt.date(2025, 1, 2)) == "2 Jan 2025"


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 memories"), (1, "1 memory"), (1204, "1,204 memories")]
)
def test_counts_say_what_they_count(count: int, shown: str) -> None:
    assert text.counted(count, "memory") == shown


def test_an_unknown_backend_is_not_shown_by_its_raw_name() -> None:
    assert text.backend_name("![x](//evil.example)") == "Another store"
