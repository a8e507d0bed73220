"""The index: there, as the embedder needs it, older than what it should hold, and alone."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import AccessDenied, IndexMismatch
from ...model.limits import NON_FILTERABLE_KEYS
from ...storage.vectors.s3_index import SEARCHED
from ..context import CHROMA, S3, Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed

_REBUILD = "python -m memory_core rebuild"
_METRIC = "cosine"
_OF_MEM0 = "mem0migrations"
_SAMPLE = 100
_NOT_FOUND = "Nothing is found, or nothing can be saved, until the index fits again."

MISSING = FindingKind(
    "index.E001",
    "The index does not exist, but memories are on record",
    "Customers' memories are safe on record, and the assistant finds none of them.",
    (
        Fix("Check the names of the index and the bucket", variable="MEMORY_INDEX"),
        Fix("Make the index again from the record", command=_REBUILD),
    ),
)
OTHER_SHAPE = FindingKind(
    "index.E002",
    "The index was made for another embedder",
    _NOT_FOUND,
    (
        Fix("Set the embedder that filled the index", variable="MEMORY_EMBEDDER"),
        Fix("Or make an index for this embedder from the record", command=_REBUILD),
    ),
)
OTHER_KEYS = FindingKind(
    "index.E003",
    "The index counts the text of memories as a filter",
    "Longer memories cannot be saved: what an index filters by is limited to 2 KB.",
    (
        Fix("Name a new index", variable="MEMORY_INDEX"),
        Fix("Then fill it from the record", command=_REBUILD),
    ),
)
YOUNGER = FindingKind(
    "index.E004",
    "The index is younger than the memories and lacks them",
    "Customers' memories are safe on record, and the assistant does not find the older ones.",
    (
        Fix("Check that names and region are those that were used before", variable="MEMORY_INDEX"),
        Fix("If they are, fill the index from the record", command=_REBUILD),
    ),
)
STRANGERS = FindingKind(
    "index.W001",
    "An index that mem0's telemetry makes is beside ours",
    "Another program with mem0 writes here; customers' memories may be counted twice.",
    (Fix("Switch telemetry off in that program", variable="MEM0_TELEMETRY=False"),),
)
NOT_MADE = FindingKind(
    "index.I001",
    "Nothing is on record and the index is not made yet",
    "Nothing: the first memory makes it.",
)
NO_TEXTS = FindingKind(
    "index.I002",
    "The index cannot search texts by their words",
    "Nothing for most: beyond 2,000 memories of one person, search goes by meaning alone.",
)
NEIGHBOURS = FindingKind(
    "index.I003",
    "There are other indexes beside ours",
    "Nothing, unless memories are missing: they may be in one of these.",
)


def there(context: Context) -> Iterator[Finding]:
    name = context.index_name
    if context.has_index:
        return
    if context.ledger.is_empty():
        yield NOT_MADE.found(f"{name} will be made by the first memory.")
        return
    others = [one for one in _neighbours(context, name) if one != _OF_MEM0]
    yield MISSING.found(
        f"There is no {name}" + (f", but {listed(others)}." if others else "."),
        Evidence("index", name, "MEMORY_INDEX or the embedder's own"),
        *(Evidence(one, value, "decision") for one, value in context.backend.location.items()),
    )


def fits(context: Context) -> Iterator[Finding]:
    """Compare what the index says of itself with what memories need."""
    info, wanted = context.info, context.embedder.dimensions
    if info.dimensions not in (0, wanted) or info.metric != _METRIC:
        yield OTHER_SHAPE.found(
            f"{info.name} has {info.dimensions} dimensions and metric {info.metric!r}; "
            f"{context.embedder.name} makes {wanted} and needs {_METRIC!r}.",
            Evidence("index", f"{info.dimensions} dimensions, {info.metric}", info.backend),
            Evidence("embedder", f"{wanted} dimensions", "MEMORY_EMBEDDER"),
        )
    elif context.backend.name == S3:
        actual = set(info.non_filterable_keys)
        if not set(NON_FILTERABLE_KEYS) <= actual or "user_id" in actual:
            yield OTHER_KEYS.found(
                f"{info.name} does not filter by {listed(sorted(actual)) or 'nothing'}; memories "
                f"need {listed(NON_FILTERABLE_KEYS, 10)} there.",
                Evidence("non-filterable keys", listed(sorted(actual)) or "none", "S3 Vectors"),
            )
        elif SEARCHED not in info.searchable_keys:
            mode = info.mode or "the mode is not told"
            yield NO_TEXTS.found(f"{info.name}: {mode}, no text search on {SEARCHED!r}.")


def old_enough(context: Context) -> Iterator[Finding]:
    """See whether memories that are older than the index are in it, as after a rebuild."""
    made = context.info.created_at
    if made is None:
        return
    older = [
        one for view in context.views for one, live in view.live.items() if live.latest.at < made
    ]
    sample = older[:: max(1, len(older) // _SAMPLE)][:_SAMPLE]
    missing = len(sample) - len(context.store.get(sample)) if sample else 0
    if missing:
        yield YOUNGER.found(
            f"It was made {made:%Y-%m-%d %H:%M} UTC, and of {len(sample)} older memories that "
            f"were looked for {missing} are not in it.",
            Evidence("index made", f"{made:%Y-%m-%d %H:%M:%S} UTC", "S3 Vectors"),
            Evidence("older memories on record", str(len(older)), "ledger"),
        )


def alone(context: Context) -> Iterator[Finding]:
    name = context.index_name
    others = _neighbours(context, name)
    if _OF_MEM0 in others:
        yield STRANGERS.found(
            f"{_OF_MEM0} is beside {name}.", Evidence("index", _OF_MEM0, context.backend.name)
        )
    rest = [one for one in others if one != _OF_MEM0]
    if rest:
        yield NEIGHBOURS.found(
            f"Beside {name}: {listed(rest)}.",
            *(Evidence("index", one, context.backend.name) for one in rest[:20]),
        )


CHECKS = (
    Check("index.there", "The index exists", there, (MISSING, NOT_MADE),
          needs=("vectors.there", "bucket.readable", "disk.database")),
    Check("index.fits", "The index fits the embedder", fits, (OTHER_SHAPE, OTHER_KEYS, NO_TEXTS),
          needs=("index.there",), of_index=True),
    Check("index.age", "The index holds what is older than itself", old_enough, (YOUNGER,),
          needs=("index.fits", "vectors.readable"), backend=S3, of_index=True),
    Check("index.alone", "No unexpected index is beside ours", alone, (STRANGERS, NEIGHBOURS),
          needs=("index.there",), of_index=True),
)  # fmt: skip


def _neighbours(context: Context, name: str) -> list[str]:
    return [one for one in _names(context) if one != name]


def _names(context: Context) -> list[str]:
    """Return the indexes or collections at our place; those we may not list are none."""
    if context.backend.name == CHROMA:
        from ...storage.vectors.chroma import collections

        return collections(context.settings.chroma_path)
    try:
        answer = context.aws.ask(
            "s3vectors", "ListIndexes", str(context.index), vectorBucketName=context.index.bucket
        )
    except (AccessDenied, IndexMismatch):
        return []
    return sorted(str(one["indexName"]) for one in answer["indexes"])
