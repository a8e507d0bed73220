"""The words of texts: index terms, stop words, BM25, and which words answer a question.

docs/decisions/ranking.md has the reasons and figures.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import log
from typing import TYPE_CHECKING, Any

from ..embedders.base import plain_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAM_WEIGHT = 0.3
"""The weight of a trigram; that of a word is 1."""

_K1 = 1.2
_B = 0.75
_WORD = re.compile(r"\w+")
_CJK = "\u2e80-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(f"([{_CJK}]+)|[^{_CJK}]+")
"""Characters of one kind within a word: in "我的iPhone" there are two runs."""
_GRAM = 3
_GRAM_MARK = "#"
_ENGLISH = "EN"
_LIST = "STOPWORDS_"
# The English lists lack them. In "Which wedding is coming up?" they are all that others share;
# "What must she not eat?" found an invoice that must be made out to a company. "Would" and "could"
# are not among them, since they tell of wishes.
_COMING = frozenset(("come", "comes", "came", "coming"))
_MODAL_VERBS = frozenset(("cannot", "may", "might", "must", "ought", "shall"))
_MAY = "may"
_BEFORE_THE_MONTH = frozenset((
    "after", "before", "by", "during", "early", "every", "from", "in", "last", "late", "next", "of",
    "on", "since", "till", "until",
))  # fmt: skip
_SUBJECTS = frozenset(("he", "i", "it", "she", "there", "they", "we", "you"))
_BEFORE_THE_VERB = _SUBJECTS | {"much", "what", "which", "who"}
_AFTER_THE_VERB = _SUBJECTS | {"be", "never", "not", "the"}
_SCRIPT_SHARE = 0.25
_LANGUAGE_OF_SCRIPT = {
    "CJK": "Chinese", "CYRILLIC": "Russian", "DEVANAGARI": "Hindi", "ETHIOPIC": "Amharic",
    "GURMUKHI": "Punjabi", "HANGUL": "Korean", "HIRAGANA": "Japanese", "KATAKANA": "Japanese",
    "MYANMAR": "Burmese",
}  # fmt: skip
# The share of common trigrams from which two words count as forms of one.
_SAME_FORM = 0.5


class WordIndex:
    """BM25 as a share of what a text that answers the whole question could reach.

    The share counts words of the question that no text has: scaling by the best text would make
    any accidental word a perfect match.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import numpy as np

        tokens = [terms(text) for text in texts]
        self._size = size = len(texts)
        self._numbers: dict[str, int] = {}
        numbers = [
            self._numbers.setdefault(term, len(self._numbers)) for text in tokens for term in text
        ]
        lengths = np.fromiter(map(len, tokens), dtype=np.int64, count=size)
        # Each term of each text once, by term and then by text, and how often it occurs.
        keys = np.asarray(numbers, dtype=np.int64) * size + np.repeat(np.arange(size), lengths)
        unique, often = np.unique(keys, return_counts=True)
        of_term, self._texts = np.divmod(unique, max(1, size))
        self._starts = np.searchsorted(of_term, np.arange(len(self._numbers) + 1))
        rarity = np.asarray([self._idf(term) for term in self._numbers], dtype=np.float32)
        relative = lengths / max(1.0, lengths.mean() if size else 0.0)
        saturation = often / (often + _K1 * (1 - _B + _B * relative[self._texts]))
        self._shares = (rarity[of_term] * saturation).astype(np.float32)

    def scores(self, question: str) -> tuple[NDArray[np.float32], bool]:
        """Return the score of every text, 0..1, and whether any has a word of the question."""
        import numpy as np

        asked = dict.fromkeys(terms(question))
        known = [term for term in asked if term in self._numbers]
        scores = np.zeros(self._size, dtype=np.float32)
        if known:
            for number in map(self._numbers.__getitem__, known):
                part = slice(self._starts[number], self._starts[number + 1])
                scores[self._texts[part]] += self._shares[part]
            scores /= np.float32(sum(map(self._idf, asked)))
        return np.minimum(scores, 1.0), not all(map(_is_gram, known))

    def _idf(self, term: str) -> float:
        number = self._numbers.get(term)
        holders = 0 if number is None else int(self._starts[number + 1] - self._starts[number])
        idf = log(1 + (self._size - holders + 0.5) / (holders + 0.5))
        return GRAM_WEIGHT * idf if _is_gram(term) else idf


def terms(text: str) -> list[str]:
    """Return the index terms of a text: stems of its words, and their character trigrams.

    The trigrams match inflections of languages without a stemmer here, compounds and typing errors;
    of scripts without spaces, pairs of characters stand for words. Words that carry no meaning in
    the language of the text are left out, unless there are no others.
    """
    words = _telling(_words(text))
    return _stems(words) + [gram for word in words if len(word) > _GRAM for gram in _grams(word)]


def matches(question: str, text: str) -> list[tuple[int, int]]:
    """Return where words of the question occur in a text, in other forms too: (start, end).

    The places are in order and do not overlap.
    """
    asked = _telling(_words(question))
    stems = set(_stems(asked))
    # A number has no other forms.
    forms = [grams for word in asked if word.isalpha() and (grams := set(_grams(word)))]
    telling = set(_telling(_words(text)))
    places: list[tuple[int, int]] = []
    for start, end in _places(text):
        words = [word for word in _words(text[start:end]) if word in telling]
        if not (stems.intersection(_stems(words)) or any(_is_form(word, forms) for word in words)):
            continue
        if places and start <= places[-1][1]:
            start = places.pop()[0]
        places.append((start, end))
    return places


def matched_words(question: str, text: str) -> list[str]:
    """Return the words of a text that `matches` marks, each once."""
    return list(dict.fromkeys(text[start:end] for start, end in matches(question, text)))


def count_words(text: str) -> int:
    """Count the words of a text; two characters of a script without spaces count as one."""
    words = _WORD.findall(text)
    if text.isascii():
        return len(words)
    return sum(
        (len(run[0]) + 1) // 2 if run[1] else 1 for word in words for run in _RUN.finditer(word)
    )


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of the words of a text, and of the pairs of scripts without spaces."""
    for word in _WORD.finditer(text):
        for run in _RUN.finditer(word[0]):
            start, end = word.start() + run.start(), word.start() + run.end()
            if run[1] and end - start > 2:
                yield from ((at, at + 2) for at in range(start, end - 1))
            else:
                yield start, end


def _is_form(word: str, forms: Sequence[set[str]]) -> bool:
    grams = set(_grams(word))
    return any(
        len(grams & form) >= _SAME_FORM * max(len(grams), len(form)) for form in forms if grams
    )


def _words(text: str) -> list[str]:
    """Return the words of a text, case-folded; of scripts without spaces the pairs."""
    words = _WORD.findall(plain_text(text).casefold())
    if text.isascii():
        return words
    return [
        part
        for word in words
        for run in _RUN.finditer(word)
        for part in (_pairs(run[0]) if run[1] else (run[0],))
    ]


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def _telling(words: list[str]) -> list[str]:
    """Return the words that carry meaning, or all if none does."""
    stop_words = _stop_words()[_language(words)]
    telling = [
        word
        for at, word in enumerate(words)
        if word.isdigit()
        or (len(word) > 1 and _unaccented(word) not in stop_words)
        or (word == _MAY and not _is_verb(words, at))
    ]
    return telling or words


def _is_verb(words: Sequence[str], at: int) -> bool:
    """Tell "What may she eat?" from "In May she flies", "3 May" and "Where does May live?"."""
    before, after = words[at - 1 : at], words[at + 1 : at + 2]
    if any(word[0].isdigit() or word in _BEFORE_THE_MONTH for word in before):
        return False
    return not (_BEFORE_THE_VERB.isdisjoint(before) and _AFTER_THE_VERB.isdisjoint(after))


def language_of(text: str) -> str | None:
    """Return the English name of a text's language, None if letters and words do not show it.

    A script stands for the language most often written in it.
    """
    letters = Counter(
        _LANGUAGE_OF_SCRIPT.get(script, script.capitalize())
        for char in text
        if char.isalpha() and (script := unicodedata.name(char, "").partition(" ")[0])
    )
    # A few names in another script do not change the language; Japanese has Chinese characters too.
    scripts = [name for name in letters if letters[name] >= _SCRIPT_SHARE * letters.total()]
    if "Japanese" in scripts or scripts not in ([], ["Latin"]):
        return max(scripts, key=lambda name: (name == "Japanese", name != "Latin", letters[name]))
    words = _words(text)
    language = _language(words)
    if sum(_unaccented(word) in _stop_words()[language] for word in words) < 2:
        return None
    return "English" if language == _ENGLISH else language.capitalize()


def _language(words: Sequence[str]) -> str:
    """Return the language with the most stop words in the text; English if there is a tie."""
    languages = _languages_of()
    counts: dict[str, int] = {}
    for word in words:
        for name in languages.get(_unaccented(word), ()):
            counts[name] = counts.get(name, 0) + 1
    most = max(counts.values(), default=0)
    if counts.get(_ENGLISH, 0) == most:
        return _ENGLISH
    return next(name for name, count in counts.items() if count == most)


def _stems(words: Sequence[str]) -> list[str]:
    return [_unaccented(stem) for stem in _stemmer().stemWords(words)]


def _grams(word: str) -> list[str]:
    """Return the trigrams of a word of more than three characters."""
    plain = _unaccented(word)
    ends = range(_GRAM, len(plain) + 1) if len(plain) > _GRAM else ()
    return [_GRAM_MARK + plain[end - _GRAM : end] for end in ends]


def _is_gram(term: str) -> bool:
    return term.startswith(_GRAM_MARK)


def _unaccented(word: str) -> str:
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFKD", word)
    return "".join(char for char in parts if not unicodedata.combining(char))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


@lru_cache(maxsize=1)
def _stop_words() -> Mapping[str, frozenset[str]]:
    """Return the stop words of each language; two lists may be of one, as EN and EN_PLUS."""
    from bm25s import stopwords

    lists: dict[str, set[str]] = {_ENGLISH: set(_COMING | _MODAL_VERBS)}
    for name, words in vars(stopwords).items():
        if name.startswith(_LIST):
            language = name.removeprefix(_LIST).split("_")[0]
            lists.setdefault(language, set()).update(_unaccented(word.casefold()) for word in words)
    return {language: frozenset(words) for language, words in lists.items()}


@lru_cache(maxsize=1)
def _languages_of() -> Mapping[str, tuple[str, ...]]:
    """Return, for each stop word, the languages that have it."""
    languages: dict[str, tuple[str, ...]] = {}
    for language, words in _stop_words().items():
        for word in words:
            languages[word] = (*languages.get(word, ()), language)
    return languages
