"""Whatever comes in, its length is looked at before anything that takes time.

Marks are put in order in time that grows with the square of their number: 21 seconds for these,
in which no other thread runs.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.auth.accounts import normalize_name
from dashboard.auth.login_form import safe_next
from memory_core import MemoryService, describe_changes, get_user_id_from_request, normalize_user_id
from memory_core.documents import clean_name, parse_chat
from memory_core.errors import InvalidSelection, InvalidUserId, MemoryCoreError
from memory_core.memories.word_index import terms
from memory_core.model.limits import MOST_MARKS, normalized
from memory_core.model.past import MemoryFilter
from memory_core.transfer import parse

MARKED = "a" + "\u0301\u0323" * 80_000
WITHIN_S = 5.0
"""Of the processor; each takes some thousandths of it."""


def seconds(call: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    with suppress(MemoryCoreError):
        call(text)
    return time.thread_time() - began


@pytest.mark.parametrize(
    "call",
    [
        normalize_user_id, describe_changes, get_user_id_from_request, clean_name, terms, safe_next,
        normalize_name, parse, parse_chat,
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", [MARKED, f"user: {MARKED}", f"//{MARKED}", f"x/{MARKED}.txt"])
def test_a_long_text_costs_no_time(call: Callable[[str], object], text: str) -> None:
    assert seconds(call, text) < WITHIN_S


def test_an_id_is_refused_by_its_length_as_it_was_given() -> None:
    assert normalize_user_id("x" * 254 + " " * 770) == "x" * 254
    with pytest.raises(InvalidUserId, match="has 1,025 characters, the limit is 254"):
        normalize_user_id("x" * 254 + " " * 771)
    with pytest.raises(InvalidUserId, match="has 160,001 characters, the limit is 254"):
        describe_changes(MARKED)


@pytest.mark.parametrize("text", [MARKED, f"{MARKED} {MARKED}", "x" * 500_000, "a " * 250_000])
def test_a_search_for_a_user_says_that_it_is_no_id(service: MemoryService, text: str) -> None:
    (saved,) = service.add_text_memory("ann@example.com", "likes tea")
    # What stands that far behind is not looked for: each address is compared with every user.
    text += f" ann@example.com {saved.id}"
    began = time.thread_time()
    search = service.find(text)
    assert time.thread_time() - began < WITHIN_S
    assert (search.user_id, search.close, search.memories) == (None, (), ())
    assert "the limit is 254; pass a shorter id" in search.problem


def test_a_condition_is_refused_by_its_length() -> None:
    with pytest.raises(InvalidSelection, match="text has 160,001 characters, the limit is 1,000"):
        MemoryFilter.read([("text", MARKED)])
    with pytest.raises(InvalidSelection) as caught:
        MemoryFilter.read([("x" * 160_000, "y")])
    assert len(str(caught.value)) < 500


def test_a_question_of_marks_is_answered(service: MemoryService) -> None:
    service.add_text_memory("ann", "a" + "\u0301\u0323" * 5_000)
    began = time.thread_time()
    service.query_memories("ann", "a" + "\u0323\u0301" * 5_000)
    assert time.thread_time() - began < 2 * WITHIN_S


def test_a_conversation_of_many_lines_is_read_at_once() -> None:
    assert seconds(parse_chat, "user: hello\n" + "and more\n" * 200_000) < WITHIN_S


@given(st.text() | st.text(st.sampled_from("aäé\u0301\u0323\u0345가- ")))
def test_a_text_without_piles_of_marks_is_normalized_as_ever(text: str) -> None:
    for form in ("NFC", "NFKC", "NFKD"):
        expected = unicodedata.normalize(form, text)
        assert len(text) > MOST_MARKS or normalized(form, text) == expected


def test_of_a_pile_of_marks_the_first_stay() -> None:
    assert normalized("NFD", "a" + "\u0323" * 99 + "b") == "a" + "\u0323" * MOST_MARKS + "b"
    assert normalized("NFC", "-" * 99 + "e\u0301") == "-" * 99 + "é"
