"""What a regular expression names, to make texts of that keep it busy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from re import _constants as codes
from re import _parser as parser
from typing import Any

from tests.support.proportion import is_in_proportion

OF_CATEGORIES = {
    codes.CATEGORY_DIGIT: "5",
    codes.CATEGORY_SPACE: " \t",
    codes.CATEGORY_WORD: "a_5",
    codes.CATEGORY_NOT_SPACE: "!a",
    codes.CATEGORY_NOT_WORD: "- ",
}

ONE_CHARACTER = (codes.ANY, codes.CATEGORY, codes.IN, codes.LITERAL, codes.NOT_LITERAL)


def compiled(name: str, value: Any) -> Iterator[tuple[str, re.Pattern[str]]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif isinstance(value, (tuple, list)):
        for place, item in enumerate(value):
            yield from compiled(f"{name}.{place}", item)


def runs_of(pattern: re.Pattern[str]) -> set[str]:
    """Return what a pattern names: its characters, literal texts, and each text with each.

    Of the characters of a literal text the first and the last: no other, repeated, goes on with it.
    """
    characters: set[str] = set()
    texts: set[str] = set()

    def visit(parts: Any) -> None:
        text = ""
        for code, value in parts:
            if code is codes.LITERAL:
                text += chr(value)
                continue
            keep(text)
            text = ""
            if code in (codes.ANY, codes.NOT_LITERAL):
                characters.update("x ")
            elif code is codes.IN:
                visit_class(value)
            elif code is codes.BRANCH:
                for branch in value[1]:
                    visit(branch)
            elif isinstance(value, parser.SubPattern):
                visit(value)
            elif isinstance(value, tuple):
                for part in value:
                    if isinstance(part, parser.SubPattern):
                        visit(part)
        keep(text)

    def keep(text: str) -> None:
        texts.add(text)
        characters.update(text[:1], text[-1:])

    def visit_class(members: Any) -> None:
        negated = members[0][0] is codes.NEGATE
        characters.update("z7-" if negated else "")
        for code, value in members:
            if code is codes.CATEGORY:
                characters.update(OF_CATEGORIES[value])
            elif code is codes.LITERAL and not negated:
                characters.add(chr(value))
            elif code is codes.RANGE and not negated:
                characters.update(map(chr, value))

    visit(parser.parse(pattern.pattern, pattern.flags))
    texts.discard("")
    return characters | texts | {text + character for text in texts for character in characters}


def keeps_a_group(pattern: re.Pattern[Any]) -> bool:
    """Say whether a group is matched without going back, which Python before 3.11.5 does wrongly.

    That is `(?>...)`, and `(...)` with `*+`, `++`, `?+` or `{}+` behind it (gh-106052). One
    character or class of characters repeated so is matched rightly.
    """

    def kept(parts: Any) -> bool:
        return any(
            code is codes.ATOMIC_GROUP
            or (code is codes.POSSESSIVE_REPEAT and not _is_one_character(value[2]))
            or any(kept(part) for part in _inner(value))
            for code, value in parts
        )

    return kept(parser.parse(pattern.pattern, pattern.flags))


def _is_one_character(parts: parser.SubPattern) -> bool:
    return len(parts) == 1 and parts[0][0] in ONE_CHARACTER


def _inner(value: Any) -> Iterator[parser.SubPattern]:
    if isinstance(value, parser.SubPattern):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _inner(part)


LENGTH = 375
QUICK_S = 0.001
"""Eight times that length takes longer in anything quadratic."""


def in_proportion(work: Callable[[str], object], run: str, size: int = LENGTH) -> bool:
    """Say whether `work` takes time in proportion to the length of a repeated text."""

    def make(length: int) -> str:
        return (run * length)[:length] + "\n!"

    return is_in_proportion(work, make, size, QUICK_S)
