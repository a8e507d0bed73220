"""The card of a server of S3 and S3 Vectors: its capabilities, as tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .counting import counted

Answer = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class ServerManners:
    """The behavior of a server that a store depends on; the defaults are Amazon's.

    `segments` is the number of parts that a listing can be split into. `top_k` and `body_bytes` are
    the largest values accepted. With `fixed_schema`, the first vector fixes the keys of all;
    `odd_keys` is False if a key must not have a dot or begin with an underscore. With `needs_rows`,
    an index answers only once it has held a vector; with `filters_after`, a search filters its
    results. `describes_keys` is False if GetIndex omits the non-filterable keys, `atomic_puts` if
    several writers can win a put-if-absent, `lists_all` if a listing in pages omits keys.
    """

    segments: int = 8
    top_k: int = 10_000
    # Amazon takes 20 MiB.
    body_bytes: int = 15 * 1024 * 1024
    fixed_schema: bool = False
    odd_keys: bool = True
    needs_rows: bool = False
    filters_after: bool = False
    describes_keys: bool = True
    atomic_puts: bool = True
    lists_all: bool = True


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability that was tried: whether the server has it, else what is done and lost."""

    name: str
    title: str
    answer: Answer
    detail: str = ""
    instead: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class ServerCard:
    """Everything that was tried of a server at `endpoint`, at `taken_at` (aware UTC)."""

    server: str
    endpoint: str
    taken_at: datetime
    seconds: float
    manners: ServerManners
    capabilities: tuple[Capability, ...]

    @property
    def lacking(self) -> tuple[Capability, ...]:
        """The capabilities that the server lacks, or that could not be tried."""
        return tuple(each for each in self.capabilities if each.answer != "yes")

    @property
    def sentence(self) -> str:
        """The card in one sentence."""
        known = sum(each.answer == "yes" for each in self.capabilities)
        if known == len(self.capabilities):
            return f"{self.server} has every capability that was tried"
        tried = counted(len(self.capabilities), "capability")
        lost = sum(bool(each.lost) for each in self.lacking)
        without = f"something is lost without {lost} of the others"
        return f"{self.server} has {known} of {tried} tried; {without}"
