"""Checks of memories: stored as recorded, under canonical ids, and found by their user alone."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import get_args

from ...errors import InvalidUserId, LedgerCorrupt, MemoryNotFound
from ...ledger import UserView
from ...ledger.snapshots import SNAPSHOTS
from ...memories.audit import NOBODY, Auditor, Difference
from ...memories.find_user import is_placeholder, look_alikes
from ...model.counting import Steps, counted
from ...model.payload import owner
from ...model.records import SearchMode
from ...model.user_id import UserId, is_probe, normalize_user_id
from ...service import MemoryService
from ..context import Context, spread
from ..findings import Check, Evidence, Finding, finding, listed

_AUDIT = "python -m memory_core audit"
_REPAIR = f"{_AUDIT} --repair"
_SAMPLE = 200
_SCANNED = 1000
_SHOWN = 5
_AHEAD = timedelta(minutes=5)
_NEIGHBOURS = 20
_PAIRS = 10
_LONGEST_QUESTION = 1_000


_BY_SORT = {
    "missing": "records.E001",
    "altered": "records.E002",
    "undeleted": "records.E003",
    "unexpected": "records.W001",
    "damaged": "records.E005",
}


def readable(context: Context) -> Iterator[Finding]:
    """Read the names of all entries, and find times in the future."""
    limit = datetime.now(UTC) + _AHEAD
    try:
        last = {view.user_id: view.entries[-1].at for view in context.views if view.entries}
    except LedgerCorrupt as exc:
        yield finding("records.E005", f"{exc}.", Evidence("entry", exc.key, "ledger", "user"))
        return
    ahead = {user_id: at for user_id, at in last.items() if at > limit}
    if ahead:
        yield finding(
            "records.W002",
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
        differences = auditor.audit(Steps(None), context.views).differences
    else:
        pairs = [(view.user_id, key) for view in context.views for key in view.live]
        sample = spread(pairs, _SAMPLE)
        compared = f"{len(sample)} of {counted(len(pairs), 'memory')}"
        differences = tuple(auditor.compare(sample))
    groups: dict[str, list[Difference]] = {}
    for difference in differences:
        finding_id = _BY_SORT[difference.kind]
        if difference.kind == "altered" and "user_id" in difference.item.detail:
            finding_id = "records.E004"
        elif difference.key.startswith(SNAPSHOTS):
            finding_id = "records.W003"
        groups.setdefault(finding_id, []).append(difference)
    for kind, group in groups.items():
        yield finding(
            kind,
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
        yield finding(
            "identity.E001",
            f"Ids that are not canonical among {counted(len(owners), 'stored memory')}: "
            f"{len(wrong)}.",
            *(Evidence("user", repr(owner), "store", "user") for owner in wrong[:_SHOWN]),
        )
    if unowned := owners.keys() - named.keys():
        yield finding(
            "identity.E002",
            f"No user is named by {len(unowned)} of {counted(len(owners), 'stored memory')}.",
            *_memories(sorted(unowned)),
        )


def distinct(context: Context) -> Iterator[Finding]:
    """Look for placeholders and look-alikes among the users on record."""
    ids = [view.user_id for view in context.views if view.live]
    if placeholders := [user_id for user_id in ids if is_placeholder(user_id)]:
        yield finding(
            "identity.W001",
            f"Placeholders: {len(placeholders)} of {counted(len(ids), 'user')}.",
            *_users(placeholders),
        )
    if groups := look_alikes(ids):
        yield finding(
            "identity.W002",
            f"Groups of similar ids: {len(groups)}; the first by {groups[0][1]}.",
            *_users(user_id for group, _ in groups for user_id in group),
        )


def separate(context: Context) -> Iterator[Finding]:
    """Ask for one user's memories as another, for a sample of pairs; report counts only."""
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
    """Try to read the memories of the second user of each pair as the first, in every way."""
    shown: Counter[str] = Counter()
    for asking, other in pairs:
        # An unreadable record is shown to nobody.
        with suppress(LedgerCorrupt):
            shown.update(set(_ways(service, asking.user_id, other)))
    if shown:
        yield finding(
            "leakage.E001",
            f"Compared: {counted(len(pairs), 'pair')} of users. One was shown memories of another "
            f"by {listed(f'{way} in {number}' for way, number in sorted(shown.items()))}.",
            *evidence,
        )


def _ways(service: MemoryService, asking: UserId, other: UserView) -> Iterator[str]:
    """Yield each way of reading that shows a user a memory of another."""
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
        # If the filter fails, the nearest vector of all is the other's. One that names the asking
        # user passes the filter: that damage of the store is found by other checks.
        near = [hit for hit, _ in store.query(asking, vector.values, _NEIGHBOURS)]
        theirs = store.get([hit for hit in near if hit in other.live]).values()
        if any(owner(stored.payload or {}) != asking for stored in theirs):
            yield "the index"


CHECKS = (
    Check("records.readable", "Every entry of the record can be read", readable,
          "records.E005 records.W002", needs=("index.there",), tags=("data", "deep"), limit_s=60.0),
    Check("identity.record", "Each user has one id", distinct, "identity.W001 identity.W002",
          needs=("records.readable",), tags=("data",), limit_s=60.0),
    Check("records.store", "The store matches the record", as_recorded,
          "records.E001 records.E002 records.E003 records.E004 records.W001 records.E005 "
          "records.W003",
          needs=("records.readable", "index.fits", "index.age"), tags=("data", "deep"),
          of_index=True, limit_s=600.0),
    Check("identity.store", "Stored memories name canonical users", canonical,
          "identity.E001 identity.E002", needs=("index.fits", "index.tied"), tags=("data",),
          of_index=True, limit_s=120.0),
    Check("leakage.search", "A search finds the user's own memories alone", separate,
          "leakage.E001", needs=("records.readable", "index.fits", "index.tied"), tags=("data",),
          of_index=True, limit_s=60.0),
)  # fmt: skip


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
