"""Text -> unit vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..model.limits import normalized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Makes vectors of one model; safe to share between threads."""

    @property
    def name(self) -> str:
        """The model, as a person would call it."""

    @property
    def slug(self) -> str:
        """The model as part of an index name: `a-z 0-9 . -`."""

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return float32 rows of length 1, one per text, shape (len(texts), dimensions).

        The model sees each text as `plain_text` returns it.

        Raises:
            BackendError: the provider did not answer, or refused.
        """


def plain_text(text: str) -> str:
    """Return the text as people type it: without ligatures, variant forms and soft hyphens.

    A model knows the words "office" and "first", but not their spelling with "ﬃ" and "ﬁ".
    """
    return normalized("NFKC", text.replace("\u00ad", ""))


def languages_of(embedder: Embedder) -> frozenset[str] | None:
    """Return the English names of the languages of a model, None if unknown."""
    languages: frozenset[str] | None = getattr(embedder, "languages", None)
    return languages


def embed_question(embedder: Embedder, question: str) -> NDArray[np.float32]:
    """Return the vector of a question; some models embed it differently from a memory."""
    embed: Callable[[str], NDArray[np.float32]] | None = getattr(embedder, "embed_question", None)
    return embed(question) if embed else embedder.embed([question])[0]


def embed_in_pieces(
    texts: Sequence[str], most_bytes: int, embed: Callable[[list[str]], Vectors]
) -> Vectors:
    """Return a unit vector for each of one or more texts; for a long one, of its pieces' mean.

    `embed` is given pieces of at most `most_bytes` (UTF-8).
    """
    import numpy as np

    pieces = [_cut(plain_text(text), most_bytes) for text in texts]
    vectors = embed([piece for group in pieces for piece in group])
    rows, start = [], 0
    for group in pieces:
        weights = [len(piece) or 1 for piece in group]
        rows.append(np.average(vectors[start : start + len(group)], axis=0, weights=weights))
        start += len(group)
    return unit_rows(np.asarray(rows, dtype=np.float32))


def _cut(text: str, most_bytes: int) -> list[str]:
    raw, pieces = text.encode(), []
    while raw:
        end = most_bytes
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # Within a character.
            end -= 1
        pieces.append(raw[:end].decode())
        raw = raw[end:]
    return pieces or [text]


def to_slug(model: str) -> str:
    """Return the name of a model as part of an index name, at most 40 characters."""
    return re.sub(r"[^a-z0-9.-]+", "-", model.lower())[-40:].strip(".-") or "model"


def unit_rows(vectors: Vectors) -> Vectors:
    """Scale rows to length 1; a row of zeros becomes the first axis, since cosine needs a length.

    The vector of a text is zero if the model knows none of its tokens.
    """
    import numpy as np

    rows = np.array(vectors, dtype=np.float32, ndmin=2)
    norms = np.linalg.norm(rows, axis=1)
    rows[norms == 0, 0] = 1.0
    norms[norms == 0] = 1.0
    scaled: Vectors = rows / norms[:, None]
    return scaled
