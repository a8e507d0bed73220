"""What is said of a store that takes Amazon's place, and the demo that runs on one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from memory_core import open_service
from memory_core.embedders.local import LocalEmbedder
from memory_core.storage.backend import select_backend
from standin import StandIn, demo
from tests.support.ports import held_port
from tests.support.s3_bench import Bench, open_bench
from tests.support.server import wait_until_healthy


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "https://s3vectors.eu-central-1.api.aws",
        "https://vpce-1a2b.s3vectors.eu-central-1.vpce.amazonaws.com",
        "https://s3vectors.cn-north-1.amazonaws.com.cn",
    ],
)
def test_an_endpoint_of_amazons_own_is_no_stand_in(bench: Bench, endpoint: str | None) -> None:
    settings = replace(bench.settings, endpoint_s3=None, endpoint_s3vectors=endpoint)
    backend = select_backend(settings, LocalEmbedder())
    assert backend.stand_in is None
    assert backend.reason == "memories are on Amazon S3 Vectors and survive deployments"


@pytest.mark.parametrize("changed", ["endpoint_s3", "endpoint_s3vectors"])
def test_another_endpoint_for_either_service_is_called_a_server(bench: Bench, changed: str) -> None:
    none = {"endpoint_s3": None, "endpoint_s3vectors": None}
    other = "https://amazonaws.com.example.org"
    settings = replace(bench.settings, **{**none, changed: other})
    backend = select_backend(settings, LocalEmbedder())
    assert backend.stand_in is None
    assert str(backend.server).endswith(f"server at {other}")


@contextmanager
def running_demo(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run it where the environment names another bucket and backend; writes `demo.log`."""
    misleading = {"AWS_S3_BUCKET": "somebodys-real-bucket", "MEMORY_BACKEND": "chroma"}
    log = folder / "demo.log"
    with held_port() as port, log.open("w") as written:
        command = [sys.executable, "-m", "standin.demo", "--server.port", str(port)]
        with subprocess.Popen(
            [*command, "--state-dir", str(folder / "demo")],
            cwd=demo.ROOT,
            env={**os.environ, "HOME": str(folder), **misleading},
            stdout=written,
            stderr=written,
        ) as process:
            try:
                wait_until_healthy(port, process, log)
                yield process
            finally:
                process.terminate()


@pytest.mark.process
def test_the_demo_shows_the_examples_on_s3_and_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_demo(tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    log = (tmp_path / "demo.log").read_text()
    assert "Loading the example memories" in log
    assert "[Mem0] OK Mem0 service initialized with S3 (persistent) storage" in log
    with StandIn(tmp_path / "demo") as standin:
        for name, value in standin.environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_S3_BUCKET", demo.BUCKET)
        with open_service() as service:
            status = service.status()
            assert (status.memories, status.users) == (308, 12)
            assert service.audit().clean


def test_a_second_demo_in_the_same_folder_says_that_one_is_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo", "--state-dir", str(tmp_path)])
    monkeypatch.delenv("MEMORY_DATA_DIR")
    with StandIn(tmp_path):
        assert demo.main() == 1
    assert "The demo runs already" in capsys.readouterr().err
