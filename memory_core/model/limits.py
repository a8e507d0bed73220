"""Limits of stored memories, checked before anything is written.

The numbers are those of Amazon S3 Vectors where it is the narrowest store, so that a memory saved
on any backend can move to any other. Sizes are UTF-8 bytes.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..errors import InvalidMemory

MAX_MEMORY_BYTES = 32 * 1024
MAX_UPLOAD_BYTES = 20 * 1024 * 1024
MAX_LOG_BYTES = 50 * 1024 * 1024
MAX_PASTED_CHARS = 2_000_000
MAX_QUERY_BYTES = 32 * 1024
MAX_SCOPE_BYTES = 254
MAX_METADATA_KEYS = 30
MAX_METADATA_KEY_BYTES = 63
MAX_METADATA_BYTES = 1024
"""As the service counts them; the rest of its 2,048 is for the ids of user, agent and run."""
MAX_FILTERABLE_BYTES = 2048
NON_FILTERABLE_KEYS = tuple(
    "data hash created_at updated_at raw_user_id revision document place".split()
)
"""Payload keys that an index must declare non-filterable: long, and never searched by value."""

RESERVED_KEYS = frozenset(
    """
    actor_id agent_id attributed_to created_at data exact_numbers expiration_date hash
    memory_type raw_user_id revision role run_id text_lemmatized updated_at user_id
    """.split()
)
"""Payload keys that belong to mem0 and Holdfast."""


MOST_MARKS = 30
"""Combining marks on one letter, as in the Stream-Safe Text Format (Unicode Annex 15)."""
_PILE = re.compile(rf"[^\w\s]{{{MOST_MARKS + 1}}}")


def normalized(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """Return a text in a Unicode normal form, in time linear in its length.

    Combining marks beyond the 30th on one letter are dropped: no language has so many, and the time
    to order them grows with the square of their number.
    """
    if not text.isascii() and _PILE.search(text):
        kept, marks = [], 0
        for char in text:
            marks = marks + 1 if unicodedata.combining(char) else 0
            if marks <= MOST_MARKS:
                kept.append(char)
        text = "".join(kept)
    return unicodedata.normalize(form, text)


def check_text(text: object, noun: str = "memory", limit: int = MAX_MEMORY_BYTES) -> str:
    """Return the text unchanged, after checking that it can be stored or searched for.

    Raises:
        InvalidMemory: not text, blank, not valid Unicode, or longer than `limit` bytes.
    """
    if not isinstance(text, str):
        raise InvalidMemory(f"{noun} is {type(text).__name__}, not text; pass a string")
    if not text.strip():
        raise InvalidMemory(f"{noun} is empty; write at least one word")
    if (size := size_of_text(text, noun)) > limit:
        way_out = ", or upload it as a document, which is cut into memories"
        raise InvalidMemory(
            f"{noun} has {size:,} bytes, the limit is {limit:,}; shorten it"
            + (way_out if limit == MAX_MEMORY_BYTES and noun != "question" else "")
        )
    return text


def size_of_text(text: str, noun: str) -> int:
    """Return the size of a text in bytes; raises InvalidMemory if it is not valid Unicode."""
    try:
        return len(text.encode())
    except UnicodeEncodeError as exc:
        raise InvalidMemory(
            f"{noun} has a broken character at position {exc.start}; check how the text was decoded"
        ) from exc


def check_scope(value: object, name: str) -> str | None:
    """Return an agent or run id without surrounding whitespace, None if not given.

    Raises:
        InvalidMemory: not text, with whitespace inside, or longer than 254 bytes.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidMemory(f"{name} is {type(value).__name__}, not text; pass a string or none")
    scope = check_text(value, name).strip()
    if len(scope.encode()) > MAX_SCOPE_BYTES or any(char.isspace() for char in scope):
        raise InvalidMemory(
            f"{name} {scope[:80]!r} has whitespace in it or more than {MAX_SCOPE_BYTES} "
            "bytes; pass an id without spaces"
        )
    return scope


def check_metadata(metadata: object) -> dict[str, Any]:
    """Return a copy of the metadata, `{}` for None.

    Values are strings, finite numbers, booleans, or non-empty lists of strings or of numbers.

    Raises:
        InvalidMemory: a store could not hold it; names the key.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InvalidMemory(f"metadata is {type(metadata).__name__}; pass a mapping")
    if len(metadata) > MAX_METADATA_KEYS:
        raise InvalidMemory(
            f"metadata has {len(metadata)} keys, the limit is {MAX_METADATA_KEYS}; keep fewer"
        )
    checked = {_check_key(key): _check_value(key, value) for key, value in metadata.items()}
    if (size := payload_size(checked)) > MAX_METADATA_BYTES:
        largest = max(checked, key=lambda key: payload_size({key: checked[key]}))
        raise InvalidMemory(
            f"metadata takes {size:,} bytes, the limit is {MAX_METADATA_BYTES:,}; shorten "
            f"{largest!r}, the largest value, or put it into the text"
        )
    return checked


def check_payload(payload: Mapping[str, Any]) -> None:
    """Check the complete payload of a memory, ids included.

    Raises:
        InvalidMemory: the filterable part exceeds the limit of an index.
    """
    filterable = {key: val for key, val in payload.items() if key not in NON_FILTERABLE_KEYS}
    if (size := payload_size(filterable)) > MAX_FILTERABLE_BYTES:
        raise InvalidMemory(
            f"the ids and the metadata of the memory take {size:,} bytes together, the limit is "
            f"{MAX_FILTERABLE_BYTES:,}; shorten the metadata or the agent and run ids"
        )


def payload_size(payload: Mapping[str, Any]) -> int:
    """Return the bytes that S3 Vectors counts for a metadata object.

    The formula is the one that predicted the service's answers exactly in the published
    measurements of FarukAda/aws-langchain-s3-vector-ts (run 5, September 2026).
    """
    return 4 + sum(8 + len(key.encode()) + _value_size(value) for key, value in payload.items())


def _value_size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bool):
        return 0
    if isinstance(value, Sequence):
        return sum(4 + _value_size(item) for item in value)
    return 4


def _check_key(key: object) -> str:
    if not isinstance(key, str) or not key.strip():
        raise InvalidMemory(f"metadata key {key!r} is not a name; use text")
    check_text(key, f"metadata key {key[:80]!r}", MAX_METADATA_KEY_BYTES)
    # ChromaDB refuses names with a "#" in front, and keeps its own under "chroma:".
    if key in RESERVED_KEYS or key.startswith(("#", "$", "chroma:")):
        raise InvalidMemory(f"metadata key {key!r} is reserved; choose another name")
    return key


def _check_value(key: str, value: object) -> Any:
    if isinstance(value, str):
        size_of_text(value, f"metadata {key!r}")
        return value
    if isinstance(value, (bool, int, float)):
        # So written for NaN too; a whole number may be too large for `math`, or to be shown.
        if not abs(value) <= 2**53:
            raise InvalidMemory(f"metadata {key!r} is not a finite number up to 2**53; use text")
        return value
    if isinstance(value, (list, tuple)) and value:
        kinds = {str if isinstance(item, str) else type(item) for item in value}
        if kinds in ({str}, {int}, {float}):
            return [_check_value(key, item) for item in value]
        if kinds == {int, float}:
            return [float(_check_value(key, item)) for item in value]
    raise InvalidMemory(
        f"metadata {key!r} is {str(value)[:60]!r}; use text, a number, true or false, or a "
        "non-empty list of texts or of numbers"
    )
