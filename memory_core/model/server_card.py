"""What a server of S3 and S3 Vectors can do, as it was tried: its card."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .counting import counted

Answer = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class ServerManners:
    """What the store has to know of a server; the defaults are Amazon's ways.

    `segments` is how many parts of a listing can be asked for. `top_k` and `body_bytes` are the
    most that was taken. With `fixed_schema` the first vector fixes the keys of all; `odd_keys` is
    false where a key must not have a dot or begin with an underscore. With `needs_rows` an index
    answers only once it held a vector, with `filters_after` a search filters what it has found.
    `describes_keys` is false where GetIndex keeps the non-filterable keys to itself, `atomic_puts`
    where several can win a put-if-absent, `lists_all` where a listing in pages leaves keys out.
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
    """One thing that was tried: whether the server can, and if not what is done and lost."""

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
        """What the server cannot do, or what could not be found out."""
        return tuple(each for each in self.capabilities if each.answer != "yes")

    @property
    def sentence(self) -> str:
        """The card in one sentence."""
        known = sum(each.answer == "yes" for each in self.capabilities)
        if known == len(self.capabilities):
            return f"{self.server} can do everything that was tried"
        tried = counted(len(self.capabilities), "thing")
        lost = sum(bool(each.lost) for each in self.lacking)
        return f"{self.server} can do {known} of {tried} tried; {lost} of the others lose something"
