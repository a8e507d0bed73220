"""Numbers with what they count, and the names of backends and states."""

from __future__ import annotations

from typing import Final

from memory_core.words import counted as counted

BACKENDS: Final = {
    "s3_vectors": "Amazon S3 Vectors",
    "chroma": "ChromaDB",
    "ledger": "Recorded, not searchable yet",
}


def backend_name(name: str) -> str:
    """Return a backend's own name; an unknown one gets a constant, never its raw text."""
    return BACKENDS.get(name, "Another store")
