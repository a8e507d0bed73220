"""What a stand-in holds, taken at a moment and put back: a start that many tests share."""

from __future__ import annotations

import pickle
from typing import Any

from moto.s3.models import s3_backends

from standin import StandIn


def take_state(standin: StandIn) -> bytes:
    """Return all objects, indexes and vectors that a stand-in holds."""
    return pickle.dumps(_held(standin))


def put_state(standin: StandIn, state: bytes) -> None:
    """Let a stand-in hold that and nothing else."""
    for held, kept in zip(_held(standin), pickle.loads(state), strict=True):
        held.clear()
        held.update(kept)


def _held(standin: StandIn) -> tuple[dict[str, Any], ...]:
    world = standin._world
    buckets = s3_backends[standin._s3_state.account]["aws"].buckets
    return buckets, world.buckets, world.indexes, world._vectors
