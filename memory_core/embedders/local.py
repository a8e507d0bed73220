"""WordLlama: a small model inside its package, no network, no key."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from .base import plain_text, unit_rows

if TYPE_CHECKING:
    from .base import Vectors


class _Rows:
    """The vectors of the model's words, mapped from its file (safetensors, half precision).

    Only those that are asked for take memory; WordLlama itself would take 33 MB for all.
    """

    def __init__(self, path: Path) -> None:
        import numpy as np

        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            tensor = json.loads(file.read(size))["embedding.weight"]
        begin = 8 + size + tensor["data_offsets"][0]
        self.shape = tuple(tensor["shape"])
        self._rows = np.memmap(path, "<f2", "r", begin, self.shape)

    def __getitem__(self, ids: Any) -> Any:
        return self._rows[ids].astype("float32")


@cache
def _model() -> Any:
    """Load the model once in a process, for all services in it."""
    # Its `logging.basicConfig` at import (0.4.0) would configure the host's logging.
    placeholder = logging.NullHandler()
    logging.getLogger().addHandler(placeholder)
    try:
        import wordllama
    finally:
        logging.getLogger().removeHandler(placeholder)
    # `WordLlama.load` would also look for the model on a hub, over the network.
    folder = Path(wordllama.__file__).parent
    tokenizer = wordllama.WordLlama.load_tokenizer(
        folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
    )
    rows = _Rows(folder / "weights" / "l2_supercat_256.safetensors")
    model = wordllama.inference.WordLlamaInference(rows[:1], tokenizer)
    model.embedding = rows
    return model


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
