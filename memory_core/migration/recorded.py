"""What a ledger says of one user's memories: as they are, and what happened to them before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..batches import batches
from ..ledger import Entry, Ledger, Live, UserView
from ..records import Kind
from ..stores.base import PUT_BATCH
from .found import Found


def recorded(ledger: Ledger, view: UserView) -> Iterator[Found]:
    """Yield the live memories of a user with their history, without vectors."""
    # A twin has an id that no entry names: what added it is no event of the other.
    twins = {live.added for one, live in view.live.items() if live.added.memory_id != one}
    entries: dict[str, list[Entry]] = {}
    for entry in view.entries:
        if entry.kind in (Kind.ADD, Kind.UPDATE) and entry not in twins:
            entries.setdefault(entry.memory_id, []).append(entry)
    for ids in batches(view.live, PUT_BATCH):
        wanted = {one: _said_of(view.live[one], entries.get(one, [])) for one in ids}
        details = ledger.details(entry for group in wanted.values() for entry in group)
        for one in ids:
            latest = details.get(view.live[one].latest)
            if latest is not None:
                said = [details[entry] for entry in wanted[one] if entry in details]
                earlier = tuple(event for each in said for event in _events(each))
                yield Found(one, latest["raw_user_id"], latest["payload"], earlier=earlier)


def _said_of(live: Live, entries: list[Entry]) -> list[Entry]:
    return entries if live.updated and entries else [live.latest]


def _events(details: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from details.get("earlier") or ()
    source = (details.get("moved") or {}).get("from")
    yield {
        "kind": details["kind"],
        "at": details["at"],
        "memory": details["payload"]["data"],
        **({"from": source} if source else {}),
    }
