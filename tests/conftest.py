"""Fixtures for every test: an environment of its own, and services on real parts."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from memory_core import MemoryService, Settings, open_service
from memory_core.embedders import Embedder
from memory_core.embedders.local import LocalEmbedder
from memory_core.settings import silence_telemetry
from standin import StandIn
from tests.support.alert_receiver import Receiver
from tests.support.bucket import CREDENTIALS, KeptAws, Server, on_aws, on_standin
from tests.support.collected import COLLECTED, parameters_of
from tests.support.cores import pytest_runtest_protocol  # noqa: F401
from tests.support.loggers import kept_logger, let_streamlits_loggers_propagate
from tests.support.markers import (  # noqa: F401
    pytest_collection_modifyitems,
    pytest_ignore_collect,
    pytest_runtest_setup,
    pytest_runtest_teardown,
)
from tests.support.memory_disk import use_memory_disk
from tests.support.paths import ROOT
from tests.support.places import LIVE, PROFILED, S3_SWITCHES, Folder, Place
from tests.support.scheduling import ByFile
from tests.support.shared_botocore import share_botocore
from tests.support.zygote import Zygote

_OWN_DATA = ROOT / "data"
_OURS = (
    "AWS_",
    "BACKEND_",
    "CHROMA_",
    "DASHBOARD_",
    "MEM0_",
    "MEMORY_",
    "OPENAI_",
    "PORT",
    "RENDER",
)


# How long an example takes depends on what else the machine does, and which ones are tried is not
# left to chance: a failure is there in every run.
settings.register_profile("tests", deadline=None, derandomize=True, database=None)
settings.load_profile("tests")
use_memory_disk()
# mem0 reads them while it is imported, perhaps by a thread that a test before has started.
_SILENT = frozenset({"MEM0_TELEMETRY", "MEM0_DIR"})
silence_telemetry()
# With several, a client of ChromaDB's own may never close; Holdfast sets it for its own clients.
os.environ["TOKIO_WORKER_THREADS"] = "1"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Look for no garbage in what is collected, now or during the tests: all of it stays."""
    gc.disable()
    collected = yield
    # Before a test could change a parameter.
    session.config.stash[COLLECTED] = parameters_of(session.items)
    gc.freeze()
    # Libraries that are loaded later stay as well: they are looked through less often.
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
    let_streamlits_loggers_propagate()
    share_botocore()
    return collected


@pytest.fixture(scope="session", autouse=True)
def given_environ() -> Mapping[str, str]:
    """The environment of the test run, before anything is taken away."""
    return dict(os.environ)


@pytest.fixture(autouse=True)
def clean_environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away every variable that Holdfast reads, and point the data folder to a new one.

    A test that makes the data folder of the checkout all the same fails: `make run` would show
    what it stored.
    """
    for name in list(os.environ):
        if name.startswith(_OURS) and name not in _SILENT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("MEMORY_DATA_DIR", str(tmp_path / "data"))
    before = _OWN_DATA.exists()
    yield
    assert _OWN_DATA.exists() == before, f"{_OWN_DATA} was made during this test"


@pytest.fixture(autouse=True)
def our_logger_is_kept() -> Iterator[None]:
    """Leave the logger as the next test expects it."""
    with kept_logger():
        yield


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The local embedder, loaded once."""
    return LocalEmbedder()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def reopen(data_dir: Path) -> Iterator[Callable[[], MemoryService]]:
    """Open the embedded default on the test's folder; closes what it opened before."""
    opened: list[MemoryService] = []

    def open_again() -> MemoryService:
        while opened:
            opened.pop().close()
        opened.append(open_service(Settings.from_env({"MEMORY_DATA_DIR": str(data_dir)})))
        return opened[0]

    yield open_again
    for service in opened:
        service.close()


@pytest.fixture
def service(reopen: Callable[[], MemoryService]) -> MemoryService:
    """The embedded default, empty."""
    return reopen()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server for alerts."""
    with closing(Receiver()) as started:
        yield started


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """The helper process from which the tests fork jobs."""
    with closing(Zygote(tmp_path_factory.mktemp("zygote"))) as started:
        yield started


@pytest.fixture(scope="session")
def standin() -> Iterator[tuple[StandIn, Any]]:
    """One stand-in for all tests, and a client of its S3: each test has a bucket of its own."""
    with StandIn() as started:
        yield started, started.client("s3")


@pytest.fixture(scope="session")
def kept_aws(standin: tuple[StandIn, Any]) -> Iterator[KeptAws]:
    """Clients of the one stand-in; the credentials must be in the environment at the first use."""
    kept = KeptAws(Settings.from_env(standin[0].environ()))
    yield kept
    kept.close_at_last()


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Server]]:
    """Stand-ins with the manners of other servers, each started at its first use."""
    started: dict[str, Server] = {}
    yield started
    for server in started.values():
        server.close()


@pytest.fixture
def open_place(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    given_environ: Mapping[str, str],
    data_dir: Path,
    embedder: Embedder,
) -> Iterator[Callable[[str], Place]]:
    """Opens an empty place of a kind, with its credentials in the environment."""
    with ExitStack() as stack:

        def open_one(kind: str) -> Place:
            if profile := PROFILED.get(kind):
                servers = request.getfixturevalue("servers")
                for name, value in CREDENTIALS.items():
                    monkeypatch.setenv(name, value)
                if profile not in servers:
                    servers[profile] = Server.started(profile)
                for name, value in servers[profile].standin.environ().items():
                    monkeypatch.setenv(name, value)
                placed: Place = servers[profile].place(kind, embedder)
                return placed
            if kind not in S3_SWITCHES and kind != LIVE:
                return Folder(kind, data_dir, embedder)
            if kind == LIVE:
                environ, place = given_environ, on_aws(kind, given_environ, embedder)
            else:
                standin, _ = request.getfixturevalue("standin")
                environ, kept = standin.environ(), request.getfixturevalue("kept_aws")
                place = on_standin(kind, standin, kept, S3_SWITCHES[kind], embedder)
            for name, value in environ.items():
                if name.startswith("AWS_"):
                    monkeypatch.setenv(name, value)
            return stack.enter_context(place)

        yield open_one
