"""The dashboard's script in-process, on a real service in the test's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import httpx
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard.auth.access import access
from dashboard.connection import connection
from memory_core import MemoryService
from memory_core.memories import log_lines
from tests.support.paths import ROOT
from tests.support.s3_bench import Bench, open_bench

MEMORIES = "../pages/memories.py"


@pytest.fixture(scope="session", autouse=True)
def packages_not_scanned() -> Iterator[None]:
    """Every AppTest reads what all installed packages say of themselves, to find components.

    That is a second, and there are none. Every client of httpx reads the certificates, also for
    addresses without TLS: 25 ms, and always the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", list)
        read = cache(httpx.create_ssl_context)
        patch.setattr("httpx._transports.default.create_ssl_context", read)
        yield


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """Caches outlive an AppTest: every test begins and ends without them.

    Log lines are kept from the start on, as by the server.
    """
    log_lines.install_recent_lines()
    access.cache_clear()
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    access.cache_clear()
    connection().close()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The pages are on S3 Vectors: a stand-in with an empty bucket."""
    with open_bench() as bench:
        for name, value in bench.environ.items():
            monkeypatch.setenv(name, value)
        yield bench
        connection().close()


@pytest.fixture(params=["chroma", "s3_vectors"])
def backend(request: pytest.FixtureRequest) -> str:
    """The pages are on either backend."""
    if request.param == "s3_vectors":
        request.getfixturevalue("s3")
    return str(request.param)


@pytest.fixture
def app() -> AppTest:
    """The router, not yet run."""
    return AppTest.from_file(str(ROOT / "dashboard" / "main.py"), default_timeout=60)


@pytest.fixture
def memories(app: AppTest) -> AppTest:
    """The Memories page, not yet drawn: a link may still be followed to a user."""
    return app.switch_page(MEMORIES)


@pytest.fixture
def shared() -> MemoryService:
    """The service that the pages use, to prepare and to check what they show."""
    return connection().service()
