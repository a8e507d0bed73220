"""Checks of the vector index: it exists, fits the embedder, is ours, complete, and stands alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...errors import AccessDenied, IndexMismatch
from ...memories.repository import recorded_elsewhere
from ...model.counting import counted
from ...model.limits import NON_FILTERABLE_KEYS
from ...storage.vectors.s3_index import SEARCHED
from ...storage.vectors.s3_tie import ledger_name
from ..context import CHROMA, S3, Context, spread
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed

_METRIC = "cosine"
_OF_MEM0 = "mem0migrations"
_SAMPLE = 100
_SHOWN = 20
_REBUILD = "python -m memory_core rebuild"
_FROM_RECORD = Fix("Then fill it from the record", command=_REBUILD)

# fmt: off
MISSING = FindingKind("index.E001", "The index does not exist, but memories are on record",
    "Memories are safe on record, but the assistant finds none of them.",
    (Fix("Check the names of the index and the bucket", variable="MEMORY_INDEX"),
     Fix("If they are right, rebuild the index from the record", command=_REBUILD)),
    log_pattern=r"MEMORY_VECTOR_BUCKET, MEMORY_INDEX and AWS_REGION, or make it")
OTHER_SHAPE = FindingKind("index.E002", "The index was made for another embedder",
    "Nothing is found, or nothing can be saved, until index and embedder match.",
    (Fix("Set the embedder that filled the index", variable="MEMORY_EMBEDDER"),
     Fix("Or rebuild the index for this embedder from the record", command=_REBUILD)),
    log_pattern=r"dimension.{0,60}(?:got \d|match|expected|embedder makes)"
    r"|vector .{0,40}dimension|\d-dimensi")
OTHER_KEYS = FindingKind("index.E003", "The index treats memory texts as filterable metadata",
    "Longer memories cannot be saved: filterable metadata is limited to 2 KB.",
    (Fix("Choose a name for a new index", variable="MEMORY_INDEX"), _FROM_RECORD),
    log_pattern=r"Filterable metadata must have at most")
YOUNGER = FindingKind("index.E004", "The index is younger than the memories and lacks some of them",
    "Memories are safe on record, but the assistant does not find the older ones.",
    (Fix("Check that names and region are the ones used before", variable="MEMORY_INDEX"),
     Fix("If they are, fill the index from the record", command=_REBUILD)))
OTHER_LEDGER = FindingKind("index.E005", "The index belongs to another installation",
    "Nothing is saved or found here; the memories of the other installation are safe.",
    (Fix("Correct the bucket and the prefix of the record", variable="MEMORY_PREFIX"),
     Fix("Or choose a name for a new index", variable="MEMORY_INDEX"), _FROM_RECORD),
    log_pattern=r"and this installation keeps its ledger in")
TELEMETRY = FindingKind("index.W001", "An index of mem0's telemetry is beside ours",
    "Another program with mem0 writes here; memories may be counted twice.",
    (Fix("Turn off telemetry in that program", variable="MEM0_TELEMETRY=False"),))
NOT_MADE = FindingKind("index.I001", "The index does not exist yet, and nothing is on record",
    "No effect: the first memory creates it.")
NO_TEXTS = FindingKind("index.I002", "The index does not support keyword search",
    "No effect up to 2,000 memories of one user; beyond that, search goes by meaning alone.")
NEIGHBOURS = FindingKind("index.I003", "There are other indexes beside ours",
    "No effect, unless memories are missing: they may be in one of these.")
# fmt: on


def exists(context: Context) -> Iterator[Finding]:
    name = context.index_name
    if context.has_index:
        return
    if context.ledger.is_empty():
        yield NOT_MADE.finding(f"The first memory creates {name}.")
        return
    others = [other for other in _neighbours(context) if other != _OF_MEM0]
    yield MISSING.finding(
        f"There is no {name}" + (f", but {listed(others)}." if others else "."),
        Evidence("index", name, "MEMORY_INDEX or the embedder's own"),
        *context.place,
    )


def fits(context: Context) -> Iterator[Finding]:
    """Compare the description of the index with the needs of memories."""
    info, wanted = context.info, context.embedder.dimensions
    if info.dimensions not in (0, wanted) or info.metric != _METRIC:
        yield OTHER_SHAPE.finding(
            f"{info.name} has {counted(info.dimensions, 'dimension')} and metric {info.metric!r}; "
            f"{context.embedder.name} makes {wanted} and needs {_METRIC!r}.",
            Evidence(
                "index", f"{counted(info.dimensions, 'dimension')}, {info.metric}", info.backend
            ),
            Evidence("embedder", counted(wanted, "dimension"), "MEMORY_EMBEDDER"),
        )
    elif context.backend.name == S3:
        actual = set(info.non_filterable_keys)
        if not set(NON_FILTERABLE_KEYS) <= actual or "user_id" in actual:
            keys = listed(sorted(actual))
            yield OTHER_KEYS.finding(
                f"The non-filterable keys of {info.name} are {keys or 'none'}; memories need "
                f"{listed(NON_FILTERABLE_KEYS, 10)}.",
                Evidence("non-filterable keys", keys or "none", "S3 Vectors"),
            )
        elif SEARCHED not in info.searchable_keys:
            mode = info.mode or "mode unknown"
            yield NO_TEXTS.finding(f"{info.name}: {mode}, no text search on {SEARCHED!r}.")


def complete(context: Context) -> Iterator[Finding]:
    """Look in the index for memories that are older than it, as after a rebuild."""
    created_at = context.info.created_at
    if created_at is None:
        return
    older = [
        memory_id
        for view in context.views
        for memory_id, live in view.live.items()
        if live.latest.at < created_at
    ]
    sample = spread(older, _SAMPLE)
    missing = len(sample) - len(context.store.get(sample)) if sample else 0
    if missing:
        yield YOUNGER.finding(
            f"It was created {created_at:%Y-%m-%d %H:%M} UTC and lacks {missing} of "
            f"{counted(len(sample), 'older memory')} looked for.",
            Evidence("index created", f"{created_at:%Y-%m-%d %H:%M:%S} UTC", "S3 Vectors"),
            Evidence("older memories on record", str(len(older)), "ledger"),
        )


def tied(context: Context) -> Iterator[Finding]:
    """Compare the ledger that the index names with ours; one that names none, by some memories."""
    from ...storage.vectors.s3 import S3VectorStore

    store = S3VectorStore(context.aws, context.index, context.info)
    location = context.backend.location
    ledger = ledger_name(location["bucket"], location["prefix"])
    try:
        if not store.tie.check(ledger):
            known = partial(recorded_elsewhere, context.ledger)
            store.tie.check_vectors(ledger, store.sample(), known)
    except IndexMismatch as exc:
        yield OTHER_LEDGER.finding(
            f"{exc}.",
            Evidence("index", store.tie.read() or "no ledger named", "its tag, or reserved vector"),
            Evidence("here", ledger, "AWS_S3_BUCKET and MEMORY_PREFIX"),
        )


def alone(context: Context) -> Iterator[Finding]:
    name, backend = context.index_name, context.backend.name
    others = _neighbours(context)
    if _OF_MEM0 in others:
        others.remove(_OF_MEM0)
        yield TELEMETRY.finding(
            f"{_OF_MEM0} is beside {name}.", Evidence("index", _OF_MEM0, backend)
        )
    if others:
        yield NEIGHBOURS.finding(
            f"Beside {name}: {listed(others)}.",
            *(Evidence("index", other, backend) for other in others[:_SHOWN]),
        )


CHECKS = (
    Check("index.there", "The index exists", exists, (MISSING, NOT_MADE),
          needs=("vectors.there", "bucket.readable", "disk.vectors")),
    Check("index.fits", "The index fits the embedder", fits, (OTHER_SHAPE, OTHER_KEYS, NO_TEXTS),
          needs=("index.there",), of_index=True),
    Check("index.tied", "The index belongs to this installation", tied, (OTHER_LEDGER,),
          needs=("index.there", "vectors.readable"), backend=S3, of_index=True),
    Check("index.age", "The index holds the memories older than itself", complete, (YOUNGER,),
          needs=("index.fits", "index.tied"), backend=S3, of_index=True),
    Check("index.alone", "No unexpected index is beside ours", alone, (TELEMETRY, NEIGHBOURS),
          needs=("index.there",), of_index=True),
)  # fmt: skip


def _neighbours(context: Context) -> list[str]:
    """Return the other indexes or collections beside ours; none where listing is denied."""
    if context.backend.name == CHROMA:
        from ...storage.vectors.chroma import collections

        names = collections(context.settings.chroma_path)
    else:
        bucket = context.index.bucket
        try:
            answer = context.aws.ask(
                "s3vectors", "ListIndexes", str(context.index), vectorBucketName=bucket
            )
        except (AccessDenied, IndexMismatch):
            return []
        names = sorted(str(index["indexName"]) for index in answer["indexes"])
    return [name for name in names if name != context.index_name]
