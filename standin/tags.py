"""Tags on buckets and indexes."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

from .context import Context, Params
from .errors import invalid, resource_missing
from .models import Index, VectorBucket

MAX_TAGS = 50
PATTERN = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"


def tag_resource(context: Context, params: Params) -> dict[str, Any]:
    """Add tags, replacing those of the same key."""
    resource = _find(context, params)
    _save(context, resource, check_tags({**resource.tags, **params["tags"]}))
    return {}


def untag_resource(context: Context, params: Params) -> dict[str, Any]:
    """Remove tags; unknown keys are no error."""
    resource = _find(context, params)
    kept = {k: v for k, v in resource.tags.items() if k not in params["tagKeys"]}
    _save(context, resource, kept)
    return {}


def list_tags_for_resource(context: Context, params: Params) -> dict[str, Any]:
    """Return the tags of a bucket or index."""
    return {"tags": _find(context, params).tags}


def check_tags(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags if the service would take them."""
    if len(tags) > MAX_TAGS:
        raise invalid("Too many tags specified")
    for key, value in tags.items():
        if key.startswith("aws:"):
            raise invalid("System tags cannot be added/updated by requester")
        if key.lower().startswith("aws:"):
            raise invalid(f'Invalid System Tag: {key} must be prefixed with "aws:" in lowercase.')
        if not (_allowed(key) and _allowed(value)):
            raise invalid(f"Member must satisfy regular expression pattern: {PATTERN}")
    return tags


def _allowed(text: str) -> bool:
    return all(unicodedata.category(c)[0] in "LZN" or c in "_.:/=+-@" for c in text)


def _find(context: Context, params: Params) -> VectorBucket | Index:
    arn = params["resourceArn"]
    found = context.world.buckets.get(arn) or context.world.indexes.get(arn)
    if found is None:
        raise resource_missing()
    return found


def _save(context: Context, resource: VectorBucket | Index, tags: dict[str, str]) -> None:
    if isinstance(resource, Index):
        context.world.save_index(replace(resource, tags=tags))
    else:
        context.world.save_bucket(replace(resource, tags=tags))
