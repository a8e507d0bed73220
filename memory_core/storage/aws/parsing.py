"""Fast parsers for the answers with many items.

boto3 handles every number of a vector and every field of a listed object separately, which takes
longer than all the rest of a search. An unexpected answer is left to boto3.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

_LISTED = ("IsTruncated", "NextContinuationToken", "EncodingType")
_XML = "{http://s3.amazonaws.com/doc/2006-03-01/}"

Answer = dict[str, Any]


def read_faster(client: Any, service: str) -> None:
    """Register the parsers of `_READERS` with a new client."""
    for operation, read in _READERS.get(service, {}).items():
        # The asterisk runs it before boto3's own check for errors, which reads the whole answer.
        client.meta.events.register(f"before-parse.*.{operation}", _handler(read))


def _handler(read: Callable[[bytes], Answer]) -> Callable[..., None]:
    def handle(response_dict: Answer, customized_response_dict: Answer, **_: Any) -> None:
        if response_dict["status_code"] != 200:
            return
        try:
            answer = read(response_dict["body"])
        except (ValueError, TypeError, ElementTree.ParseError):
            return
        customized_response_dict.update(answer)
        response_dict["body"] = b""

    return handle


def _read_vectors(body: bytes) -> Answer:
    """Return the answer unchanged, since JSON has all its types; a null is an empty list."""
    answer = json.loads(body)
    if isinstance(answer, dict) and answer.get("vectors", ()) is None:
        answer["vectors"] = []
    if not isinstance(answer, dict) or not isinstance(answer.get("vectors"), list):
        raise ValueError("no vectors")
    return answer


def _read_listing(body: bytes) -> Answer:
    """Return the names, the folders and the next token; times, sizes and tags are not used."""
    root = ElementTree.fromstring(body)
    space = _XML if root.tag.startswith(_XML) else ""
    if root.tag != f"{space}ListBucketResult":
        raise ValueError("not a listing")
    answer: Answer = {
        name: text for name in _LISTED if (text := root.findtext(f"{space}{name}")) is not None
    }
    answer["IsTruncated"] = answer.get("IsTruncated") == "true"
    keys = [key.text for key in root.iterfind(f"{space}Contents/{space}Key")]
    folders = [folder.text for folder in root.iterfind(f"{space}CommonPrefixes/{space}Prefix")]
    if folders:
        answer["CommonPrefixes"] = [{"Prefix": folder} for folder in folders]
    return answer | {"Contents": [{"Key": key} for key in keys]}


_READERS: dict[str, dict[str, Callable[[bytes], Answer]]] = {
    "s3": {"ListObjectsV2": _read_listing},
    "s3vectors": {
        "GetVectors": _read_vectors,
        "ListVectors": _read_vectors,
        "QueryVectors": _read_vectors,
    },
}
