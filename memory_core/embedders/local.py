"""WordLlama: a small model inside its package, no network, no key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from .base import plain_text, unit_rows

if TYPE_CHECKING:
    from .base import Vectors


@cache
def _model() -> tuple[Any, Any]:
    """Return the tokenizer, and the vectors of its words from their file (safetensors).

    The file is mapped, so that only the vectors in use take memory, and read as a plain array, in
    half the time. WordLlama itself takes 45 MB, and would look for the model over the network.
    """
    import numpy as np
    from tokenizers import Tokenizer

    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.origin
    folder = Path(spec.origin).parent
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers/l2_supercat_tokenizer_config.json"))
    tokenizer.enable_padding()
    tokenizer.no_truncation()
    weights = folder / "weights/l2_supercat_256.safetensors"
    with weights.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        tensor = json.loads(file.read(size))["embedding.weight"]
    begin = 8 + size + tensor["data_offsets"][0]
    return tokenizer, np.asarray(np.memmap(weights, "<f2", "r", begin, tuple(tensor["shape"])))


_LOCK = Lock()
_AT_ONCE = 64


class LocalEmbedder:
    """The 256-dimension model that WordLlama 0.4 ships; loaded on first use."""

    name = "WordLlama"
    slug = "wordllama"
    dimensions = 256
    languages = frozenset({"English"})

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Average the vectors of each text's words, 64 texts at a time, as WordLlama does."""
        import numpy as np

        plain = [*map(plain_text, texts)]
        means = np.empty((len(plain), self.dimensions), np.float32)
        with _LOCK:
            tokenizer, vectors = _model()
            for at in range(0, len(plain), _AT_ONCE):
                batch = tokenizer.encode_batch(plain[at : at + _AT_ONCE], add_special_tokens=False)
                mask = np.array([words.attention_mask for words in batch], np.float32)
                rows = vectors[np.array([words.ids for words in batch], np.int32)]
                total = (rows.astype(np.float32) * mask[..., np.newaxis]).sum(axis=1)
                counts = np.maximum(mask.sum(axis=1, keepdims=True), 1.0)
                means[at : at + _AT_ONCE] = total / counts
        return unit_rows(means)
