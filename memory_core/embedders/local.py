"""WordLlama: a small model inside its package, no network, no key."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from .base import plain_text, unit_rows

if TYPE_CHECKING:
    from .base import Vectors


@cache
def _model() -> Any:
    """Load the model once in a process, for all services in it: a fifth of a second, 60 MB."""
    # Its `logging.basicConfig` at import (0.4.0) would configure the host's logging.
    placeholder = logging.NullHandler()
    logging.getLogger().addHandler(placeholder)
    try:
        import wordllama
    finally:
        logging.getLogger().removeHandler(placeholder)
    # Without the two arguments it looks for the model on a hub, over the network.
    return wordllama.WordLlama.load(
        cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )


_LOCK = Lock()


class LocalEmbedder:
    """The 256-dimension model that WordLlama 0.4 ships; loaded on first use."""

    name = "WordLlama"
    slug = "wordllama"
    dimensions = 256
    languages = frozenset({"English"})

    def embed(self, texts: Sequence[str]) -> Vectors:
        with _LOCK:
            return unit_rows(_model().embed(list(map(plain_text, texts)), norm=False))
