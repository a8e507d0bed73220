"""Damages of indexes, models, disks and memories, and of what is around them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from ulid import ULID

from memory_core.redeploy.keeping import keep
from memory_core.redeploy.values import Report, Verdict
from memory_core.stores import Vector
from tests.aws_standin.httpd import App, Request, Response
from tests.openai_server import openai_server

from .damages import Damage, Do, denies, on_plain_disk, sets
from .system import ANN, BOB, System


def other_shape(system: System) -> None:
    system.replace_index(dimension=8)


def other_metric(system: System) -> None:
    system.replace_index(distanceMetric="euclidean")


def other_keys(system: System) -> None:
    system.replace_index(metadataConfiguration={"nonFilterableMetadataKeys": ["hash"]})


def no_texts(system: System) -> None:
    system.cloud.set_switches(classic_only=True)
    with system.open() as service:
        service.add_text_memory(ANN, "Likes figs")


def beside(name: str) -> Do:
    def make(system: System) -> None:
        system.vectors(
            "create_index", indexName=name, dataType="float32", dimension=8,
            distanceMetric="cosine",
        )  # fmt: skip

    return make


def beside_in_chroma(system: System) -> None:
    import chromadb

    chromadb.PersistentClient(str(system.data_dir / "chroma")).create_collection("mem0migrations")


def with_openai(fault: Any, **environ: str) -> Do:
    def serve(system: System) -> None:
        server = system.stack.enter_context(openai_server())
        server.fail(fault)
        system.set(OPENAI_API_KEY="sk-of-the-test-server", OPENAI_BASE_URL=server.url, **environ)

    return serve


def embedded_by_another(system: System) -> None:
    with system.open() as service:
        store = service.parts.store
        for one in store.get(system.ids, with_values=True).values():
            assert one.values is not None
            store.put([replace(one, values=np.roll(one.values, 7))])


def below_a_file(system: System) -> None:
    (system.folder / "file").write_text("not a folder")
    system.set(MEMORY_DATA_DIR=str(system.folder / "file" / "data"))


def overwritten(system: System) -> None:
    path = system.data_dir / "chroma" / "chroma.sqlite3"
    with path.open("r+b") as file:
        file.write(b"not a database" * 300)


def on_a_wiped_disk(system: System) -> None:
    on_plain_disk(system)
    system.set(RENDER="true")


def in_a_container(system: System) -> None:
    system.monkeypatch.undo()
    system.monkeypatch.setattr("memory_core.disks._filesystem", lambda mount: "overlay")


def full(system: System) -> None:
    # What is left on the disk is little beside what is asked for.
    system.monkeypatch.setattr("memory_core.doctor.disk._ROOM_BYTES", 10**18)


def opened_by_another(system: System) -> None:
    path = system.data_dir / "chroma" / "chroma.sqlite3"
    code = f"file = open({str(path)!r}); print('open', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    system.stack.callback(other.communicate, b"\n")
    assert other.stdout is not None
    assert other.stdout.readline() == b"open\n"


def relative(system: System) -> None:
    system.monkeypatch.chdir(system.folder)
    system.set(MEMORY_DATA_DIR="data")


def lose(system: System) -> None:
    with system.open() as service:
        service.parts.store.delete(system.ids[:2])


def lose_the_index(system: System) -> None:
    system.replace_index()


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
    system.monkeypatch.setattr("memory_core.ledger.book.next_ulid", lambda after: later)
    saves(BOB)(system)


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
    system.monkeypatch.setattr("memory_core.doctor.probing._SLOW_MS", 100)
    system.cloud.add_fault("latency", operation="PutVectors", nth="every", seconds=0.1)


def old_mem0(system: System) -> None:
    """Put the description of an older mem0 where Python looks first."""
    described = system.folder / "old" / "mem0ai-2.0.12.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: mem0ai\nVersion: 2.0.12\n")
    system.monkeypatch.syspath_prepend(described.parent)


def old_sqlite(system: System) -> None:
    # No other SQLite can be put into a running Python; it only says that it is older.
    system.monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 1))


def history(system: System) -> None:
    import sqlite3

    system.set(MEM0_DIR=str(system.folder / "mem0"))
    (system.folder / "mem0").mkdir()
    with sqlite3.connect(system.folder / "mem0" / "history.db") as database:
        database.execute("CREATE TABLE history (id TEXT)")
    database.close()


def judged(verdict: Verdict) -> Do:
    def put(system: System) -> None:
        at = "2026-11-22T10:00:00+00:00"
        report = Report(
            "01KAJ0000000000000000000AA", "redeploy", verdict, "as it went", (), 6, 6, (), at, at,
            None, None, None, None,
        )  # fmt: skip
        with system.open() as service:
            keep(service.parts.backend.objects, report)

    return put


def nothing(system: System) -> None:
    """Leave the system as it is."""


DATA = [
    Damage("an index that is not there", ("index.E001",), "s3", sets(MEMORY_INDEX="mistyped")),
    Damage("no such collection", ("index.E001",), "chroma", sets(MEMORY_INDEX="mistyped")),
    Damage("other dimensions", ("index.E002",), "s3", other_shape),
    Damage("another metric", ("index.E002",), "s3", other_metric, tags=("data",)),
    Damage("text as a filter", ("index.E003",), "s3", other_keys),
    Damage("an index made anew", ("index.E004",), "s3", lose_the_index, tags=("data",)),
    Damage("telemetry", ("index.W001",), "s3", beside("mem0migrations")),
    Damage("telemetry in ChromaDB", ("index.W001",), "chroma", beside_in_chroma),
    Damage("nothing saved yet", ("index.I001",), "s3", nothing, tags=("data",), filled=False),
    Damage("no search by words", ("index.I002",), "s3", no_texts, filled=False),
    Damage("another index", ("index.I003",), "s3", beside("mem0-text-embedding-3-small-1536")),
    Damage("no key for the embedder", ("embedder.E001",), "chroma", sets(MEMORY_EMBEDDER="openai"),
           not_said=("backend.I001",)),
    Damage("a refused key", ("embedder.E002", "index.I001"), "chroma", with_openai("401"),
           filled=False),
    Damage("half of the dimensions", ("embedder.E002", "index.I001"), "chroma",
           with_openai("dimension"), filled=False),
    Damage("another model", ("embedder.E003",), "chroma", embedded_by_another, tags=("data",)),
    Damage("a model by half", ("llm.E001",), "chroma", sets(MEMORY_LLM="gpt")),
    Damage("a model that refuses", ("llm.E002", "probe.I001"), "chroma",
           with_openai("401", MEMORY_EMBEDDER="local", MEMORY_LLM="openai:gpt"), tags=("live",)),
    Damage("a disk that is wiped", ("disk.E001",), "chroma", on_a_wiped_disk),
    Damage("a container", ("disk.E001",), "chroma", in_a_container),
    Damage("no folder", ("disk.E002",), "chroma", below_a_file),
    Damage("a damaged database", ("disk.E003",), "chroma", overwritten, tags=("data",)),
    Damage("a plain disk", ("disk.W001",), "chroma", on_plain_disk),
    Damage("no room", ("disk.W002",), "chroma", full),
    Damage("another process", ("disk.I001",), "chroma", opened_by_another),
    Damage("a relative path", ("disk.I002",), "chroma", relative),
    Damage("lost vectors", ("records.E001",), "chroma", lose, tags=("data",)),
    Damage("an older text", ("records.E002",), "chroma", overwrite(data="Likes coffee"),
           tags=("deep",)),
    Damage("a deleted memory", ("records.E003",), "chroma", bring_back, tags=("deep",)),
    Damage("another owner", ("records.E004",), "chroma", overwrite(user_id=BOB), tags=("data",)),
    Damage("a damaged entry", ("records.E005",), "chroma", corrupt, tags=("data", "deep")),
    Damage("never recorded", ("records.W001",), "chroma", put_stray(user_id=ANN, data="Hi"),
           tags=("deep",)),
    Damage("the future", ("records.W002",), "chroma", ahead, tags=("data",)),
    Damage("an id with a capital", ("identity.E001",), "chroma",
           put_stray(user_id="Ann@Example.com ", data="Hi"), tags=("data",)),
    Damage("nobody's", ("identity.E002",), "s3", put_stray(data="Hi"), tags=("data",)),
    Damage("a placeholder", ("identity.W001",), "chroma", saves("default"), tags=("data",)),
    Damage("two ids of one", ("identity.W002",), "chroma", saves("cy.b@gmail.com", "cyb@gmail.com"),
           tags=("data",)),
    Damage("no filter", ("leakage.E001",), "s3", unfiltered, tags=("data",)),
    Damage("no PutVectors", ("probe.E001",), "s3", denies("s3vectors:PutVectors"),
           tags=("live",)),
    Damage("a forgetful index", ("probe.E002",), "s3", forgetful, tags=("live",)),
    Damage("no DeleteVectors", ("probe.E003", "probe.I001"), "s3",
           denies("s3vectors:DeleteVectors"), tags=("live",)),
    Damage("slow", ("probe.W001",), "s3", slow, tags=("live",)),
    Damage("well", ("probe.I001",), "s3", nothing, tags=("live",)),
    Damage("an old mem0", ("versions.E001",), "chroma", old_mem0),
    Damage("an old SQLite", ("versions.E002",), "chroma", old_sqlite),
    Damage("workers", ("environment.I002",), "chroma", sets(WEB_CONCURRENCY="4")),
    Damage("no time zone", ("environment.W001",), "chroma", sets(TZ="Mars/Olympus")),
    Damage("mem0's history", ("history.I001",), "chroma", history),
    Damage("a test that passed", ("redeploy.I001",), "chroma", judged(Verdict.PASS)),
    Damage("a test that failed", ("redeploy.W001",), "s3", judged(Verdict.FAIL)),
]  # fmt: skip
