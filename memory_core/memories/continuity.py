"""Which memory continues which: an answer follows its question, and shares its meaning.

None of this is stored; it follows from the order in which memories were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..model.payload import time_of
from .word_index import count_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST_PAUSE = timedelta(minutes=10)
"""Between two memories of which one continues the other."""

_SCOPE = ("run_id", "agent_id", "document")
_OF_QUESTION = 0.5
_OF_FORMER = 0.2
_OF_NEXT = 0.2
_QUESTION_MARKS = frozenset("?？؟")
_WORDS_LENT_IN_FULL = 50


def continuations(payloads: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """Return the positions of memories of which the second continues the first.

    They are next to each other in order of creation (or in the order given, if made at once), at
    most ten minutes apart, with the same run, agent and document.
    """
    created = (time_of(payload, "created_at") for payload in payloads)
    times = [(time, at) for at, time in enumerate(created) if time]
    times.sort()
    return [
        (earlier, later)
        for (before, earlier), (after, later) in pairwise(times)
        if after - before <= LONGEST_PAUSE
        and all(payloads[earlier].get(key) == payloads[later].get(key) for key in _SCOPE)
    ]


class Neighbourhood:
    """The parts of their scores that memories lend to their neighbours."""

    def __init__(self, texts: Sequence[str], pairs: Sequence[tuple[int, int]]) -> None:
        import numpy as np

        self._earlier, self._later = np.asarray(pairs, dtype=np.intp).reshape(-1, 2).T
        shares = np.asarray(
            [
                min(1.0, _WORDS_LENT_IN_FULL / max(1, count_words(texts[at])))
                for at in range(len(texts) if pairs else 0)
            ],
            dtype=np.float32,
        )
        of_former = np.asarray(
            [
                _OF_FORMER if _QUESTION_MARKS.isdisjoint(texts[at]) else _OF_QUESTION
                for at, _ in pairs
            ],
            dtype=np.float32,
        )
        self._forwards = of_former * shares[self._later]
        self._backwards = _OF_NEXT * shares[self._earlier]

    def lent(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what each text is lent: parts of what its neighbours score above the average.

        `scores` are those of all texts for one question, in the order of the texts. Nothing is
        ever taken away.
        """
        import numpy as np

        lent = np.zeros_like(scores)
        if len(self._earlier):
            above = np.maximum(scores - scores.mean(), 0.0)
            # A text continues one at most, and is continued by one at most.
            lent[self._later] += self._forwards * above[self._earlier]
            lent[self._earlier] += self._backwards * above[self._later]
        return lent
