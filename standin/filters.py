"""The filter grammar: parse strictly, count constraints, evaluate."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import invalid, invalid_filter
from .metadata import Document, is_number
from .switches import NeAbsent

MAX_CONSTRAINTS = 100
Predicate = Callable[[Document], bool]
_RANGES = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the parser must know of the index, the query mode and the switches."""

    non_filterable: tuple[str, ...] = ()
    enhanced: bool = True
    ne_absent: NeAbsent = "refuse"


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter."""

    matches: Predicate
    constraints: int


def parse_filter(document: Any, dialect: Dialect) -> Filter:
    """Parse a filter or raise the service's error for it."""
    parsed = _object(document, dialect)
    if dialect.enhanced and parsed.constraints > MAX_CONSTRAINTS:
        raise invalid_filter()
    return parsed


def _object(document: Any, dialect: Dialect) -> Filter:
    if not isinstance(document, dict) or len(document) != 1:
        raise invalid_filter()
    ((name, operand),) = document.items()
    if name in ("$and", "$or"):
        return _combination(name, operand, dialect)
    if name.startswith("$"):
        raise invalid_filter()
    parsed = _field(name, operand, dialect)
    if name in dialect.non_filterable:
        message = "Invalid use of non-filterable metadata in filter"
        raise invalid(message, "filter")
    return parsed


def _combination(name: str, operand: Any, dialect: Dialect) -> Filter:
    if not isinstance(operand, list) or not operand:
        raise invalid_filter()
    parts = [_object(part, dialect) for part in operand]
    join = all if name == "$and" else any
    # Generators: a later part is not asked once an earlier one has decided.
    return Filter(
        lambda metadata: join(part.matches(metadata) for part in parts),
        sum(part.constraints for part in parts),
    )


def _field(name: str, operand: Any, dialect: Dialect) -> Filter:
    if not isinstance(operand, dict):
        operand = {"$eq": operand}
    if not operand:
        raise invalid_filter()
    tests = [_operator(name, symbol, value, dialect) for symbol, value in operand.items()]
    return Filter(
        lambda metadata: all(test.matches(metadata) for test in tests),
        sum(test.constraints for test in tests),
    )


def _operator(name: str, symbol: str, value: Any, dialect: Dialect) -> Filter:
    if symbol in ("$eq", "$ne") and _is_scalar(value):
        return _equality(name, symbol == "$ne", [value], dialect)
    if symbol in ("$in", "$nin") and _is_list_of_scalars(value):
        return _equality(name, symbol == "$nin", value, dialect)
    if symbol in _RANGES and is_number(value):
        return Filter(_range(name, _RANGES[symbol], value), 1)
    if symbol == "$exists" and isinstance(value, bool):
        return Filter(lambda metadata: (name in metadata) is value, 1)
    if symbol == "$startsWith" and isinstance(value, str) and dialect.enhanced:
        return Filter(_prefix(name, value), 1)
    raise invalid_filter()


def _equality(name: str, negated: bool, values: list[Any], dialect: Dialect) -> Filter:
    wanted = {_typed(value) for value in values}

    def matches(metadata: Document) -> bool:
        if name not in metadata:
            return negated and _absent(name, dialect.ne_absent)
        stored = metadata[name]
        elements = stored if isinstance(stored, list) else [stored]
        return any(_typed(element) in wanted for element in elements) is not negated

    return Filter(matches, len(values))


def _absent(name: str, policy: NeAbsent) -> bool:
    if policy == "refuse":
        raise invalid(
            f"stand-in: $ne or $nin met a vector without '{name}', which AWS does not "
            "document; add an $exists beside it or set the switch ne_absent",
            "filter",
        )
    return policy == "match"


def _range(name: str, compare: Callable[[Any, Any], bool], limit: Any) -> Predicate:
    def matches(metadata: Document) -> bool:
        value = metadata.get(name)
        return is_number(value) and compare(value, limit)

    return matches


def _prefix(name: str, start: str) -> Predicate:
    def matches(metadata: Document) -> bool:
        value = metadata.get(name)
        return isinstance(value, str) and value.startswith(start)

    return matches


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bool) or is_number(value)


def _is_list_of_scalars(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_scalar, value))


def _typed(value: Any) -> tuple[str, Any]:
    # Python holds 1 == True and "1" apart from 1; the service keeps all three apart.
    if isinstance(value, bool):
        return "boolean", value
    return ("string" if isinstance(value, str) else "number"), value
