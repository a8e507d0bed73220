"""A gate before an application that notes what gets through, and a whole server with a login."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.testclient import TestClient

from dashboard.auth import accounts
from dashboard.auth.access import Access, access
from dashboard.auth.gate import Gate
from memory_core.settings import DashboardSettings
from tests.support.server import running_server
from tests.support.site import ORIGIN, Clock, Inner, Open, Server, Site
from tests.support.staff import CHEAP, QUICK, SECRET, entries


@pytest.fixture
def open_site(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Make a gate of these variables, which takes hashes of no cost as well."""
    monkeypatch.setattr(accounts, "_HASHER", QUICK)
    for least in ("_LEAST_MEMORY_KIB", "_LEAST_FILLED_KIB"):
        monkeypatch.setattr(accounts, least, 8)

    def open_one(url: str = ORIGIN, **variables: str) -> Site:
        environ = {"DASHBOARD_SECRET": SECRET, "DASHBOARD_USERS": entries(QUICK), **variables}
        access, clock, inner = Access(DashboardSettings.from_env(environ)), Clock(), Inner()
        access.sessions._clock = clock
        access.attempts._clock = clock
        access.sessions.learn(frozenset())
        client = TestClient(Gate(inner, access), base_url=url, follow_redirects=False)
        return Site(access, clock, inner, client)

    return open_one


@pytest.fixture(autouse=True)
def fresh_access(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The access of the process is read anew by each test; hashes cost little."""
    monkeypatch.setattr(accounts, "_HASHER", CHEAP)
    for cached in (access, accounts._decoy_hash):
        cached.cache_clear()
    yield
    for cached in (access, accounts._decoy_hash):
        cached.cache_clear()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    users = folder / "users.txt"
    users.write_text(entries())
    variables = {"DASHBOARD_USERS_FILE": str(users), "DASHBOARD_SECRET": SECRET}
    with running_server(folder, **variables) as address:
        first = httpx.get(f"{address}/user?user=alice@example.com", timeout=60)
        yield Server(address, users, first, folder / "server.log")
