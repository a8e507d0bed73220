"""The encoder of values as JSON, and its decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def encode(value: Any) -> Any:
    """Encode a value for JSON: dataclasses by field, times in ISO 8601 and UTC.

    Raises:
        TypeError: it cannot be encoded.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        # Lone surrogates, which a damaged file may hold, cannot be written.
        return str(value) if value.isascii() else value.encode(errors="backslashreplace").decode()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (date, Path)):
        return str(value)
    if isinstance(value, Mapping):
        return {encode(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, AbstractSet)):
        return [encode(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return pick(value, *(field.name for field in fields(value)))
    raise TypeError(f"{type(value).__name__} cannot be encoded as JSON")


def pick(value: object, *names: str) -> dict[str, Any]:
    """Encode some attributes of a value for JSON, in this order."""
    return {name: encode(getattr(value, name)) for name in names}


def decode(kind: Callable[..., _Value], data: object) -> _Value:
    """Read a dataclass that `encode` wrote; unknown fields, of a newer release, are ignored.

    Raises:
        ValueError: a field is missing, or is not of its type.
    """
    value: _Value = _reader(kind).validate_python(data)
    return value


@cache
def _reader(kind: Any) -> Any:
    # Imported late: few calls read anything back.
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
