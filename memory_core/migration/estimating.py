"""How many requests and seconds a migration takes, and what both were worked out from."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from ..elsewhere import Here
from ..intake import Outcome
from ..stores.base import PUT_BATCH
from .values import COPIED, Estimate, Survey, UserPlan

_KEYS_A_READ = 100
# What one took against Amazon from the same region, rounded up.
_PUT_S, _REQUEST_S, _LOCAL_S = 1.0, 0.05, 0.002


def estimate(parts: Here, survey: Survey, users: Sequence[UserPlan]) -> Estimate:
    """Return what writing the planned memories and reading them back takes."""
    planned_by_user = [sum(user.counts.get(kind, 0) for kind in COPIED) for user in users]
    planned = sum(planned_by_user)
    embedded = sum(user.to_embed for user in users)
    seconds = embedded * (survey.embed_seconds or _LOCAL_S)
    measured = f" at {survey.embed_seconds * 1000:.1f} ms each, as measured"
    assumptions = [
        f"{planned:,} memories to write, of which {embedded:,} are embedded"
        + (measured if survey.sampled else "")
    ]
    if parts.backend.name != "s3_vectors":
        assumptions.append(f"a local store takes {_LOCAL_S * 1000:.0f} ms for a memory")
        return Estimate(round(seconds + planned * _LOCAL_S, 1), 0, tuple(assumptions))
    already_there = sum(user.counts.get(Outcome.ALREADY, 0) for user in users)
    puts = ceil(planned / PUT_BATCH)
    entries = sum(ceil(count / PUT_BATCH) for count in planned_by_user)
    reads = ceil((2 * planned + already_there) / _KEYS_A_READ) * 2
    lists = 2 * len(users)
    seconds += puts * _PUT_S + (entries + lists + reads) * _REQUEST_S
    assumptions += [
        f"{puts:,} PutVectors of up to {PUT_BATCH}, about {_PUT_S:.0f} s each",
        f"{entries:,} ledger objects, {lists:,} lists and {reads:,} GetVectors, about "
        f"{_REQUEST_S * 1000:.0f} ms each",
    ]
    return Estimate(round(seconds, 1), puts + entries + lists + reads, tuple(assumptions))
