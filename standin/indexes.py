"""Operations on indexes: life cycle, mode and text-search configurations."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from .context import Context, Params, page_of_names
from .encryption import encryption_of
from .errors import already_exists, conflict, invalid
from .models import CLASSIC, ENHANCED, Index, TextConfiguration, VectorBucket
from .tags import check_tags

NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MAX_TEXTS = 10
NEEDS_ENHANCED = "Text search requires a vector index in ENHANCED mode"  # guess


def create_index(context: Context, params: Params) -> dict[str, Any]:
    """Create an index in the mode of its bucket."""
    bucket = context.bucket(params)
    name = params["indexName"]
    if not NAME.fullmatch(name):
        raise invalid("Invalid index name", "indexName")  # guess
    index = _new_index(context, bucket, name, params)
    if index.arn in context.world.indexes:
        raise already_exists("An index")
    context.world.save_index(index)
    return {"indexArn": index.arn}


def get_index(context: Context, params: Params) -> dict[str, Any]:
    """Describe an index; no response of the API counts its vectors."""
    index = context.index(params)
    described = _summary(index) | {
        "dataType": "float32",
        "dimension": index.dimension,
        "distanceMetric": index.metric,
        "encryptionConfiguration": index.encryption,
    }
    configuration = _describe_metadata(index, context.now)
    if configuration:
        described["metadataConfiguration"] = configuration
    if not context.switches.classic_only:
        described["indexMode"] = index.mode
    return {"index": described}


def list_indexes(context: Context, params: Params) -> dict[str, Any]:
    """List the indexes of a bucket."""
    bucket = context.bucket(params)
    indexes = {index.name: index for index in context.world.indexes_of(bucket)}
    names, token = page_of_names(context, params, f"indexes {bucket.arn}", indexes)
    result: dict[str, Any] = {"indexes": [_summary(indexes[name]) for name in names]}
    return result | ({"nextToken": token} if token else {})


def delete_index(context: Context, params: Params) -> dict[str, Any]:
    """Delete an index with its vectors; a missing one is an error."""
    context.world.drop_index(context.index(params))
    return {}


def update_index_mode(context: Context, params: Params) -> dict[str, Any]:
    """Change the mode at once; back to CLASSIC only in an old bucket."""
    index, mode = context.index(params), params["indexMode"]
    if mode == CLASSIC and not context.world.buckets[index.bucket_arn].old:
        raise invalid(
            "indexMode cannot be set to CLASSIC because the vector bucket "
            "does not support CLASSIC mode"
        )
    context.world.save_index(replace(index, mode=mode))
    return {}


def update_metadata_configuration(context: Context, params: Params) -> dict[str, Any]:
    """Make metadata keys full-text searchable, or no longer so."""
    index = context.index(params)
    if ("add" in params) == ("delete" in params):
        raise invalid("Must specify either add or delete but not both")  # guess
    if index.mode != ENHANCED:
        raise invalid(NEEDS_ENHANCED)
    changed = _add_texts(context, index, params) if "add" in params else _drop_texts(index, params)
    context.world.save_index(changed)
    return {"indexArn": index.arn}


def _new_index(context: Context, bucket: VectorBucket, name: str, params: Params) -> Index:
    configuration = params.get("metadataConfiguration", {})
    non_filterable = configuration.get("nonFilterableMetadataKeys", [])
    if len(set(non_filterable)) < len(non_filterable):
        raise invalid("nonFilterableMetadataKeys must not contain duplicates")  # guess
    asked = configuration.get("textSearchConfigurations", [])
    if asked and bucket.default_mode != ENHANCED:
        raise invalid(NEEDS_ENHANCED)
    return Index(
        name=name,
        arn=f"{bucket.arn}/index/{name}",
        bucket_name=bucket.name,
        bucket_arn=bucket.arn,
        created_at=context.now,
        dimension=params["dimension"],
        metric=params["distanceMetric"],
        mode=bucket.default_mode,
        encryption=encryption_of(context, params) or bucket.encryption,
        non_filterable=tuple(non_filterable),
        texts=_text_configurations(asked, context.now),
        tags=check_tags(params.get("tags", {})),
    )


def _text_configurations(asked: list[Params], active_at: float) -> tuple[TextConfiguration, ...]:
    keys = [text["metadataKey"] for text in asked]
    if len(set(keys)) < len(keys):
        raise invalid("At most one text search configuration per metadata key")  # guess
    return tuple(
        TextConfiguration(text["metadataKey"], text.get("language"), active_at) for text in asked
    )


def _add_texts(context: Context, index: Index, params: Params) -> Index:
    asked = params["add"].get("textSearchConfigurations", [])
    added = _text_configurations(asked, context.now + context.switches.text_build_s)
    if any(index.text_for(text.key) for text in added):
        raise conflict("A text search configuration for the metadata key already exists")  # guess
    if len(index.texts) + len(added) > MAX_TEXTS:
        raise invalid(f"An index has at most {MAX_TEXTS} text search configurations")  # guess
    return replace(index, texts=index.texts + added)


def _drop_texts(index: Index, params: Params) -> Index:
    keys = {text["metadataKey"] for text in params["delete"].get("textSearchConfigurations", [])}
    if not all(index.text_for(key) for key in keys):
        raise invalid("No text search configuration for the metadata key")  # guess
    return index.without_text(keys)


def _describe_metadata(index: Index, now: float) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if index.non_filterable:
        described["nonFilterableMetadataKeys"] = list(index.non_filterable)
    if index.texts:
        described["textSearchConfigurations"] = [
            {
                "metadataKey": text.key,
                **({"language": text.language} if text.language else {}),
                "status": "ACTIVE" if text.active_at <= now else "BUILDING",
            }
            for text in index.texts
        ]
    return described


def _summary(index: Index) -> dict[str, Any]:
    return {
        "vectorBucketName": index.bucket_name,
        "indexName": index.name,
        "indexArn": index.arn,
        "creationTime": index.created_at,
    }
