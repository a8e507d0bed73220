"""Counting while a log goes by: how often, first and last, in little memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from .values import Seen, Spot

K = TypeVar("K")


@dataclass(slots=True)
class Tally:
    """How often something was seen, where it was first and last."""

    first: Spot
    last: Spot
    count: int = 1

    def add(self, spot: Spot) -> None:
        self.last = spot
        self.count += 1

    def seen(self, *, backwards: bool = False) -> Seen:
        """Return it as a value; in a log with the newest line first, the last was the first."""
        first, last = (self.last, self.first) if backwards else (self.first, self.last)
        return Seen(self.count, first, last)


class Tallies(Generic[K]):
    """A tally for each of many keys, `most` of them; what comes after is counted as left out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.of: dict[K, Tally] = {}
        self.left_out = 0

    def add(self, key: K, spot: Spot) -> None:
        if (tally := self.of.get(key)) is not None:
            tally.add(spot)
        elif len(self.of) < self._most:
            self.of[key] = Tally(spot, spot)
        else:
            self.left_out += 1


def comes_after(one: Spot, other: Spot, *, backwards: bool) -> bool:
    """Say whether one line was written after another, by their times or else their order."""
    if isinstance(one.at, datetime) and isinstance(other.at, datetime) and one.at != other.at:
        return one.at > other.at
    return one.line < other.line if backwards else one.line > other.line
