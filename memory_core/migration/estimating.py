"""How long a migration takes and what it costs, with everything that was assumed."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from ..elsewhere import Here
from ..intake import Outcome
from ..stores.base import PUT_BATCH
from .values import COPIED, Estimate, Survey, UserPlan

_GB = 1024**3
_LEAST_PUT = 128 * 1024
# List prices of us-east-1 of 22 November 2026, in dollars.
_PUT_GB, _STORED_GB_MONTH, _READ = 0.20, 0.06, 0.055 / 1000
_OBJECT_PUT = 0.005 / 1000
_TOKENS_MILLION = {"text-embedding-3-small": 0.02, "text-embedding-3-large": 0.13}
_TOKENS_MILLION["text-embedding-ada-002"] = 0.10
_BYTES_A_TOKEN = 4
_KEYS_A_READ = 100
# What one took against Amazon from the same region, rounded up.
_PUT_S, _REQUEST_S, _LOCAL_S = 1.0, 0.05, 0.002


def estimate(parts: Here, survey: Survey, users: Sequence[UserPlan], size_bytes: int) -> Estimate:
    """Return what writing the planned memories and reading them back takes."""
    planned = sum(user.counts.get(one, 0) for user in users for one in COPIED)
    there = sum(user.counts.get(Outcome.ALREADY, 0) for user in users)
    embedded = sum(user.to_embed for user in users)
    share = planned / max(1, survey.rows)
    text_bytes = size_bytes * share
    told = [
        f"{planned:,} memories to write, of which {embedded:,} are embedded"
        + (f" at {survey.embed_seconds * 1000:.1f} ms each, as measured" if survey.sampled else "")
    ]
    dollars, names = 0.0, [key for key in _TOKENS_MILLION if key in parts.embedder.name]
    seconds = embedded * (survey.embed_seconds or _LOCAL_S)
    if names and embedded:
        tokens = text_bytes * (embedded / max(1, planned)) / _BYTES_A_TOKEN
        dollars += tokens / 1e6 * _TOKENS_MILLION[names[0]]
        told.append(
            f"{tokens:,.0f} tokens, {_BYTES_A_TOKEN} bytes each, at "
            f"${_TOKENS_MILLION[names[0]]} a million ({names[0]})"
        )
    if parts.backend.name != "s3_vectors":
        told.append(f"a local store takes {_LOCAL_S * 1000:.0f} ms for a memory, and costs nothing")
        return Estimate(seconds + planned * _LOCAL_S, round(dollars, 4), 0.0, tuple(told))
    stored = text_bytes + planned * 4 * parts.embedder.dimensions
    puts = ceil(planned / PUT_BATCH)
    entries = sum(
        ceil(sum(user.counts.get(one, 0) for one in COPIED) / PUT_BATCH) for user in users
    )
    reads = ceil((2 * planned + there) / _KEYS_A_READ) * 2
    lists = 2 * len(users)
    dollars += max(stored / _GB, puts * _LEAST_PUT / _GB) * _PUT_GB
    dollars += reads * _READ + (entries + lists) * _OBJECT_PUT
    seconds += puts * _PUT_S + (entries + lists + reads) * _REQUEST_S
    told += [
        f"{puts:,} PutVectors of up to {PUT_BATCH} at ${_PUT_GB} per GB and at least 128 KB each, "
        f"about {_PUT_S:.0f} s each",
        f"{entries:,} ledger objects and {lists:,} lists at $0.005 per thousand, {reads:,} "
        f"GetVectors at $0.055 per thousand, about {_REQUEST_S * 1000:.0f} ms each",
        f"{stored / 1024**2:,.1f} MB stored at ${_STORED_GB_MONTH} per GB and month",
        "list prices of us-east-1, 22 November 2026",
    ]
    return Estimate(
        round(seconds, 1), round(dollars, 4), round(stored / _GB * _STORED_GB_MONTH, 4), tuple(told)
    )
