"""Numbers with what they count, and the names of backends and states."""

from __future__ import annotations

from typing import Final

BACKENDS: Final = {
    "s3_vectors": "Amazon S3 Vectors",
    "chroma": "ChromaDB",
    "ledger": "Recorded, not searchable yet",
}


def backend_name(name: str) -> str:
    """Return a backend's own name; an unknown one gets a constant, never its raw text."""
    return BACKENDS.get(name, "Another store")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return `1 memory`, `1,204 memories`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {plural or (noun[:-1] + 'ies' if noun.endswith('y') else noun + 's')}"
