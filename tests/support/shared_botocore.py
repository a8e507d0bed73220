"""What all clients of boto3 have in common, worked out once in a run: tests make thousands.

What a client does is not changed by it.
"""

from __future__ import annotations

from typing import Any

from botocore import regions
from botocore.endpoint_provider import EndpointProvider
from botocore.hooks import EventAliaser


def share_botocore() -> None:
    """Let each client know what another has worked out."""
    _share_the_names_of_events()
    _share_the_rules_of_endpoints()


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
