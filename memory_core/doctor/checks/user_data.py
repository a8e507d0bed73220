"""Memories: as recorded, under the id they are asked for, and shown to nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from ...errors import InvalidUserId, LedgerCorrupt
from ...memories.audit import NOBODY, Auditor, Difference
from ...memories.find_user import is_placeholder, look_alikes
from ...model.progress import Steps
from ...model.user_id import is_probe, normalize_user_id
from ..context import Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix, Tag

_AUDIT = "python -m memory_core audit"
_REPAIR = f"{_AUDIT} --repair"
_SAMPLE = 200
_SCANNED = 1000
_SHOWN = 5
_AHEAD = timedelta(minutes=5)

MISSING = FindingKind(
    "records.E001",
    "Memories are on record and missing in the store",
    "Customers' memories are safe on record, and the assistant does not find them.",
    (Fix("Write them again from the record", command=_REPAIR),),
)
ALTERED = FindingKind(
    "records.E002",
    "Memories in the store are not as recorded",
    "The assistant may say something that the customer has corrected.",
    (Fix("Write them again from the record", command=_REPAIR),),
)
UNDELETED = FindingKind(
    "records.E003",
    "Deleted memories are still in the store",
    "Something that a customer wanted gone is still there: a matter of privacy.",
    (Fix("Remove them", command=_REPAIR),),
)
MOVED = FindingKind(
    "records.E004",
    "Memories in the store belong to another user than recorded",
    "Somebody may be shown what another customer said: a matter of privacy.",
    (Fix("Give them back to the user on record", command=_REPAIR),),
)
CORRUPT = FindingKind(
    "records.E005",
    "An entry of the record cannot be read",
    "The memories of that customer cannot be shown until it is restored.",
    (Fix("Restore the file from a backup, or move it away to go on without it"),),
)
STRAY = FindingKind(
    "records.W001",
    "Memories in the store were never recorded",
    "The assistant does not show them; another program may have written them.",
    (
        Fix("Look at them first", command=_AUDIT),
        Fix("Take them over where they are ours", command=f"{_REPAIR} --unexpected adopt"),
    ),
)
AHEAD = FindingKind(
    "records.W002",
    "The record has entries from the future",
    "Times shown to customers are wrong, and later changes may be ordered before these.",
    (Fix("Set the clocks of all machines that write by the network"),),
)
STRANDED = FindingKind(
    "identity.E001",
    "Memories are stored under ids that nobody asks for",
    "A customer's memories are there, and the assistant cannot find them.",
    (
        Fix("See whose they are", command="python -m memory_core users find ID"),
        Fix("Take them over under the canonical id", command=f"{_REPAIR} --unexpected adopt"),
    ),
)
ORPHANS = FindingKind(
    "identity.E002",
    "Memories in the store name no user",
    "Nobody can be shown them, and nobody can have them deleted.",
    (Fix("Look at them, then remove them", command=f"{_REPAIR} --unexpected remove"),),
)
PLACEHOLDER = FindingKind(
    "identity.W001",
    "Memories are saved under a placeholder in place of a user",
    "Several customers may share one memory, and see what another one said.",
    (Fix("Take the id from the signed-in user with get_user_id_from_request"),),
)
ALIKE = FindingKind(
    "identity.W002",
    "Some users have ids that may be one person's",
    "A customer who is known by two ids misses what was said under the other.",
    (Fix("Ask the customer, then compare both on the page Users"),),
)
LEAK = FindingKind(
    "leakage.E001",
    "A search for one user finds another's memories",
    "Somebody may be shown what another customer said: a matter of privacy.",
    (
        Fix("Stop the search by the index until this is explained, and report it"),
        Fix("Look whether anything between here and AWS changes requests"),
    ),
)


def readable(context: Context) -> Iterator[Finding]:
    """Read the names of all entries; find times to come."""
    try:
        late = [
            view
            for view in context.views
            if view.entries and view.entries[-1].at > datetime.now(UTC) + _AHEAD
        ]
    except LedgerCorrupt as exc:
        yield CORRUPT.found(f"{exc}.", Evidence("entry", exc.key, "ledger", "user"))
        return
    if late:
        last = max(view.entries[-1].at for view in late)
        yield AHEAD.found(
            f"{len(late)} users have an entry of a time to come, up to {last:%Y-%m-%d %H:%M} UTC.",
            Evidence("clock here", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
            *_users(view.user_id for view in late),
        )


def as_recorded(context: Context) -> Iterator[Finding]:
    """Compare a sample of memories with the store; with `deep` all of them, both ways."""
    auditor = Auditor(context.ledger, context.store)
    pairs = [(view.user_id, one) for view in context.views for one in view.live]
    sample = pairs[:: max(1, len(pairs) // _SAMPLE)][:_SAMPLE]
    deep = "deep" in context.tags
    among = "all memories" if deep else f"{len(sample)} of {len(pairs)} memories"
    try:
        found = auditor.audit(Steps(None)).differences if deep else auditor.compare(sample)
    except LedgerCorrupt as exc:
        yield CORRUPT.found(f"{exc}.", Evidence("entry", exc.key, "ledger", "user"))
        return
    for kind, differences in _by_kind(found).items():
        yield kind.found(
            f"{len(differences)} among {among}: {differences[0].item.detail}.",
            *(Evidence("memory", one.pair[1], "store", "memory") for one in differences[:_SHOWN]),
            *_users({one.pair[0] for one in differences} - {NOBODY}),
        )


def canonical(context: Context) -> Iterator[Finding]:
    """Look at the owners that the store names, as they stand there."""
    payloads = _scan(context)
    owners = [payload.get("user_id") for payload in payloads.values()]
    orphans = [key for key, one in payloads.items() if not _is_named(one.get("user_id"))]
    stranded = {str(one) for one in owners if _is_named(one) and not _is_canonical(str(one))}
    if stranded:
        yield STRANDED.found(
            f"{len(stranded)} ids among {len(payloads)} stored memories are not in canonical form.",
            *(Evidence("user", repr(one), "store", "user") for one in sorted(stranded)[:_SHOWN]),
        )
    if orphans:
        yield ORPHANS.found(
            f"{len(orphans)} of {len(payloads)} stored memories name nobody.",
            *(Evidence("memory", one, "store", "memory") for one in sorted(orphans)[:_SHOWN]),
        )


def told_apart(context: Context) -> Iterator[Finding]:
    """Look for placeholders and look-alikes among the users on record."""
    ids = [view.user_id for view in context.views if view.live]
    if placeholders := sorted(one for one in ids if is_placeholder(one)):
        yield PLACEHOLDER.found(
            f"{len(placeholders)} of {len(ids)} users are placeholders.", *_users(placeholders)
        )
    if groups := look_alikes(ids):
        reason = groups[0][1]
        yield ALIKE.found(
            f"{len(groups)} groups of ids are alike; the first by {reason}.",
            *_users(one for group, _ in groups for one in group),
        )


def sealed(context: Context) -> Iterator[Finding]:
    """Ask the index for one user what another one said: nothing of the other may be found."""
    users = [view for view in context.views if view.live][:2]
    if len(users) < 2:
        return
    asking, other = users
    stored = context.store.get(list(other.live)[:1], with_values=True)
    values = [one.values for one in stored.values() if one.values is not None]
    if not values:
        return
    found = [key for key, _ in context.store.query(asking.user_id, values[0], 20)]
    payloads = {key: one.payload or {} for key, one in context.store.get(found).items()}
    leaked = [key for key, one in payloads.items() if one.get("user_id") != asking.user_id]
    if leaked:
        yield LEAK.found(
            f"A search for one user found {len(leaked)} memories of others.",
            *(Evidence("memory", one, "store", "memory") for one in leaked[:_SHOWN]),
            *_users([asking.user_id]),
        )


_DATA: tuple[Tag, ...] = ("data",)
CHECKS = (
    Check("records.readable", "The record can be read", readable, (CORRUPT, AHEAD),
          needs=("index.there",), tags=("data", "deep"), limit_s=60.0),
    Check("identity.record", "Each user has an id of their own", told_apart, (PLACEHOLDER, ALIKE),
          needs=("records.readable",), tags=_DATA, limit_s=60.0),
    Check("records.store", "The store is as recorded", as_recorded,
          (MISSING, ALTERED, UNDELETED, MOVED, STRAY, CORRUPT),
          needs=("records.readable", "index.fits", "index.age"), tags=("data", "deep"),
          of_index=True, limit_s=600.0),
    Check("identity.store", "Stored memories name users who can ask", canonical,
          (STRANDED, ORPHANS), needs=("index.fits", "vectors.readable"), tags=_DATA,
          of_index=True, limit_s=120.0),
    Check("leakage.search", "A search finds the user's own memories alone", sealed, (LEAK,),
          needs=("records.readable", "index.fits", "vectors.readable"), tags=_DATA, of_index=True),
)  # fmt: skip


_KINDS = {"missing": MISSING, "altered": ALTERED, "undeleted": UNDELETED, "unexpected": STRAY}


def _by_kind(found: Iterable[Difference]) -> dict[FindingKind, list[Difference]]:
    groups: dict[FindingKind, list[Difference]] = {}
    for one in found:
        moved = one.kind == "altered" and "user_id" in one.item.detail
        groups.setdefault(MOVED if moved else _KINDS[one.kind], []).append(one)
    return groups


def _scan(context: Context) -> Mapping[str, Mapping[str, Any]]:
    """Return the payloads of some of the stored vectors, without those of redeploy tests."""
    keys = list(islice(context.store.keys(), _SCANNED))
    found = {key: one.payload or {} for key, one in context.store.get(keys).items()}
    return {key: one for key, one in found.items() if not is_probe(str(one.get("user_id")))}


def _is_named(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_canonical(value: str) -> bool:
    try:
        return normalize_user_id(value) == value
    except InvalidUserId:
        return False


def _users(ids: Iterable[str]) -> Iterator[Evidence]:
    for one in islice(sorted(ids), _SHOWN):
        yield Evidence("user", one, "ledger", "user")
