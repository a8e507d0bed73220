"""What all clients of boto3 have in common, worked out once in a run: tests make thousands.

What a client does is not changed by it.
"""

from __future__ import annotations

import inspect
from typing import Any

from botocore import hooks, regions
from botocore.compat import accepts_kwargs
from botocore.endpoint_provider import EndpointProvider
from botocore.hooks import EventAliaser, NodeList


def share_botocore() -> None:
    """Let each client know what another has worked out."""
    _share_the_names_of_events()
    _share_the_rules_of_endpoints()
    hooks._PrefixTrie._recursive_copy = lambda trie, node: _copied(node)
    hooks.accepts_kwargs = _accepts_keywords


def _share_the_names_of_events() -> None:
    """They are the same in all clients, and take a fifth of what making one takes."""
    known: dict[str, str] = {}
    begin = EventAliaser.__init__

    def begin_with_known(aliaser: EventAliaser, *given: Any) -> None:
        begin(aliaser, *given)
        aliaser._alias_name_cache = known

    EventAliaser.__init__ = begin_with_known


def _share_the_rules_of_endpoints() -> None:
    """They are read from one description for all clients of a service."""
    known: dict[tuple[int, int], tuple[EndpointProvider, Any]] = {}

    def provider(ruleset_data: Any, partition_data: Any, excluded_params: Any) -> EndpointProvider:
        place = id(ruleset_data), id(partition_data)
        if place not in known:
            made = EndpointProvider(ruleset_data, partition_data, excluded_params)
            # Kept, so that nothing else can come to lie at the same place.
            known[place] = made, (ruleset_data, partition_data)
        return known[place][0]

    regions.EndpointProvider = provider


def _copied(node: dict[str, Any]) -> dict[str, Any]:
    """Copy the handlers of events as botocore does it, in a third of the time."""
    return {
        key: _copied(value)
        if isinstance(value, dict)
        else NodeList(value.first.copy(), value.middle.copy(), value.last.copy())
        if isinstance(value, NodeList)
        else value
        for key, value in node.items()
    }


def _accepts_keywords(handler: Any) -> bool:
    """Look at the code of a function or method, where botocore takes its signature apart."""
    code = getattr(handler, "__code__", None)
    if code is None:
        return bool(accepts_kwargs(handler))
    return bool(code.co_flags & inspect.CO_VARKEYWORDS)
