"""Text -> unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
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
        ...

    @property
    def slug(self) -> str:
        """The model as part of an index name: `a-z 0-9 . -`."""
        ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return float32 rows of length 1, one per text, shape (len(texts), dimensions).

        The model sees each text as `plain_text` returns it.

        Raises:
            BackendError: the provider did not answer, or refused.
        """
        ...


def plain_text(text: str) -> str:
    """Return the text as questions are asked: without ligatures, other forms and soft hyphens.

    A model knows the words "office" and "first", and not their spelling with "ﬃ" and "ﬁ".
    """
    return normalized("NFKC", text.replace("\u00ad", ""))


def unit_rows(vectors: Vectors) -> Vectors:
    """Scale rows to length 1; a row of zeros becomes the first axis, since cosine needs a length.

    A text has a zero vector when the model knows none of its tokens.
    """
    import numpy as np

    rows = np.array(vectors, dtype=np.float32, ndmin=2)
    norms = np.linalg.norm(rows, axis=1)
    rows[norms == 0, 0] = 1.0
    norms[norms == 0] = 1.0
    scaled: Vectors = rows / norms[:, None]
    return scaled
