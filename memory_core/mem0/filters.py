"""Arguments of mem0's calls: ids, filters with operators, and what is refused.

Operators are those of mem0ai 2.2.1 (`Memory.search`), applied to the memories themselves; mem0 on
ChromaDB turns `contains` into an equality, and "*" into no condition at all.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import InvalidMemory, InvalidUserId
from ..memories.search import Condition
from ..model.records import MemoryRecord
from ..model.user_id import UserId, normalize_user_id

_IDENTITY: Final = frozenset({"user_id", "agent_id", "run_id", "actor_id"})
_MISSING: Final = object()
_Test = Callable[[Mapping[str, Any]], bool]
_REFUSED: Final = {
    "timestamp": "the time of a memory is that of its save; put a date into the text",
    "reference_date": "questions are answered as of now; put the date into the question",
    "memory_type": "procedural memories are not kept; summarize, and add the text as it is",
    "prompt": "extraction has one prompt; extract yourself, and add with infer=False",
}
_logger = logging.getLogger("memory_core")


def refuse(method: str, **given: object) -> None:
    """Refuse arguments that have no meaning here, with the reason.

    Raises:
        InvalidMemory: one of them is given.
    """
    for name, value in given.items():
        if value is not None:
            raise InvalidMemory(f"{method}() does not take {name}: {_REFUSED[name]}")


def check_others(method: str, given: Mapping[str, Any]) -> None:
    """Refuse ids outside of the filters, as mem0 does; other unknown arguments are ignored."""
    if ids := sorted(_IDENTITY & given.keys()):
        raise InvalidMemory(
            f"{method}() takes {', '.join(ids)} in its filters; pass filters={{{ids[0]!r}: ...}}"
        )
    if given:
        _logger.warning("%s() ignores %s, which mem0 2.2 has not", method, ", ".join(given))


def check_top_k(top_k: object) -> int:
    """Return the number of memories asked for, 0 or more; raises InvalidMemory."""
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 0:
        raise InvalidMemory(f"top_k is {top_k!r}; pass a whole number, 0 or more")
    return top_k


def to_ids(
    user_id: object, agent_id: object, run_id: object
) -> tuple[str | None, str | None, str | None]:
    """Return the ids as text, without outer whitespace: programs pass numbers too.

    Raises:
        InvalidUserId: there are none.
    """
    if user_id is agent_id is run_id is None:
        raise InvalidUserId("no id is given; pass user_id, or agent_id or run_id alone")
    user, agent, run = (
        None if given is None else str(given).strip() for given in (user_id, agent_id, run_id)
    )
    return user, agent, run


def owner_without_user(agent_id: str | None, run_id: str | None) -> UserId:
    """Return the user under whom the memories of an agent or a run alone are kept."""
    return normalize_user_id(f"run:{run_id}" if agent_id is None else f"agent:{agent_id}")


def without_identity(metadata: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return metadata without ids, which are no metadata in mem0 either."""
    if not isinstance(metadata, Mapping) or not _IDENTITY & metadata.keys():
        return metadata
    _logger.warning("metadata cannot set %s; ignored", ", ".join(_IDENTITY & metadata.keys()))
    return {key: value for key, value in metadata.items() if key not in _IDENTITY}


def read_filters(
    filters: Mapping[str, Any] | None, fields_of: Callable[[MemoryRecord], Mapping[str, Any]]
) -> tuple[str | None, Condition]:
    """Return the user that filters name, if any, and the rest of them as a condition.

    Raises:
        InvalidUserId: they name no user, no agent and no run.
        InvalidMemory: an operator is unknown, or its operand is of the wrong type.
    """
    given = dict(filters or {})
    user, agent, run = to_ids(
        given.pop("user_id", None), given.pop("agent_id", None), given.pop("run_id", None)
    )
    scope = {"agent_id": agent, "run_id": run}
    given |= {key: value for key, value in scope.items() if value is not None}
    holds = _read(given)
    return user, lambda record: holds(fields_of(record))


def _read(filters: object) -> _Test:
    """Return filters as a test of a memory's fields."""
    if not isinstance(filters, Mapping):
        raise InvalidMemory(f"filter {filters!r} is not a mapping of names to conditions")
    tests = [_read_condition(key, condition) for key, condition in filters.items()]
    return lambda fields: all(test(fields) for test in tests)


def _read_condition(key: str, condition: Any) -> _Test:
    if key in ("AND", "OR", "NOT"):
        if not isinstance(condition, list) or (not condition and key != "AND"):
            raise InvalidMemory(f"filter {key} requires a list of conditions")
        tests = [_read(group) for group in condition]
        some = all if key == "AND" else any
        return lambda fields: some(test(fields) for test in tests) is not (key == "NOT")
    operators = condition if isinstance(condition, Mapping) else {"eq": condition}
    for operator, wanted in operators.items():
        if operator not in _OPERATORS:
            raise InvalidMemory(
                f"filter {key!r} has the operator {operator!r}; use one of {', '.join(_OPERATORS)}"
            )
        if operator in ("in", "nin") and not isinstance(wanted, (list, tuple, set)):
            raise InvalidMemory(f"filter {key!r}: {operator!r} requires a list of values")
    return lambda fields: (
        (condition == "*" and key in fields)
        or all(
            _OPERATORS[operator](fields.get(key, _MISSING), wanted)
            for operator, wanted in operators.items()
        )
    )


def _equal(value: object, wanted: object) -> bool:
    # True is 1 in Python, and neither in a store.
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _is_in(value: object, wanted: Any) -> bool:
    return any(_equal(value, item) for item in wanted)


def _compared(value: object, wanted: object) -> int | None:
    """Return how two numbers or two texts compare: -1, 0 or 1; None for anything else."""
    for kind in ((int, float), str):
        if isinstance(value, kind) and isinstance(wanted, kind):
            return (value > wanted) - (value < wanted)  # type: ignore[operator]
    return None


def _contains(value: object, wanted: object) -> bool:
    if isinstance(value, str):
        return str(wanted) in value
    return isinstance(value, (list, tuple)) and _is_in(wanted, value)


def _folded(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_folded(item) for item in value]
    return value.casefold() if isinstance(value, str) else value


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": _equal,
    "ne": lambda value, wanted: not _equal(value, wanted),
    "gt": lambda value, wanted: _compared(value, wanted) == 1,
    "gte": lambda value, wanted: _compared(value, wanted) in (0, 1),
    "lt": lambda value, wanted: _compared(value, wanted) == -1,
    "lte": lambda value, wanted: _compared(value, wanted) in (0, -1),
    "in": _is_in,
    "nin": lambda value, wanted: not _is_in(value, wanted),
    "contains": _contains,
    "icontains": lambda value, wanted: _contains(_folded(value), _folded(wanted)),
}
