"""Payloads as metadata of S3 Vectors, also for a server that fixes its schema by the first vector.

There every vector has the same keys, all of them text: those of mem0 and Holdfast under their
names, empty if a payload lacks them, and attached metadata as one JSON text beside them. If a
server refuses only some keys, these alone are in that text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ...model.limits import NON_FILTERABLE_KEYS, RESERVED_KEYS
from ...model.server_card import ServerManners

ATTACHED: Final = "holdfast_metadata"
"""The key of the JSON text.

Only vectors written for a server that needs it have this key, so it can always be read.
"""

# Of mem0 and of Holdfast: what a payload can have besides attached metadata.
_OWN_KEYS: Final = tuple(sorted({*NON_FILTERABLE_KEYS, *RESERVED_KEYS}))


def to_metadata(payload: Mapping[str, Any], manners: ServerManners) -> dict[str, Any]:
    """Return the metadata of a vector; the service refuses null."""
    present = {name: value for name, value in payload.items() if value is not None}
    if not manners.fixed_schema:
        odd = {
            key: present.pop(key)
            for key in list(present)
            if not manners.odd_keys and ("." in key or key.startswith("_"))
        }
        return present | ({ATTACHED: json.dumps(odd, ensure_ascii=False)} if odd else {})
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
        # Not written by us, or damaged: returned as it is, and found by the audit.
        return payload
    own = {
        name: value
        for name, value in payload.items()
        if name != ATTACHED and (value != "" or name not in _OWN_KEYS)
    }
    return own | attached if isinstance(attached, dict) else payload
