"""The language of a text, as far as its letters and smallest words tell; None where they do not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from .word_index import commonest_language

# Where one language of a script is the likeliest by far, it stands for the others. Japanese comes
# before Chinese, whose characters it uses as well.
_SCRIPTS: Final = {
    "Japanese": "\u3040-\u30ff",
    "Korean": "\u1100-\u11ff\uac00-\ud7af",
    "Chinese": "\u3400-\u9fff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f",
    "Russian": "\u0400-\u04ff",
    "Hindi": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Punjabi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Burmese": "\u1000-\u109f",
    "Amharic": "\u1200-\u137f",
    "Khmer": "\u1780-\u17ff",
    "Tamil": "\u0b80-\u0bff",
    "Thai": "\u0e00-\u0e7f",
    "Greek": "\u0370-\u03ff",
    "Hebrew": "\u0590-\u05ff",
    "Georgian": "\u10a0-\u10ff",
    "Armenian": "\u0530-\u058f",
}
_LETTERS: Final = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_POLISH: Final = re.compile("[ąćęłńśźż]", re.IGNORECASE)
_LEAST_SHARE = 0.25
"""Of the letters: a name in another script does not change the language of a text."""


def language_of(text: str) -> str | None:
    """Return the English name of a text's language."""
    letters = sum(map(str.isalpha, text))
    for name, pattern in _LETTERS.items():
        if letters and len(pattern.findall(text)) >= _LEAST_SHARE * letters:
            return name
    if len(_POLISH.findall(text)) >= 2:
        return "Polish"
    return commonest_language(text)


def count_languages(texts: Iterable[str]) -> Counter[str]:
    """Count the texts by language; those whose language is not clear are left out."""
    return Counter(name for text in texts if (name := language_of(text)))


def foreign(counts: Counter[str], known: frozenset[str]) -> list[str]:
    """Return the languages that are not known, most texts first."""
    return [name for name, _ in counts.most_common() if name not in known]
