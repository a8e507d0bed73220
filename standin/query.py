"""QueryVectors: candidates by filter, ranking, pages."""

from __future__ import annotations

from typing import Any

from .context import Context, Params
from .errors import Field, constraint_failed, invalid
from .filters import Dialect, parse_filter
from .models import CLASSIC, ENHANCED, Index, Vector
from .ranking import (
    Ranked,
    TextQuery,
    cosine_distances,
    euclidean_distances,
    fuse,
    rank_by_distance,
    rank_by_text,
)
from .tokens import issue, redeem
from .vectors import BadVector, to_float32

MAX_TOP_K = 10_000
PAGE_MAX = 100
TOKEN_LIFETIME_S = 300.0


def query_vectors(context: Context, params: Params) -> dict[str, Any]:
    """Return one page of the nearest or best matching vectors."""
    index = context.index(params)
    _check_request(index, params)
    binding = ["query", index.arn, {k: v for k, v in params.items() if k != "nextToken"}]
    start = 0
    if "nextToken" in params:
        start = redeem(params["nextToken"], binding, context.now, TOKEN_LIFETIME_S)
    ranking = _rank(context, index, params)[: params["topK"]]
    end = start + min(PAGE_MAX, context.switches.page_size or PAGE_MAX)
    vectors = context.world.vectors(index).ordered()
    result: dict[str, Any] = {
        "vectors": [_render(entry, vectors, params) for entry in ranking[start:end]],
        "distanceMetric": index.metric,
    }
    if end < len(ranking):
        result["nextToken"] = issue(binding, end, context.now)
    return result


def _check_request(index: Index, params: Params) -> None:
    if params["topK"] > MAX_TOP_K:
        message = (  # guess, in the form of the other ranges
            "Value at '/topK' failed to satisfy constraint: "
            f"Member must be between 1 and {MAX_TOP_K}, inclusive"
        )
        raise constraint_failed([Field("/topK", message)])
    if "queryVector" not in params and "queryTexts" not in params:
        raise invalid("Must specify queryVector, queryTexts, or both")  # guess
    if params.get("queryMode") == CLASSIC and index.mode == ENHANCED:
        raise invalid("queryMode cannot be CLASSIC when indexMode is ENHANCED")
    if "queryTexts" in params and index.mode != ENHANCED:
        raise invalid("queryTexts requires a vector index in ENHANCED mode")  # guess


def _rank(context: Context, index: Index, params: Params) -> list[Ranked]:
    vectors = context.world.vectors(index).ordered()
    positions = _candidates(context, index, params, vectors)
    text_queries = [_text_query(context, index, asked, vectors) for asked in _texts(params)]
    lists = [rank_by_text(query, set(positions)) for query in text_queries]
    if "queryVector" in params:
        lists.insert(0, _nearest(context, index, params, positions))
    if len(lists) == 1:
        return lists[0]
    fused = fuse(lists, params["topK"])
    if "queryVector" not in params:
        for entry in fused:
            entry.fused = None
    return fused


def _nearest(context: Context, index: Index, params: Params, positions: list[int]) -> list[Ranked]:
    try:
        wanted = to_float32(params["queryVector"].get("float32", []), index)
    except BadVector as error:
        message = "Query vector contains invalid values or is invalid for this index"
        raise invalid(message, "vector", f"Invalid input: {error}") from error
    stored = context.world.vectors(index)
    if not len(stored):
        return []
    if index.metric == "cosine":
        found = cosine_distances(stored.matrix(), stored.norms(), wanted)
    else:
        squared = context.switches.squared_euclidean
        found = euclidean_distances(stored.matrix(), wanted, squared=squared)
    return rank_by_distance(found, positions)


def _candidates(context: Context, index: Index, params: Params, vectors: list[Vector]) -> list[int]:
    if "filter" not in params:
        return list(range(len(vectors)))
    mode = params.get("queryMode", index.mode)
    dialect = Dialect(index.non_filterable, mode == ENHANCED, context.switches.ne_absent)
    matches = parse_filter(params["filter"], dialect).matches
    positions = [p for p, vector in enumerate(vectors) if matches(vector.metadata)]
    lost = context.switches.lossy_queries
    # The same vectors are missed every time, as an approximate index would.
    return [p for p in positions if int.from_bytes(vectors[p].place[:4], "big") >= lost * 2**32]


def _texts(params: Params) -> list[Params]:
    asked: list[Params] = params.get("queryTexts", [])
    keys = [text["metadataKey"] for text in asked]
    if len(set(keys)) < len(keys):
        raise invalid("queryTexts must target distinct metadata keys", "queryTexts")  # guess
    return asked


def _text_query(context: Context, index: Index, asked: Params, vectors: list[Vector]) -> TextQuery:
    key = asked["metadataKey"]
    configuration = index.text_for(key)
    if configuration is None:
        raise invalid(f"Metadata key '{key}' is not text searchable", "queryTexts")  # guess
    if configuration.active_at > context.now:
        raise invalid(f"Text search for metadata key '{key}' is BUILDING", "queryTexts")  # guess
    texts = {p: vector.metadata.get(key) for p, vector in enumerate(vectors)}
    strings = {p: text for p, text in texts.items() if isinstance(text, str)}
    return TextQuery(key, asked["text"], configuration.language, strings)


def _render(entry: Ranked, vectors: list[Vector], params: Params) -> dict[str, Any]:
    vector = vectors[entry.position]
    rendered: dict[str, Any] = {"key": vector.key}
    if params.get("returnDistance") and entry.distance is not None:
        rendered["distance"] = entry.distance
    if params.get("returnMetadata"):
        rendered["metadata"] = vector.metadata
    if params.get("returnScores") and "queryTexts" in params:
        rendered["scores"] = _scores(entry)
    return rendered


def _scores(entry: Ranked) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    if entry.fused is not None:
        scores["fused"] = entry.fused
        if entry.distance is not None:
            scores["vectorDistance"] = entry.distance
    if entry.bm25:
        scores["bm25Scores"] = [
            {"metadataKey": key, "score": score} for key, score in entry.bm25.items()
        ]
    return scores
