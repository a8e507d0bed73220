"""A button press does its work once and keeps what came of it."""

from __future__ import annotations

import pytest

from dashboard.ui.actions import DOUBLE_CLICK_S, Action
from memory_core.errors import InvalidMemory


def test_an_action_keeps_the_value() -> None:
    action = Action()
    action.do(lambda: 42)
    assert action.outcome is not None
    assert (action.outcome.value, action.outcome.trouble) == (42, None)


def test_an_action_keeps_the_sentence_of_an_error() -> None:
    def work() -> None:
        raise InvalidMemory("it is empty; write something")

    action = Action()
    action.do(work)
    assert action.outcome is not None
    assert action.outcome.trouble is not None
    assert action.outcome.trouble.sentence == "it is empty; write something"


def test_an_unexpected_error_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        Action().do(lambda: 1 // 0)


def test_asking_while_busy_changes_nothing() -> None:
    action = Action()
    action.ask(lambda: "first", "a")
    action.ask(lambda: "second", "b")
    assert action.pending is not None
    assert action.pending() == "first"


def test_the_second_half_of_a_double_click_is_let_fall() -> None:
    action = Action()
    action.ask(lambda: "saved", "text")
    work, action.pending = action.pending, None
    assert work is not None
    action.do(work)
    action.ask(lambda: "saved again", "text")
    assert not action.busy
    assert action.outcome is not None
    assert action.outcome.value == "saved"


def test_the_same_can_be_asked_again_later() -> None:
    action = Action()
    action.ask(lambda: "saved", "text")
    work, action.pending = action.pending, None
    assert work is not None
    action.do(work)
    action._ended_at -= DOUBLE_CLICK_S + 1
    action.ask(lambda: "saved again", "text")
    assert action.busy


def test_what_failed_can_be_asked_again_at_once() -> None:
    def refuse() -> None:
        raise InvalidMemory("it is empty; write something")

    action = Action()
    action.ask(refuse, "text")
    work, action.pending = action.pending, None
    assert work is not None
    action.do(work)
    action.ask(lambda: "saved", "text")
    assert action.busy
