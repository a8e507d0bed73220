"""Memories of a ChromaDB folder brought to S3 Vectors, beside plain mem0's loop of raw adds."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path

import boto3
import numpy as np

from memory_core import Settings, open_service
from memory_core import transfer as m
from memory_core.embedders.local import LocalEmbedder
from memory_core.storage.vectors import Vector
from memory_core.storage.vectors.chroma import open_chroma

from .peak_memory import peak_mb, reset_peak
from .rows import LIMIT, Row, Size
from .s3 import open_plain
from .s3_meter import open_meter

_BUCKET = "migrated"
_BATCH = 1_000
_LIMIT_MB = 20.0


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Migrate a folder whose vectors are those of the embedder in use.

    Of mem0's raw adds a hundredth is measured; a loop over all takes as many times as long.
    """
    source, users, added = folder / "old", size.users // 2, ceil(size.memories / 100)
    texts = [f"User {number} went to place number {number}." for number in range(size.memories)]
    _fill(source, texts, users)
    with open_meter() as meter, open_plain(folder) as plain:
        boto3.client("s3").create_bucket(Bucket=_BUCKET)

        def add() -> None:
            for number in range(added):
                message = [{"role": "user", "content": texts[number]}]
                plain.add(message, user_id=f"user{number % users}", infer=False)

        theirs = meter.cost(add)
        settings = Settings.from_env(
            {
                **meter.environ,
                "AWS_S3_BUCKET": _BUCKET,
                "MEMORY_DATA_DIR": str(folder / "local"),
                "MEMORY_EMBEDDER": "local",
            }
        )
        with open_service(settings, migrate=False) as service:
            peaks: list[float] = []

            def note_peak(done: int, total: int) -> None:
                if done:
                    peaks.append(peak_mb())

            reset_peak()
            ours = meter.cost(lambda: m.apply(service, f"chroma:{source}", on_progress=note_peak))
            counts = meter.control.request_counts()
            if not m.verify(service, f"chroma:{source}").verified:
                raise RuntimeError("the migration is not complete")
    puts, objects = counts["s3vectors:PutVectors"], counts["s3:PutObject"]
    times = size.memories / added
    name = f"migration of {size.memories:,}"
    note = f"mem0: {added} adds, times {times:.0f}; ours reads all of it back"
    seconds, theirs_seconds = ours.all_ms / 1000, theirs.all_ms * times / 1000
    yield Row(name, seconds, "s", "mem0's raw adds", theirs_seconds, 1.0, note)
    yield Row(
        f"{name}, requests", ours.requests, "calls", "mem0's raw adds", theirs.requests * times, 1.0
    )
    yield Row(f"{name}, PutVectors", puts, "calls", LIMIT, ceil(size.memories / 400), 1.0)
    yield Row(
        f"{name}, objects", objects, "calls", LIMIT, ceil(size.memories / 100), 1.0,
        "ledger and lease",
    )  # fmt: skip
    # The first batch needs what every batch needs.
    grown = peaks[-1] - peaks[0]
    yield Row(f"{name}, memory grown since its first batch", grown, "MB", LIMIT, _LIMIT_MB, 1.0)


def _fill(folder: Path, texts: list[str], users: int) -> None:
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
                        "user_id": f"User{(start + at) % users}",
                        "created_at": "2026-01-02T03:04:05+00:00",
                    },
                    rows[at],
                )
                for at, text in enumerate(part)
            ]
        )
    store.close()
