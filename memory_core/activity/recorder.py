"""Recording the actions of a service for the current actor: an entry for each outermost call.

`noted` decorates public calls, `recording` wraps a part of one. A noted call inside another leaves
no entry of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import Parameter, signature
from typing import Any, Final, ParamSpec, TypeVar

from ..model.counting import counted
from ..model.payload import owner
from ..model.records import Receipt
from ..settings import Settings
from ..storage.objects import ObjectStore
from .entries import LIBRARY, Actor, Weight, current_actor, short, verb_of
from .log import ActivityLog, Operation

_P = ParamSpec("_P")
_T = TypeVar("_T")

_noted_call: ContextVar[str | None] = ContextVar("memory_core_noted_call", default=None)

_WITH_OTHERS: Final = frozenset({"save", "change", "delete", "delete-user"})
"""Frequent calls of programs: written together with others, so that no call takes longer."""

_EXPORTS: Final = frozenset({"export", "export-all"})


def open_log(objects: ObjectStore, settings: Settings) -> ActivityLog:
    """Return the activity log that the settings describe."""
    return ActivityLog(objects, secret=settings.activity_key, days=settings.activity_days)


def noted(
    action: str | Callable[[Mapping[str, Any]], str],
    detail_of: Callable[[Any], str] = lambda _: "",
    *,
    of: str | None = "user_id",
    other: str | None = None,
    when: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Note each call: a method of a service, or a function whose first argument is one.

    `action` may depend on the arguments, and `detail_of` turns the result into the detail. `of` and
    `other` name the parameters with the users. `when` gets all arguments and returns whether the
    call changes or exports anything.
    """

    def decorate(call: Callable[_P, _T]) -> Callable[_P, _T]:
        parameters = signature(call)
        required = [
            name
            for name in (of, other)
            if name and parameters.parameters[name].default is Parameter.empty
        ]

        @wraps(call)
        def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            bound = parameters.bind(*args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
            if not when(given):
                return call(*args, **kwargs)
            service = next(iter(given.values()))
            name = action if isinstance(action, str) else action(given)
            user_id, other_id = _text(given, of), _text(given, other)
            # A call with an invalid id changes nothing.
            valid = all(owner({"user_id": given[parameter]}) for parameter in required)
            with recording(
                service.activity, name, user_id=user_id, other_id=other_id, begin=valid
            ) as operation:
                result = call(*args, **kwargs)
                operation.detail = detail_of(result)
            return result

        return run

    return decorate


@contextmanager
def recording(
    log: ActivityLog,
    action: str,
    *,
    user_id: str | None = None,
    other_id: str | None = None,
    begin: bool = True,
) -> Iterator[Operation]:
    """Note the action of the block, and how it ended, with the `detail` of the operation yielded.

    The beginning of a guarded action is written first, unless `begin` is False because the block
    will refuse its arguments.

    Raises:
        BackendError: the action is guarded and its beginning could not be written; the block is
            not entered.
        LedgerError: likewise.
    """
    if _noted_call.get() is not None:
        yield Operation()
        return
    actor = current_actor()
    weight = _weight(actor, action)
    guarded = weight == "guarded" and begin
    about: dict[str, Any] = {"user_id": user_id, "other_id": other_id}
    waits = weight != "change" and not guarded
    with (
        unnoted(action),
        log.operation(actor, action, **about, guarded=guarded, waits=waits) as operation,
    ):
        yield operation


@contextmanager
def unnoted(call: str = "") -> Iterator[None]:
    """Leave no entries in the block, which is part of an action that is noted as a whole."""
    token = _noted_call.set(call)
    try:
        yield
    finally:
        _noted_call.reset(token)


def current_author() -> dict[str, str]:
    """Return the author of an event for the ledger: name, way in, and noted call."""
    actor = current_actor()
    call = _noted_call.get() or ""
    return {"who": short(actor.name), "via": short(actor.via), "call": short(call)}


def removed(receipt: Receipt) -> str:
    """Return the detail of a removal: how many memories were removed, and how many are left."""
    return f"{counted(receipt.removed, 'memory')}, {receipt.left or 0:,} left"


def _weight(actor: Actor, action: str) -> Weight:
    """Return the weight of the entry, which for some actions depends on the actor."""
    if actor.via == LIBRARY and action in _WITH_OTHERS:
        return "look"
    if actor.via != "dashboard" and action in _EXPORTS:
        # Programs and commands have the keys of the storage: nothing is kept from them, and
        # memories can be rescued from a storage that no longer takes writes.
        return "change"
    return verb_of(action).weight


def _text(given: Mapping[str, Any], parameter: str | None) -> str | None:
    value = given.get(parameter) if parameter else None
    return None if value is None else str(value)
