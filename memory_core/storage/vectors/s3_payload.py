"""Payloads as metadata of S3 Vectors, also for a server that fixes its schema by the first vector.

There every vector carries the same keys, all of them text: mem0's and Holdfast's own under their
names, empty where a payload has none, and whatever else was attached as one JSON text beside them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ...model.limits import NON_FILTERABLE_KEYS, RESERVED_KEYS

ATTACHED: Final = "holdfast_metadata"
"""The key of the JSON text; only vectors with the same keys each have it."""

_OWN_KEYS: Final = tuple(sorted({*NON_FILTERABLE_KEYS, *RESERVED_KEYS}))


def to_metadata(payload: Mapping[str, Any], *, same_keys: bool) -> dict[str, Any]:
    """Return the metadata of a vector; the service refuses null."""
    present = {name: value for name, value in payload.items() if value is not None}
    if not same_keys:
        return present
    own = {
        name: value for name in _OWN_KEYS if isinstance(value := present.get(name), str) and value
    }
    attached = {name: value for name, value in present.items() if name not in own}
    text = json.dumps(attached, ensure_ascii=False)
    return {**dict.fromkeys(_OWN_KEYS, ""), **own, ATTACHED: text}


def to_payload(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the payload that a vector's metadata holds; a null is none."""
    payload = {name: value for name, value in (metadata or {}).items() if value is not None}
    text = payload.get(ATTACHED)
    if not isinstance(text, str):
        return payload
    try:
        attached = json.loads(text)
    except ValueError:
        # Not of our writing, or damaged: shown as it is, and found by the audit.
        return payload
    own = {name: value for name, value in payload.items() if value != "" and name != ATTACHED}
    return own | attached if isinstance(attached, dict) else payload
