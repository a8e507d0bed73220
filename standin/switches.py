"""Switches: the behaviours a test may turn on or off."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

Policy = Literal["refuse", "ignore"]
NeAbsent = Literal["refuse", "match", "skip"]


@dataclass(frozen=True, slots=True)
class Switches:
    """All switches, at the values of a strict modern service."""

    classic_only: bool = False
    """Behave as before 2026-09-30: CLASSIC buckets, newer members and operations refused."""
    lossy_queries: float = 0.0
    """Share of filtered matches that queries leave out, always the same ones."""
    page_size: int | None = None
    """Most items on any list or query page, S3 listings included."""
    lose_vectors: int = 0
    """How many of the next put vectors are acknowledged and forgotten."""
    squared_euclidean: bool = False
    """Return the square of the euclidean distance instead of the root."""
    unknown_members: Policy = "refuse"
    """What happens to request members the model does not know."""
    ne_absent: NeAbsent = "refuse"
    """What `$ne` and `$nin` do to a vector without the field (AWS does not say)."""
    deny_actions: tuple[str, ...] = ()
    """IAM actions refused: `s3vectors:GetVectors`, `s3:PutObject`, or bare for both."""
    clock_offset_s: float = 0.0
    """Seconds added to the clock, to let page tokens expire."""
    foreign_buckets: tuple[str, ...] = ()
    """S3 buckets that belong to somebody else: every access answers 403."""
    kms_keys: tuple[str, ...] = ()
    """KMS key ARNs that exist."""
    text_build_s: float = 0.0
    """Seconds a text-search configuration added later stays BUILDING."""

    def changed(self, changes: dict[str, Any]) -> Switches:
        """Return a copy with some switches set, refusing unknown names and values."""
        hints = get_type_hints(Switches)
        for name, value in changes.items():
            if name not in hints:
                raise ValueError(f"no switch {name!r}; there are {', '.join(sorted(hints))}")
            allowed = get_args(hints[name]) if name in ("unknown_members", "ne_absent") else ()
            if allowed and value not in allowed:
                raise ValueError(f"switch {name} is one of {allowed}, not {value!r}")
        fitting: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list | set) else value
            for name, value in changes.items()
        }
        return dataclasses.replace(self, **fitting)

    def denies(self, action: str) -> bool:
        """Say whether `service:Action` is denied, by that name or by the bare one."""
        return action in self.deny_actions or action.partition(":")[2] in self.deny_actions
