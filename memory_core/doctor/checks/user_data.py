"""Checks of memories: stored as recorded, under canonical ids, and found by their user alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import get_args

from ...errors import InvalidUserId, LedgerCorrupt, MemoryNotFound
from ...ledger import UserView
from ...memories.audit import NOBODY, Auditor, Difference
from ...memories.find_user import is_placeholder, look_alikes
from ...model.counting import Steps, counted
from ...model.payload import owner
from ...model.records import SearchMode
from ...model.user_id import UserId, is_probe, normalize_user_id
from ...service import MemoryService
from ..context import Context, spread
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed

_AUDIT = "python -m memory_core audit"
_REPAIR = f"{_AUDIT} --repair"
_SAMPLE = 200
_SCANNED = 1000
_SHOWN = 5
_AHEAD = timedelta(minutes=5)
_NEIGHBOURS = 20
_PAIRS = 10
_LONGEST_QUESTION = 1_000

_PRIVACY = "A customer may be shown what another customer said: a privacy problem."
_REWRITE = Fix("Write them again from the record", command=_REPAIR)

# fmt: off
MISSING = FindingKind("records.E001", "Memories on record are missing from the store",
    "Memories are safe on record, but the assistant does not find them.", (_REWRITE,),
    log_pattern=r"not searchable yet|not be indexed|memory .{0,60}is (?:recorded|on record)")
ALTERED = FindingKind("records.E002", "Memories in the store differ from the record",
    "The assistant may repeat something that the customer has corrected.", (_REWRITE,))
UNDELETED = FindingKind("records.E003", "Deleted memories are still in the store",
    "Something that a customer wanted deleted still exists: a privacy problem.",
    (Fix("Remove them", command=_REPAIR),))
MOVED = FindingKind("records.E004", "Memories in the store belong to another user than recorded",
    _PRIVACY, (Fix("Give them back to the user on record", command=_REPAIR),))
CORRUPT = FindingKind("records.E005", "An entry of the record cannot be read",
    "The memories of that customer cannot be shown until the entry is restored.",
    (Fix("Write it anew from the store", command=_REPAIR),
     Fix("Else restore the file from a backup, or move it away to continue without it")))
UNRECORDED = FindingKind("records.W001", "Memories in the store were never recorded",
    "The assistant does not show them; another program may have written them.",
    (Fix("List them first", command=_AUDIT),
     Fix("Adopt them if they are yours", command=f"{_REPAIR} --unexpected adopt")))
AHEAD = FindingKind("records.W002", "The record has entries from the future",
    "Customers see wrong times, and later changes may be ordered before these.",
    (Fix("Synchronize the clocks of all machines that write"),))
NOT_CANONICAL = FindingKind("identity.E001", "Memories are stored under ids that are not canonical",
    "The memories exist, but the assistant cannot find them.",
    (Fix("Find out whose they are", command="python -m memory_core users find ID"),
     Fix("Adopt them under the canonical id", command=f"{_REPAIR} --unexpected adopt")))
UNOWNED = FindingKind("identity.E002", "Memories in the store name no user",
    "They can be neither shown to anybody nor deleted on request.",
    (Fix("List them first, then remove them", command=f"{_REPAIR} --unexpected remove"),))
PLACEHOLDER = FindingKind("identity.W001", "Memories are saved under a placeholder for a user",
    "Several customers may share one memory, and see what another one said.",
    (Fix("Take the id from the signed-in user with get_user_id_from_request"),),
    log_pattern=r"user None has no id|is signed in, so require")
ALIKE = FindingKind("identity.W002", "Some user ids may belong to one person",
    "A customer with two ids misses what was said under the other.",
    (Fix("Ask the customer, then compare both on the page Users"),))
LEAK = FindingKind("leakage.E001", "A search for one user finds another's memories", _PRIVACY,
    (Fix("Stop searching this index until the cause is known, and report it"),
     Fix("Check whether anything between here and AWS changes requests")))
# fmt: on

_BY_SORT = {
    "missing": MISSING,
    "altered": ALTERED,
    "undeleted": UNDELETED,
    "unexpected": UNRECORDED,
    "damaged": CORRUPT,
}


def readable(context: Context) -> Iterator[Finding]:
    """Read the names of all entries, and find times in the future."""
    limit = datetime.now(UTC) + _AHEAD
    try:
        last = {view.user_id: view.entries[-1].at for view in context.views if view.entries}
    except LedgerCorrupt as exc:
        yield _corrupt(exc)
        return
    ahead = {user_id: at for user_id, at in last.items() if at > limit}
    if ahead:
        yield AHEAD.finding(
            f"Users with an entry from the future: {len(ahead)}, the latest of "
            f"{max(ahead.values()):%Y-%m-%d %H:%M} UTC.",
            Evidence("clock here", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
            *_users(ahead),
        )


def as_recorded(context: Context) -> Iterator[Finding]:
    """Compare a sample of memories with the store; with `deep` all of them, both ways."""
    auditor = Auditor(context.ledger, context.store)
    if "deep" in context.tags:
        compared = "all memories"
        differences = auditor.audit(Steps(None)).differences
    else:
        pairs = [(view.user_id, key) for view in context.views for key in view.live]
        sample = spread(pairs, _SAMPLE)
        compared = f"{len(sample)} of {counted(len(pairs), 'memory')}"
        differences = tuple(auditor.compare(sample))
    groups: dict[FindingKind, list[Difference]] = {}
    for difference in differences:
        moved = difference.kind == "altered" and "user_id" in difference.item.detail
        groups.setdefault(MOVED if moved else _BY_SORT[difference.kind], []).append(difference)
    for kind, group in groups.items():
        yield kind.finding(
            f"{len(group)} among {compared}: {group[0].item.detail}.",
            *_memories(difference.pair[1] for difference in group),
            *_users({difference.pair[0] for difference in group} - {NOBODY}),
        )


def canonical(context: Context) -> Iterator[Finding]:
    """Look at the owners that some of the stored vectors name."""
    vectors = context.store.get(list(islice(context.store.keys(), _SCANNED)))
    owners = {key: (vector.payload or {}).get("user_id") for key, vector in vectors.items()}
    owners = {key: owner for key, owner in owners.items() if not is_probe(str(owner))}
    named = {
        key: owner for key, owner in owners.items() if isinstance(owner, str) and owner.strip()
    }
    if wrong := sorted({owner for owner in named.values() if not _is_canonical(owner)}):
        yield NOT_CANONICAL.finding(
            f"Ids that are not canonical among {counted(len(owners), 'stored memory')}: "
            f"{len(wrong)}.",
            *(Evidence("user", repr(owner), "store", "user") for owner in wrong[:_SHOWN]),
        )
    if unowned := owners.keys() - named.keys():
        yield UNOWNED.finding(
            f"No user is named by {len(unowned)} of {counted(len(owners), 'stored memory')}.",
            *_memories(sorted(unowned)),
        )


def distinct(context: Context) -> Iterator[Finding]:
    """Look for placeholders and look-alikes among the users on record."""
    ids = [view.user_id for view in context.views if view.live]
    if placeholders := [user_id for user_id in ids if is_placeholder(user_id)]:
        yield PLACEHOLDER.finding(
            f"Placeholders: {len(placeholders)} of {counted(len(ids), 'user')}.",
            *_users(placeholders),
        )
    if groups := look_alikes(ids):
        yield ALIKE.finding(
            f"Groups of similar ids: {len(groups)}; the first by {groups[0][1]}.",
            *_users(user_id for group, _ in groups for user_id in group),
        )


def separate(context: Context) -> Iterator[Finding]:
    """Ask for what one user has as another, over a sample of pairs; only counts are told."""
    backend, store = context.backend, context.store
    service = MemoryService(context.settings, backend, context.embedder, context.ledger, store)
    yield from leaks(service, neighbours(context.views))


def neighbours(views: Iterable[UserView]) -> list[tuple[UserView, UserView]]:
    """Return some users who have memories, each with the next one."""
    users = spread([view for view in views if view.live], _PAIRS)
    return list(zip(users, [*users[1:], *users[:1]], strict=True)) if len(users) > 1 else []


def leaks(
    service: MemoryService, pairs: Sequence[tuple[UserView, UserView]], *evidence: Evidence
) -> Iterator[Finding]:
    """Read as the first of each pair, in every way, what is the other's: nothing may be shown."""
    shown: Counter[str] = Counter()
    for asking, other in pairs:
        # What cannot be read is shown to nobody.
        with suppress(LedgerCorrupt):
            shown.update(set(_ways(service, asking.user_id, other)))
    if shown:
        yield LEAK.finding(
            f"Compared: {counted(len(pairs), 'pair')} of users. One was shown memories of another "
            f"by {listed(f'{way} in {number}' for way, number in sorted(shown.items()))}.",
            *evidence,
        )


def _ways(service: MemoryService, asking: UserId, other: UserView) -> Iterator[str]:
    """Yield the ways of reading by which a user is shown a memory of another one."""
    _, _, ledger, store = service.parts
    own = {memory.id for memory in service.list_memories(asking)}
    if own & other.live.keys():
        yield "a listing"
    if len(own) > len(ledger.view(asking).live):
        yield "a count"
    for key, vector in store.get([next(iter(other.live))], with_values=True).items():
        with suppress(MemoryNotFound):
            service.get_memory(asking, key)
            yield "an id"
        question = str((vector.payload or {}).get("data") or key)[:_LONGEST_QUESTION]
        for mode in get_args(SearchMode):
            hits = service.search(asking, question, limit=_NEIGHBOURS, mode=mode).hits
            if any(hit.memory.id in other.live for hit in hits):
                yield "a question"
        if vector.values is None:
            continue
        # Where the filter fails, the nearest of all is the other's. What names the asking user
        # passes it: a damage of the store, which other checks find.
        near = [hit for hit, _ in store.query(asking, vector.values, _NEIGHBOURS)]
        theirs = store.get([hit for hit in near if hit in other.live]).values()
        if any(owner(stored.payload or {}) != asking for stored in theirs):
            yield "the index"


CHECKS = (
    Check("records.readable", "Every entry of the record can be read", readable, (CORRUPT, AHEAD),
          needs=("index.there",), tags=("data", "deep"), limit_s=60.0),
    Check("identity.record", "Each user has one id", distinct, (PLACEHOLDER, ALIKE),
          needs=("records.readable",), tags=("data",), limit_s=60.0),
    Check("records.store", "The store matches the record", as_recorded,
          (MISSING, ALTERED, UNDELETED, MOVED, UNRECORDED, CORRUPT),
          needs=("records.readable", "index.fits", "index.age"), tags=("data", "deep"),
          of_index=True, limit_s=600.0),
    Check("identity.store", "Stored memories name canonical users", canonical,
          (NOT_CANONICAL, UNOWNED), needs=("index.fits", "index.tied"), tags=("data",),
          of_index=True, limit_s=120.0),
    Check("leakage.search", "A search finds the user's own memories alone", separate, (LEAK,),
          needs=("records.readable", "index.fits", "index.tied"), tags=("data",),
          of_index=True, limit_s=60.0),
)  # fmt: skip


def _corrupt(exc: LedgerCorrupt) -> Finding:
    return CORRUPT.finding(f"{exc}.", Evidence("entry", exc.key, "ledger", "user"))


def _is_canonical(user_id: str) -> bool:
    try:
        return normalize_user_id(user_id) == user_id
    except InvalidUserId:
        return False


def _users(ids: Iterable[str]) -> Iterator[Evidence]:
    for user_id in islice(sorted(ids), _SHOWN):
        yield Evidence("user", user_id, "ledger", "user")


def _memories(ids: Iterable[str]) -> Iterator[Evidence]:
    for memory_id in islice(ids, _SHOWN):
        yield Evidence("memory", memory_id, "store", "memory")
