"""Damages of indexes, models and disks, and of what is around them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib import util
from typing import Any

import numpy as np

from memory_core.redeploy_test.records import keep
from memory_core.redeploy_test.report import Report, Verdict
from memory_core.storage.vectors.chroma import open_folder
from memory_core.storage.vectors.s3_tie import TIE
from memory_core.watch import Alerts
from tests.support.doctor_damages import Damage, Do, nothing, on_plain_disk, sets
from tests.support.doctor_system import ANN, System
from tests.support.openai_server import openai_server
from tests.support.vector_files import INDEX, make_collection, overwrite


def an_alert_to_nobody(system: System) -> None:
    system.set(MEMORY_ALERT_URL="http://127.0.0.1:9/hook")
    with system.open() as service:
        alerts = Alerts("http://127.0.0.1:9/hook", "", service.parts.backend.objects, pauses_s=())
        alerts.see("storage", "broken", "The storage does not answer.")
        assert alerts.wait(60)


def lose_the_index(system: System) -> None:
    system.replace_index()


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


def in_german(system: System) -> None:
    texts = [f"Der Hund aus Haus {number} bellt nicht mehr in der Nacht." for number in range(40)]
    messages = [{"role": "user", "content": text} for text in texts]
    with system.open() as service:
        service.add_messages(ANN, messages, infer=False)


def of_another_ledger(system: System) -> None:
    """Let the index belong to an installation with another prefix."""
    index = system.vectors("get_index")["index"]
    system.cloud.client("s3vectors").tag_resource(
        resourceArn=index["indexArn"], tags={TIE: "s3://production/memory/"}
    )


def overwritten_vectors(system: System) -> None:
    with open_folder(system.data_dir / "chroma").client("delete", writes=True) as client:
        client.delete_collection(INDEX)
    make_collection(system.data_dir / "chroma")
    with system.open() as service:
        assert service.audit(repair=True).clean
    overwrite(system.data_dir)


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
    system.monkeypatch.setattr("memory_core.storage.backend._filesystem", lambda mount: "overlay")


def full(system: System) -> None:
    # What is left on the disk is little beside what is asked for.
    system.monkeypatch.setattr("memory_core.doctor.checks.disk._ROOM_BYTES", 10**18)


def shared_with_others(system: System) -> None:
    system.data_dir.chmod(0o755)


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


def old_mem0(system: System) -> None:
    """Put the description of an older mem0 where Python looks first."""
    described = system.folder / "old" / "mem0ai-2.0.12.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: mem0ai\nVersion: 2.0.12\n")
    system.monkeypatch.syspath_prepend(described.parent)


def without(*packages: str) -> Do:
    """Hide packages of an extra, as where they are not installed."""
    find = util.find_spec

    def hide(system: System) -> None:
        system.monkeypatch.setattr(
            "importlib.util.find_spec", lambda name: None if name in packages else find(name)
        )

    return hide


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


DATA = [
    Damage("an alert to nobody", ("alerts.W001",), "chroma", an_alert_to_nobody),
    Damage("an index that is not there", ("index.E001",), "s3", sets(MEMORY_INDEX="mistyped")),
    Damage("no such collection", ("index.E001",), "chroma", sets(MEMORY_INDEX="mistyped")),
    Damage("other dimensions", ("index.E002",), "s3", other_shape),
    Damage("another metric", ("index.E002",), "s3", other_metric, tags=("data",)),
    Damage("text as a filter", ("index.E003",), "s3", other_keys),
    Damage("an index made anew", ("index.E004",), "s3", lose_the_index, tags=("data",)),
    Damage("an index of another", ("index.E005",), "s3", of_another_ledger, tags=("data",)),
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
    Damage("memories in German", ("embedder.W001",), "chroma", in_german, tags=("data",)),
    Damage("a model by half", ("llm.E001",), "chroma", sets(MEMORY_LLM="gpt")),
    Damage("a model that refuses", ("llm.E002", "probe.I001"), "chroma",
           with_openai("401", MEMORY_EMBEDDER="local", MEMORY_LLM="openai:gpt"), tags=("live",)),
    Damage("a disk that is wiped", ("disk.E001",), "chroma", on_a_wiped_disk),
    Damage("a container", ("disk.E001",), "chroma", in_a_container),
    Damage("no folder", ("disk.E002",), "chroma", below_a_file),
    Damage("a damaged database", ("disk.E003",), "chroma", overwritten, tags=("data",)),
    Damage("damaged vectors", ("disk.E004",), "chroma", overwritten_vectors, tags=("data",)),
    Damage("a plain disk", ("disk.W001",), "chroma", on_plain_disk),
    Damage("no room", ("disk.W002",), "chroma", full),
    Damage("a folder for everybody", ("disk.W003",), "chroma", shared_with_others),
    Damage("another process", ("disk.I001",), "chroma", opened_by_another),
    Damage("a relative path", ("disk.I002",), "chroma", relative),
    Damage("an old mem0", ("versions.E001",), "chroma", old_mem0),
    Damage("no ChromaDB", ("versions.E003",), "chroma", without("chromadb")),
    Damage("no readers of documents", ("versions.I001",), "chroma", without("pypdf")),
    Damage("an old SQLite", ("versions.E002",), "chroma", old_sqlite),
    Damage("workers", ("environment.I002",), "chroma", sets(WEB_CONCURRENCY="4")),
    Damage("passwords alone", ("environment.W002",), "s3", sets(DASHBOARD_USERS="set")),
    Damage("no time zone", ("environment.W001",), "chroma", sets(TZ="Mars/Olympus")),
    Damage("mem0's history", ("history.I001",), "chroma", history),
    Damage("a test that passed", ("redeploy.I001",), "chroma", judged(Verdict.PASS)),
    Damage("a test that failed", ("redeploy.W001",), "s3", judged(Verdict.FAIL)),
]  # fmt: skip
