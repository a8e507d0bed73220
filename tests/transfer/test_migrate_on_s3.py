"""On S3: what lies on the local disk comes along by itself, and every kind of source is read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from memory_core import MemoryService, Settings, open_service
from memory_core import transfer as m
from memory_core.embedders import Embedder
from memory_core.errors import BackendUnavailable, IndexMismatch
from memory_core.transfer.background import Background
from memory_core.transfer.lease import Lease, read_holder
from tests.support.intakes import texts
from tests.support.migration_worlds import Old, contents, plain_collection
from tests.support.ports import held_port
from tests.support.s3_worlds import Cloud, World, open_cloud
from tests.support.waiting import wait_for
from tests.support.zygote import Zygote

TEXTS = ["tea", "rye", "oats"]


@pytest.fixture(scope="module")
def cloud(embedder: Embedder) -> Iterator[Cloud]:
    with open_cloud(embedder) as opened:
        yield opened


@pytest.fixture
def world(cloud: Cloud) -> World:
    return cloud.world()


@pytest.fixture
def environ(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An installation on S3 whose local disk has three memories."""
    local = {"MEMORY_DATA_DIR": str(tmp_path / "data")}
    with open_service(Settings.from_env(local)) as service:
        for text in TEXTS:
            service.add_text_memory("Ann@X.com", text)
    environ = {**world.environ(), **local}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def ended(service: MemoryService) -> str:
    assert service._background
    assert service._background.wait(30), service._background.status
    return service.migration_status().state


def test_the_local_disk_comes_along_by_itself_and_what_is_deleted_stays_away(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "memory_core")
    with open_service(Settings.from_env(environ)) as service:
        assert ended(service) == "done"
        assert sorted(texts(service, "ann@x.com").values()) == sorted(TEXTS)
        assert (service.status().migration.copied, service.more_to_come) == (3, False)
        (gone, *_) = texts(service, "ann@x.com")
        service.delete_memory("ann@x.com", gone)
    assert "migration of the local disk: 3 memories copied" in caplog.text
    with open_service(Settings.from_env(environ)) as service:
        assert ended(service) == "done"
        assert len(texts(service, "ann@x.com")) == 2
        service.forget_user("ann@x.com")
    with open_service(Settings.from_env(environ)) as service:
        assert ended(service) == "done"
        # Nor when somebody asks for it: forgotten is forgotten.
        assert m.apply(service, "local").copied == 0
        assert texts(service, "ann@x.com") == {}


@pytest.mark.parametrize("sizes", [(1, 6), (1, 5, 6), (6, 1, 5)], ids=str)
def test_several_collections_come_along_by_themselves(
    sizes: tuple[int, ...],
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memory_core.transfer.chroma_source._BATCH", 5)
    for number, size in enumerate(sizes):
        rows = {
            f"{number}-{row}": {"user_id": "bob", "data": f"{number} {row}"} for row in range(size)
        }
        plain_collection(tmp_path / "data" / "chroma", f"old-{number}", rows)
    with open_service(Settings.from_env(environ)) as service:
        assert ended(service) == "done", service.migration_status().message
        assert len(texts(service, "bob")) == sum(sizes)


def test_it_can_be_turned_off_and_is_told_in_status(environ: dict[str, str]) -> None:
    off = Settings.from_env({**environ, "MEMORY_AUTO_MIGRATE": "0"})
    with open_service(off) as service:
        status = service.migration_status()
        assert (status.state, status.total, service.more_to_come) == ("off", 3, False)
        assert texts(service, "ann@x.com") == {}
        with Lease(service.parts.backend.objects, "local"):
            assert service.migration_status().state == "elsewhere"
        assert m.apply(service, "local").copied == 3
        assert service.migration_status().state == "done"
    with open_service(replace(off, auto_migrate=True), migrate=False) as service:
        assert service._background is None


def test_reads_say_that_more_is_on_its_way_and_closing_ends_it_between_batches(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.transfer.incoming_writer._WINDOW", 1)
    with open_service(Settings.from_env(environ), migrate=False) as service:
        background = service._background = Background(service)
        found = service.search("ann@x.com", "tea")
        assert found.more_to_come
        assert service.status().migration.state == "waiting"

        take = background._advance

        def stop(done: int, total: int) -> None:
            if done:
                background._stop.set()
            take(done, total)

        monkeypatch.setattr(background, "_advance", stop)
        background.start()
        assert background.wait(30), background.status
        assert background.status.state == "stopped"
        assert len(texts(service, "ann@x.com")) == 1
    with open_service(Settings.from_env(environ)) as service:
        assert ended(service) == "done"
        assert service.migration_status().copied == 2
        assert not service.search("ann@x.com", "tea").more_to_come


@pytest.mark.process
def test_a_program_that_ends_lets_it_finish_its_batch(
    environ: dict[str, str], world: World
) -> None:
    world.open()
    code = "from memory_core import open_service; open_service()"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Traceback" not in ended.stderr
    holder = read_holder(world.backend.objects)
    assert holder is None or holder.released
    assert len(world.texts("ann@x.com")) in (0, 3)


@pytest.mark.process
def test_two_instances_that_start_together_migrate_once(
    environ: dict[str, str], zygote: Zygote, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open()
    both = [zygote.start("migrate_local", environ=environ) for _ in range(2)]
    reports = [child.finish()[0] for child in both]
    assert [state for state, _ in reports] == ["done", "done"]
    assert len(world.kinds("ann%40x.com")) == 1
    assert sorted(world.texts("ann@x.com")) == sorted(TEXTS)
    world.assert_sound()


@pytest.mark.parametrize("operation", ["PutObject", "PutVectors", "GetVectors"])
@pytest.mark.parametrize("action", ["throttle", "drop_after"])
def test_throttling_and_lost_answers_are_tried_again(
    cloud: Cloud, world: World, tmp_path: Path, operation: str, action: str
) -> None:
    (tmp_path / "a.jsonl").write_text(
        "\n".join(f'{{"id": "m{n}", "user_id": "ann", "memory": "number {n}"}}' for n in range(5))
    )
    service = world.open()
    with cloud.failing(1, action, operation=operation, times=2):
        assert m.apply(service, f"jsonl:{tmp_path / 'a.jsonl'}").ok
    assert len(world.texts("ann")) == len(set(world.kinds("ann"))) * 5
    world.assert_sound()


def test_an_index_with_and_without_its_record_is_a_source(
    cloud: Cloud, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in world.environ().items():
        monkeypatch.setenv(name, value)
    theirs = cloud.world()
    theirs.open()
    theirs.fill("ann")
    index = f"s3vectors:{theirs.index.bucket}/{theirs.index.name}"
    service = world.open()
    # 1 PutVectors, 1 ledger object, 2 lists, and 2 times 1 GetVectors.
    assert m.plan(service, index).estimate.requests == 6
    assert m.apply(service, index).copied == 3
    assert m.verify(service, index).verified
    ids = theirs.fill("bob", ["figs", "salt"])
    theirs.lose(ids, "figs")
    recorded = f"{index}?ledger={theirs.bench.bucket}/{theirs.prefix}"
    report = m.apply(service, recorded)
    assert (report.copied, report.intake.embedded, report.ok) == (2, 1, True)
    assert service.parts.store.get(ids.values())
    missing = f"s3vectors:{theirs.index.bucket}/no-such-index"
    with pytest.raises(IndexMismatch, match="no-such-index"):
        m.plan(service, missing)


def test_an_index_that_plain_mem0_filled_is_a_source(
    world: World, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in world.environ().items():
        monkeypatch.setenv(name, value)
    from mem0.vector_stores.s3_vectors import S3Vectors

    said = ["tea", "rye"]
    plain = S3Vectors(
        vector_bucket_name=world.index.bucket,
        collection_name=f"plain-{world.index.name}",
        embedding_model_dims=embedder.dimensions,
        region_name=world.environ()["AWS_REGION"],
    )
    plain.insert(
        embedder.embed(said).tolist(),
        [{"data": text, "user_id": "Ann ", "created_at": "2026-01-02T03:04:05+00:00"}
         for text in said],
        ["one", "two"],
    )  # fmt: skip
    service = world.open()
    source = f"s3vectors:{world.index.bucket}/plain-{world.index.name}"
    report = m.apply(service, source)
    assert (report.copied, report.intake.embedded, report.ok) == (2, 0, True)
    assert texts(service, "ann") == {"one": "tea", "two": "rye"}
    assert m.verify(service, source).verified


@pytest.mark.process
def test_a_chromadb_server_is_a_source(old: Old, world: World) -> None:
    service = world.open()
    with held_port() as port:
        address = f"chroma-http://127.0.0.1:{port}"
        with pytest.raises(BackendUnavailable, match="no ChromaDB server answers"):
            m.plan(service, address)
        program = Path(sys.executable).with_name("chroma")
        command = [str(program), "run", "--path", str(old.folder / "chroma"), "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ}) as server:
            try:
                wait_for(f"{address} to answer", lambda: _answers(service, address, server))
                report = m.apply(service, address)
            finally:
                server.terminate()
    assert (report.copied, report.ok) == (76, True)
    assert set(contents(service)) == set(old.live)


def _answers(service: MemoryService, address: str, server: subprocess.Popen[bytes]) -> bool:
    """Say whether the server can be read from; one that ended never will be."""
    assert server.poll() is None, f"the ChromaDB server ended with {server.returncode}"
    try:
        m.plan(service, address)
    except BackendUnavailable:
        return False
    return True
