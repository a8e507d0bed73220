"""Vector metadata: allowed types and the service's own way of measuring size."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

MAX_KEYS = 50
MAX_FILTERABLE_BYTES = 2048
MAX_TOTAL_BYTES = 40960


class BadMetadata(ValueError):
    """Metadata the service refuses; the message is the service's."""


def size_of(metadata: Document) -> int:
    """Return the accounted size of a metadata object in bytes."""
    return 4 + sum(8 + _utf8(key) + _value_size(value) for key, value in metadata.items())


def check_metadata(metadata: Any, non_filterable: tuple[str, ...]) -> None:
    """Raise BadMetadata for a refused type, key count or size."""
    if not isinstance(metadata, dict):
        raise BadMetadata("Metadata must be an object")
    for value in metadata.values():
        _check_value(value)
    if len(metadata) > MAX_KEYS:
        raise BadMetadata(f"Metadata object must have at most {MAX_KEYS} keys")
    filterable = {key: value for key, value in metadata.items() if key not in non_filterable}
    if size_of(filterable) > MAX_FILTERABLE_BYTES:
        raise BadMetadata(f"Filterable metadata must have at most {MAX_FILTERABLE_BYTES} bytes")
    if size_of(metadata) > MAX_TOTAL_BYTES:
        raise BadMetadata(f"Metadata object must have at most {MAX_TOTAL_BYTES} bytes")


def is_number(value: Any) -> bool:
    """Say whether a JSON value is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_value(value: Any) -> None:
    if isinstance(value, list):
        _check_array(value)
    elif not isinstance(value, str | int | float | bool):
        raise BadMetadata("Metadata values must be strings, numbers, booleans, or arrays")


def _check_array(values: list[Any]) -> None:
    if not values:
        raise BadMetadata("Empty arrays are not allowed in metadata")
    strings = all(isinstance(value, str) for value in values)
    numbers = all(is_number(value) for value in values)
    if not (strings or numbers):
        raise BadMetadata("Metadata array values must be strings or numbers")


def _value_size(value: Any) -> int:
    if isinstance(value, bool):
        return 0
    if isinstance(value, str):
        return _utf8(value)
    if isinstance(value, list):
        return sum(4 + _value_size(element) for element in value)
    return 4


def _utf8(text: str) -> int:
    return len(text.encode())
