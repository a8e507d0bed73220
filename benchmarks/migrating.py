"""Memories of a ChromaDB folder brought to S3 Vectors, beside plain mem0's loop of raw adds."""

from __future__ import annotations

import resource
from pathlib import Path

import boto3
import numpy as np

from memory_core import Settings, open_service
from memory_core import migration as m
from memory_core.embedders.local import LocalEmbedder
from memory_core.stores import Vector
from memory_core.stores.chroma import open_chroma

from .s3 import open_plain
from .s3_meter import open_meter
from .table import Row

_BUCKET = "migrated"
_MEMORIES = 10_000
_USERS = 50
_ADDED = 100
"""Raw adds of mem0 that are measured; a loop over all takes as many times as long."""
_BATCH = 1_000


def measure(folder: Path) -> list[Row]:
    """Migrate 10,000 memories with vectors of the embedder in use."""
    source = folder / "old"
    texts = [f"User {number} went to place number {number}." for number in range(_MEMORIES)]
    _fill(source, texts)
    with open_meter() as meter:
        boto3.client("s3").create_bucket(Bucket=_BUCKET)
        plain = open_plain(folder)

        def add() -> None:
            for number in range(_ADDED):
                message = [{"role": "user", "content": texts[number]}]
                plain.add(message, user_id=f"user{number % _USERS}", infer=False)

        theirs = meter.cost(add)
        environ = {**meter.environ, "AWS_S3_BUCKET": _BUCKET, "MEMORY_EMBEDDER": "local"}
        with open_service(Settings.from_env(environ), migrate=False) as service:
            peaks: list[float] = []

            def told(done: int, total: int) -> None:
                if done:
                    peaks.append(_memory_mb())

            ours = meter.cost(lambda: m.apply(service, f"chroma:{source}", on_progress=told))
            asked = meter.control.request_counts()
            # From the first batch on, which needs what every batch needs.
            grown = peaks[-1] - peaks[0]
            assert m.verify(service, f"chroma:{source}").verified
    puts, objects = asked["s3vectors:PutVectors"], asked["s3:PutObject"]
    times = _MEMORIES / _ADDED
    name = f"migration of {_MEMORIES:,}"
    return [
        Row(name, ours.all_ms / 1000, theirs.all_ms * times / 1000, "s", 1.0, "theirs: 100 adds, "
            "a hundred times; ours reads all of it back"),
        Row(f"{name}, requests", ours.requests, theirs.requests * times, "calls", 1.0),
        Row(f"{name}, PutVectors / 25", puts, 25, "calls", 1.0),
        Row(f"{name}, objects / 100", objects, _MEMORIES / 100, "calls", 1.0, "ledger and lease"),
        Row(f"{name}, memory grown since 2,000 / 20 MB", grown, 20, "MB", 1.0),
    ]  # fmt: skip


def _fill(folder: Path, texts: list[str]) -> None:
    """Make a folder as mem0 would have."""
    embedder = LocalEmbedder()
    store = open_chroma(folder, "mem0", embedder.dimensions, create=True)
    for start in range(0, len(texts), _BATCH):
        part = texts[start : start + _BATCH]
        rows = np.asarray(embedder.embed(part))
        store.put(
            [
                Vector(
                    f"memory-{start + at:08d}",
                    {
                        "data": text,
                        "user_id": f"User{(start + at) % _USERS}",
                        "created_at": "2026-01-02T03:04:05+00:00",
                    },
                    rows[at],
                )
                for at, text in enumerate(part)
            ]
        )
    store.close()


def _memory_mb() -> float:
    """Return the most that this process ever took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
