"""What a check is, which ones to run, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from ..errors import UnknownCheck
from .values import Finding, Kind, Tag

if TYPE_CHECKING:
    from .context import Context

Look = Callable[["Context"], Iterator[Finding]]
"""A plain function that yields what it finds, and nothing where all is well."""

DEFAULT_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Check:
    """One question. It is asked once all of `needs` were answered without an error.

    With `tags` it is asked only where one of them is wanted; `backend` is the one it is about,
    empty for any, and with `of_index` it is about an index that is there. `kinds` are all that it
    may find. After `limit_s` seconds it is cut off.
    """

    name: str
    title: str
    look: Look
    kinds: tuple[Kind, ...]
    needs: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    backend: str = ""
    of_index: bool = False
    limit_s: float = DEFAULT_LIMIT_S

    @property
    def subject(self) -> str:
        return self.name.partition(".")[0]

    def answers_to(self, name: str) -> bool:
        """Say whether it goes by that name, as its own, its subject's or a finding's."""
        return name in (self.name, self.subject) or name in [one.id for one in self.kinds]


def in_order(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks, each after all that it needs, and otherwise as they are given.

    Raises:
        CycleError: two checks need each other.
        KeyError: a check needs one that is not given.
    """
    known = {check.name: check for check in checks}
    rank = {name: at for at, name in enumerate(known)}
    sorter = TopologicalSorter({check.name: check.needs for check in known.values()})
    sorter.prepare()
    names: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=rank.__getitem__)
        names += ready
        sorter.done(*ready)
    return tuple(known[name] for name in names)


def choose(
    checks: Collection[Check], tags: Collection[str], only: Collection[str]
) -> tuple[list[Check], frozenset[str]]:
    """Return the checks to run, in order, and the names of those that were asked for.

    With `only`, the checks that these names mean and all that they need, whatever their tags.

    Raises:
        UnknownCheck: nothing goes by one of the names.
    """
    for name in only:
        if not any(one.answers_to(name) for one in checks):
            raise UnknownCheck(
                f"the doctor knows no check, finding or subject {name!r}; docs/doctor.md lists "
                "the findings"
            )
    if only:
        asked = [one for one in checks if any(map(one.answers_to, only))]
    else:
        asked = [one for one in checks if not one.tags or set(one.tags) & set(tags)]
    wanted = {one.name for one in asked}
    needed = set(_with_needs({one.name: one for one in checks}, wanted))
    return [one for one in checks if one.name in needed], frozenset(wanted)


def _with_needs(known: dict[str, Check], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield name
        yield from _with_needs(known, known[name].needs)
