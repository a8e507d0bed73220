"""Damages of memories: lost, altered, under another name, seen by others, not saved."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from ulid import ULID

from memory_core.storage.vectors import Vector
from standin.httpd import App, Request, Response
from tests.support.doctor_damages import Damage, Do, denies, nothing
from tests.support.doctor_system import ANN, BOB, System


def lose(system: System) -> None:
    with system.open() as service:
        service.parts.store.delete(system.ids[:2])


def overwrite(**payload: Any) -> Do:
    def change(system: System) -> None:
        with system.open() as service:
            store = service.parts.store
            before = store.get(system.ids[:1], with_values=True)[system.ids[0]]
            store.put([replace(before, payload={**before.payload, **payload})])

    return change


def bring_back(system: System) -> None:
    with system.open() as service:
        store = service.parts.store
        before = store.get(system.ids[:1], with_values=True)[system.ids[0]]
        service.delete_memory(ANN, before.key)
        store.put([before])


def put_stray(**payload: Any) -> Do:
    def put(system: System) -> None:
        with system.open() as service:
            values = np.eye(1, 256, dtype=np.float32)[0]
            service.parts.store.put([Vector("stray", payload, values)])

    return put


def _entries(system: System) -> list[Path]:
    return sorted((system.data_dir / "ledger").rglob("*.json"))


def corrupt(system: System) -> None:
    _entries(system)[0].write_bytes(b'{"kind": "ADD", "id"')


def ahead(system: System) -> None:
    """Save on a machine whose clock is years ahead."""
    later = str(ULID.from_datetime(datetime.now(UTC) + timedelta(days=1000)))
    system.monkeypatch.setattr("memory_core.ledger.ledger.next_ulid", lambda *_: later)
    saves(BOB)(system)


def spoil_a_snapshot(system: System) -> None:
    place = system.data_dir / "snapshots" / "v1" / ANN.replace("@", "%40")
    place.mkdir(parents=True)
    (place / f"{ULID()}.{'0' * 32}.json.z").write_bytes(b"cut off")


def saves(*users: str) -> Do:
    def save(system: System) -> None:
        with system.open() as service:
            for user in users:
                service.add_text_memory(user, "Likes plums")

    return save


def without_filters(request: Request, app: App) -> Response | None:
    """Let searches through without the filter, as a careless proxy or an old adapter would."""
    if not request.path.endswith("/QueryVectors"):
        return None
    asked = json.loads(request.body)
    asked.pop("filter", None)
    return app(replace(request, body=json.dumps(asked).encode()))


def unfiltered(system: System) -> None:
    system.watch(without_filters)


def forgetful(system: System) -> None:
    """Let the index show a vector once, and not again."""
    seen: set[str] = set()

    def watch(request: Request, app: App) -> Response | None:
        if not request.path.endswith("/GetVectors"):
            return None
        keys = set(json.loads(request.body)["keys"])
        if keys & seen:
            headers = (("Content-Type", "application/json"), ("x-amzn-requestid", "front"))
            return Response(200, headers, b'{"vectors": []}')
        answer = app(request)
        seen.update(one["key"] for one in json.loads(answer.body)["vectors"])
        return answer

    system.watch(watch)


def slow(system: System) -> None:
    system.monkeypatch.setattr("memory_core.doctor.checks.round_trip._SLOW_MS", 50)
    system.cloud.add_fault("latency", operation="PutVectors", nth="every", seconds=0.1)


MEMORIES = [
    Damage("lost vectors", ("records.E001",), "chroma", lose, tags=("data",)),
    Damage("an older text", ("records.E002",), "chroma", overwrite(data="Likes coffee"),
           tags=("deep",)),
    Damage("a deleted memory", ("records.E003",), "chroma", bring_back, tags=("deep",)),
    Damage("another owner", ("records.E004",), "chroma", overwrite(user_id=BOB), tags=("data",)),
    Damage("a damaged entry", ("records.E005",), "chroma", corrupt, tags=("data", "deep")),
    Damage("never recorded", ("records.W001",), "chroma", put_stray(user_id=ANN, data="Hi"),
           tags=("deep",)),
    Damage("the future", ("records.W002",), "chroma", ahead, tags=("data",)),
    Damage("a spoilt snapshot", ("records.W003",), "chroma", spoil_a_snapshot, tags=("deep",)),
    Damage("an id with a capital", ("identity.E001",), "chroma",
           put_stray(user_id="Ann@Example.com ", data="Hi"), tags=("data",)),
    Damage("nobody's", ("identity.E002",), "s3", put_stray(data="Hi"), tags=("data",)),
    Damage("a placeholder", ("identity.W001",), "chroma", saves("default"), tags=("data",)),
    Damage("two ids of one", ("identity.W002",), "chroma", saves("cy.b@gmail.com", "cyb@gmail.com"),
           tags=("data",)),
    Damage("no filter", ("leakage.E001",), "s3", unfiltered, tags=("data",)),
    Damage("no PutVectors", ("probe.E001",), "s3", denies("s3vectors:PutVectors"),
           tags=("live",)),
    Damage("no PutObject", ("probe.E001",), "s3", denies("s3:PutObject"), tags=("live",)),
    Damage("no CreateIndex", ("index.I001", "probe.E001"), "s3", denies("s3vectors:CreateIndex"),
           tags=("live",), filled=False),
    Damage("a forgetful index", ("probe.E002",), "s3", forgetful, tags=("live",)),
    Damage("no DeleteVectors", ("probe.E003", "probe.I001"), "s3",
           denies("s3vectors:DeleteVectors"), tags=("live",)),
    Damage("slow", ("probe.W001",), "s3", slow, tags=("live",)),
    Damage("well", ("probe.I001",), "s3", nothing, tags=("live",)),
    Damage("no filter for the probes", ("leakage.E001",), "s3", unfiltered, tags=("live",)),
]  # fmt: skip
