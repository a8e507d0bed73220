"""What a document is cut into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, to be saved as one memory.

    `place` says in words where it stood: `page 2`, `lines 10-14`, `section "Decisions"`,
    `row 17`, `line 14`, `message 3`, `memory 5`, `part 4`. The rest is set only for entries of
    JSON files that carry it, and has passed the limits of a memory.
    """

    text: str
    place: str
    role: str | None = None
    name: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
