"""A value of any frozen dataclass, every field of it filled with something of its own."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from itertools import count, repeat
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Value = TypeVar("Value")

_EAST = timezone(timedelta(hours=2))


def filled(kind: type[Value]) -> Value:
    """Return a value whose fields are all different, the same at each call."""
    made: Value = _make(kind, kind.__name__, count(1))
    return made


def of_one(kind: type[Value]) -> Value:
    """Return a value in which every number is 1, and every sequence has one element."""
    made: Value = _make(kind, kind.__name__, repeat(1))
    return made


def _make(kind: Any, name: str, numbers: Iterator[int]) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind, localns={"Values": Any})
        return kind(**{one.name: _make(hints[one.name], one.name, numbers)
                       for one in fields(kind) if one.init})  # fmt: skip
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _make(inner[0], name, numbers)
    if origin is Literal:
        return inner[-1]
    if origin is tuple:
        many = 1 if isinstance(numbers, repeat) else 2
        every = (inner[0],) * many if inner[1:] == (...,) else inner
        return tuple(_make(one, name, numbers) for one in every)
    if origin is not None and issubclass(origin, Mapping):
        if isinstance(inner[0], type) and issubclass(inner[0], Enum):
            return {one: _make(inner[1], name, numbers) for one in inner[0]}
        return {_make(inner[0], name, numbers): _make(inner[1], name, numbers)}
    return _simple(kind, name, next(numbers))


def _simple(kind: Any, name: str, number: int) -> Any:
    if kind is datetime:
        return datetime(2026, 1, 2, 3, 4, number % 60, number, tzinfo=UTC).astimezone(_EAST)
    if kind is date:
        return date(2026, 1, number % 28 + 1)
    if kind is bool:
        return bool(number % 2)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)[number % len(kind)]
    if kind in (int, float):
        return kind(number) + (0.123456 if kind is float else 0)
    return Path(f"/{name}") / str(number) if kind is Path else f"{name} {number} ä\u200b"
