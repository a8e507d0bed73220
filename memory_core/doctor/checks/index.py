"""Checks of the vector index: it exists, fits the embedder, is ours, complete, and stands alone."""

from collections.abc import Iterator
from functools import partial

from ...errors import AccessDenied, IndexMismatch
from ...memories.repository import recorded_elsewhere
from ...model.counting import counted
from ...model.limits import NON_FILTERABLE_KEYS
from ...storage.vectors.s3_index import SEARCHED
from ...storage.vectors.s3_tie import ledger_name
from ..context import CHROMA, S3, Context, spread
from ..findings import Check, Evidence, Finding, finding, listed

_METRIC = "cosine"
_OF_MEM0 = "mem0migrations"
_SAMPLE = 100
_SHOWN = 20


def exists(context: Context) -> Iterator[Finding]:
    name = context.index_name
    if context.has_index:
        return
    if context.ledger.is_empty():
        yield finding("index.I001", f"The first memory creates {name}.")
        return
    others = [other for other in _neighbours(context) if other != _OF_MEM0]
    yield finding(
        "index.E001",
        f"There is no {name}" + (f", but {listed(others)}." if others else "."),
        Evidence("index", name, "MEMORY_INDEX or the embedder's own"),
        *context.place,
    )


def fits(context: Context) -> Iterator[Finding]:
    """Compare the description of the index with the needs of memories."""
    info, wanted = context.info, context.embedder.dimensions
    if info.dimensions not in (0, wanted) or info.metric != _METRIC:
        yield finding(
            "index.E002",
            f"{info.name} has {counted(info.dimensions, 'dimension')} and metric {info.metric!r}; "
            f"{context.embedder.name} makes {wanted} and needs {_METRIC!r}.",
            Evidence(
                "index", f"{counted(info.dimensions, 'dimension')}, {info.metric}", info.backend
            ),
            Evidence("embedder", counted(wanted, "dimension"), "MEMORY_EMBEDDER"),
        )
    elif context.backend.name == S3:
        actual = set(info.non_filterable_keys)
        if not context.manners.describes_keys:
            return
        if not set(NON_FILTERABLE_KEYS) <= actual or "user_id" in actual:
            keys = listed(sorted(actual))
            yield finding(
                "index.E003",
                f"The non-filterable keys of {info.name} are {keys or 'none'}; memories need "
                f"{listed(NON_FILTERABLE_KEYS, 10)}.",
                Evidence("non-filterable keys", keys or "none", "S3 Vectors"),
            )
        elif SEARCHED not in info.searchable_keys:
            mode = info.mode or "mode unknown"
            yield finding("index.I002", f"{info.name}: {mode}, no text search on {SEARCHED!r}.")


def complete(context: Context) -> Iterator[Finding]:
    """Look for memories that are older than the index: a rebuild would have added them."""
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
        yield finding(
            "index.E004",
            f"It was created {created_at:%Y-%m-%d %H:%M} UTC and lacks {missing} of "
            f"{counted(len(sample), 'older memory')} looked for.",
            Evidence("index created", f"{created_at:%Y-%m-%d %H:%M:%S} UTC", "S3 Vectors"),
            Evidence("older memories on record", str(len(older)), "ledger"),
        )


def tied(context: Context) -> Iterator[Finding]:
    """Compare the ledger that the index names with ours; if it names none, some memories."""
    from ...storage.vectors.s3 import S3VectorStore

    store = S3VectorStore(context.aws, context.index, context.info)
    location = context.backend.location
    ledger = ledger_name(location["bucket"], location["prefix"])
    try:
        if not store.tie.check(ledger):
            known = partial(recorded_elsewhere, context.ledger)
            store.tie.check_vectors(ledger, store.sample(), known)
    except IndexMismatch as exc:
        yield finding(
            "index.E005",
            f"{exc}.",
            Evidence("index", store.tie.read() or "no ledger named", "its tag, or reserved vector"),
            Evidence("here", ledger, "AWS_S3_BUCKET and MEMORY_PREFIX"),
        )


def alone(context: Context) -> Iterator[Finding]:
    name, backend = context.index_name, context.backend.name
    others = _neighbours(context)
    if _OF_MEM0 in others:
        others.remove(_OF_MEM0)
        yield finding(
            "index.W001", f"{_OF_MEM0} is beside {name}.", Evidence("index", _OF_MEM0, backend)
        )
    if others:
        yield finding(
            "index.I003",
            f"Beside {name}: {listed(others)}.",
            *(Evidence("index", other, backend) for other in others[:_SHOWN]),
        )


CHECKS = (
    Check("index.there", "The index exists", exists, "index.E001 index.I001",
          needs=("vectors.there", "bucket.readable", "disk.vectors")),
    Check("index.fits", "The index fits the embedder", fits, "index.E002 index.E003 index.I002",
          needs=("index.there",), of_index=True),
    Check("index.tied", "The index belongs to this installation", tied, "index.E005",
          needs=("index.there", "vectors.readable"), backend=S3, of_index=True),
    Check("index.age", "The index holds the memories older than itself", complete, "index.E004",
          needs=("index.fits", "index.tied"), backend=S3, of_index=True),
    Check("index.alone", "No unexpected index is beside ours", alone, "index.W001 index.I003",
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
        names = sorted(str(index["indexName"]) for index in answer.get("indexes", ()))
    return [name for name in names if name != context.index_name]
