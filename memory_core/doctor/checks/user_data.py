"""Checks of memories: stored as recorded, under canonical ids, and found by their user alone."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from ...errors import InvalidUserId, LedgerCorrupt
from ...memories.audit import NOBODY, Auditor, Difference
from ...memories.find_user import is_placeholder, look_alikes
from ...model.counting import Steps, counted
from ...model.user_id import is_probe, normalize_user_id
from ..context import Context, spread
from ..findings import Check, Evidence, Finding, finding

_AUDIT = "python -m memory_core audit"
_REPAIR = f"{_AUDIT} --repair"
_SAMPLE = 200
_SCANNED = 1000
_SHOWN = 5
_AHEAD = timedelta(minutes=5)
_NEIGHBOURS = 20


_BY_SORT = {
    "missing": "records.E001",
    "altered": "records.E002",
    "undeleted": "records.E003",
    "unexpected": "records.W001",
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
    try:
        if "deep" in context.tags:
            compared = "all memories"
            differences = auditor.audit(Steps(None)).differences
        else:
            pairs = [(view.user_id, key) for view in context.views for key in view.live]
            sample = spread(pairs, _SAMPLE)
            compared = f"{len(sample)} of {counted(len(pairs), 'memory')}"
            differences = tuple(auditor.compare(sample))
    except LedgerCorrupt as exc:
        yield _corrupt(exc)
        return
    groups: dict[str, list[Difference]] = {}
    for difference in differences:
        moved = difference.kind == "altered" and "user_id" in difference.item.detail
        groups.setdefault("records.E004" if moved else _BY_SORT[difference.kind], []).append(
            difference
        )
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
    """Search for one user with the vector of another's memory, which must not be found."""
    users = [view for view in context.views if view.live][:2]
    if len(users) < 2:
        return
    asking, other = users
    stored = context.store.get(list(other.live)[:1], with_values=True)
    values = [vector.values for vector in stored.values() if vector.values is not None]
    if not values:
        return
    hits = [key for key, _ in context.store.query(asking.user_id, values[0], _NEIGHBOURS)]
    leaked = [
        key
        for key, vector in context.store.get(hits).items()
        if (vector.payload or {}).get("user_id") != asking.user_id
    ]
    if leaked:
        yield finding(
            "leakage.E001",
            f"A search for one user returned memories of others: {len(leaked)}.",
            *_memories(leaked),
            *_users([asking.user_id]),
        )


CHECKS = (
    Check("records.readable", "Every entry of the record can be read", readable,
          "records.E005 records.W002", needs=("index.there",), tags=("data", "deep"), limit_s=60.0),
    Check("identity.record", "Each user has one id", distinct, "identity.W001 identity.W002",
          needs=("records.readable",), tags=("data",), limit_s=60.0),
    Check("records.store", "The store matches the record", as_recorded,
          "records.E001 records.E002 records.E003 records.E004 records.W001 records.E005",
          needs=("records.readable", "index.fits", "index.age"), tags=("data", "deep"),
          of_index=True, limit_s=600.0),
    Check("identity.store", "Stored memories name canonical users", canonical,
          "identity.E001 identity.E002", needs=("index.fits", "index.tied"), tags=("data",),
          of_index=True, limit_s=120.0),
    Check("leakage.search", "A search finds the user's own memories alone", separate,
          "leakage.E001", needs=("records.readable", "index.fits", "index.tied"), tags=("data",),
          of_index=True),
)  # fmt: skip


def _corrupt(exc: LedgerCorrupt) -> Finding:
    return finding("records.E005", f"{exc}.", Evidence("entry", exc.key, "ledger", "user"))


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
