"""Request validation against botocore's own service model.

boto3 checks required members and minima only. The model also carries maxima, list sizes,
enums and patterns, and the service enforces them; so does this.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from .errors import Field, constraint_failed, invalid, unreadable
from .metadata import is_number

NOT_A_NUMBER = frozenset({"NaN", "Infinity", "-Infinity"})
# These have messages of their own, see tags.py.
OWN_PATTERN_CHECK = frozenset({"TagKey", "TagValue"})


@cache
def service_model() -> ServiceModel:
    """Return the s3vectors model of the installed botocore."""
    return botocore.session.get_session().get_service_model("s3vectors")


def check_input(operation: str, params: dict[str, Any], *, ignore_unknown: bool) -> dict[str, Any]:
    """Return the known parameters, or raise for anything the model forbids."""
    shape = service_model().operation_model(operation).input_shape
    checker = _Checker(ignore_unknown)
    known = checker.structure(shape, params, "")
    if checker.broken:
        raise constraint_failed(checker.broken)
    return known


class _Checker:
    def __init__(self, ignore_unknown: bool):
        self._ignore_unknown = ignore_unknown
        self.broken: list[Field] = []

    def structure(self, shape: StructureShape, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong_type(path, "an object")
        for name in value.keys() - shape.members.keys():
            if not self._ignore_unknown:
                raise invalid(f"Unknown member '{name}' at '{path or '/'}'", f"{path}/{name}")
        # A null member counts as absent, unless it is a document: a null filter is no filter.
        present = {
            name: given
            for name, given in value.items()
            if name in shape.members and (given is not None or _is_document(shape.members[name]))
        }
        for name in shape.required_members:
            if name not in present:
                self._fail(f"{path}/{name}", "Value at", "Member must not be null")
        return {n: self.check(shape.members[n], v, f"{path}/{n}") for n, v in present.items()}

    def check(self, shape: Shape, value: Any, path: str) -> Any:
        if _is_document(shape):
            return value
        return _CHECKS[shape.type_name](self, shape, value, path)

    def list(self, shape: ListShape, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong_type(path, "a list")
        self._length(shape, value, path)
        if shape.member.type_name == "float":
            return _floats(value, path)
        return [self.check(shape.member, item, f"{path}/{i}") for i, item in enumerate(value)]

    def map(self, shape: MapShape, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong_type(path, "an object")
        for key, item in value.items():
            self.check(shape.key, key, f"{path}/{key}")
            self.check(shape.value, item, f"{path}/{key}")
        return value

    def string(self, shape: StringShape, value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise _wrong_type(path, "a string")
        self._length(shape, value, path)
        if shape.enum and value not in shape.enum:
            allowed = f"[{', '.join(shape.enum)}]"
            self._fail(path, "Value at", f"Member must satisfy enum value set: {allowed}")
        pattern = shape.metadata.get("pattern")
        if pattern and shape.name not in OWN_PATTERN_CHECK and not re.fullmatch(pattern, value):
            rule = f"Member must satisfy regular expression pattern: {pattern}"
            self._fail(path, "Value at", rule)
        return value

    def integer(self, shape: Shape, value: Any, path: str) -> int:
        if not is_number(value) or not float(value).is_integer():
            raise _wrong_type(path, "an integer")
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            self._fail(path, "Value at", f"Member must be {_range(low, high)}")
        return int(value)

    def boolean(self, shape: Shape, value: Any, path: str) -> bool:
        if not isinstance(value, bool):
            raise _wrong_type(path, "a boolean")
        return value

    def _length(self, shape: Shape, value: Any, path: str) -> None:
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        size = len(value)
        if (low is not None and size < low) or (high is not None and size > high):
            rule = f"Member must have length {_range(low, high)}"
            self._fail(path, f"Value with length {size} at", rule)

    def _fail(self, path: str, value_at: str, rule: str) -> None:
        message = f"{value_at} '{path}' failed to satisfy constraint: {rule}"
        self.broken.append(Field(path, message))


_CHECKS = {
    "structure": _Checker.structure,
    "list": _Checker.list,
    "map": _Checker.map,
    "string": _Checker.string,
    "integer": _Checker.integer,
    "boolean": _Checker.boolean,
}


def _is_document(shape: Shape) -> bool:
    return getattr(shape, "is_document_type", False)


def _range(low: int | None, high: int | None) -> str:
    if high is None:
        return f"greater than or equal to {low}"
    if low is None:
        return f"less than or equal to {high}"
    return f"between {low} and {high}, inclusive"


def _floats(values: list[Any], path: str) -> list[float]:
    if set(map(type, values)) <= {int, float}:
        return values
    # JSON has no NaN, so botocore sends the three words; they are refused later, by name.
    if all(is_number(value) or value in NOT_A_NUMBER for value in values):
        return [float(value) for value in values]
    raise _wrong_type(path, "a list of numbers")


def _wrong_type(path: str, wanted: str) -> Exception:
    return unreadable(f"{path or '/'} must be {wanted}")
