"""Pasted conversations become messages, or a sentence that says what is missing."""

from __future__ import annotations

import pytest

from memory_core.documents import parse_chat
from memory_core.errors import InvalidMemory


def test_each_role_begins_a_message() -> None:
    assert parse_chat("User: hello\nassistant : hi there") == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi there"},
    ]


def test_lines_without_a_role_continue_the_message() -> None:
    assert parse_chat("user: one\n\ntwo: three\n") == [
        {"role": "user", "content": "one\n\ntwo: three"}
    ]


def test_messages_without_content_are_left_out() -> None:
    assert parse_chat("user:\nassistant: hi") == [{"role": "assistant", "content": "hi"}]


@pytest.mark.parametrize("text", ["", "   \n", "user:   "])
def test_an_empty_conversation_is_refused(text: str) -> None:
    with pytest.raises(InvalidMemory, match="write at least one line"):
        parse_chat(text)


def test_a_conversation_must_say_who_speaks() -> None:
    with pytest.raises(InvalidMemory, match="begin it with user: or assistant:"):
        parse_chat("hello\nuser: hi")
