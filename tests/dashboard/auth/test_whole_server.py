"""The whole dashboard in its own process, as a stranger, as staff, and as staff no longer."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets import Origin, Subprotocol
from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.server import running_server
from tests.support.site import Server
from tests.support.staff import ROLES, SECRET, entries, sign_in
from tests.support.waiting import wait_for

COOKIE = "holdfast-session"
WITHIN_S = 60


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, timeout=60) as client:
        yield client


def test_the_very_first_request_of_a_process_gets_the_login(server: Server) -> None:
    assert server.first.status_code == 303
    assert server.first.headers["location"] == "/login?next=%2Fuser%3Fuser%3Dalice%40example.com"


@pytest.mark.parametrize(
    "path",
    [
        "/", "/memories", "/users", "/user?user=alice", "/redeploy", "/overview", "/anything",
        "/index.html", "/static/", "/static/index.html", "/static/js/index.js", "/favicon.png",
        "/manifest.json", "/robots.txt", "/app/static/x", "/media/", "/media/0123456789.csv",
        "/component/x/index.html", "/_stcore/", "/_stcore/metrics", "/_stcore/host-config",
        "/_stcore/allowed-message-origins", "/_stcore/stream", "/_stcore/script-health-check",
        "/_stcore/bidi-components/x", "/_stcore/agent/openapi.json", "/_stcore/upload_file/a/b",
        "/_stcore/health/../metrics", "/_stcore/health/", "/_stcore/healthz", "/.//_stcore/health",
        "/health/x", "/x/health",
        "/%2e%2e/%2e%2e/etc/passwd", "/static/../../../../etc/passwd", "/static/..%2f..%2fapp.py",
        "/login/", "/login/x", "//login", "/LOGIN", "/auth/login", "/oauth2callback?code=1&state=2",
    ],
)  # fmt: skip
def test_a_stranger_is_served_no_shell_no_file_and_no_data(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"X-Holdfast-Session": "1", "X-Forwarded-For": "127.0.0.1"})
    assert answer.status_code in {303, 401, 404}
    assert len(answer.content) < 60
    assert "streamlit" not in answer.text.lower()
    for name in ("content-security-policy", "x-content-type-options", "x-frame-options"):
        assert name in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_stranger_changes_nothing(client: httpx.Client, method: str) -> None:
    for path in ("/_stcore/upload_file/a/b", "/_stcore/agent/interact", "/"):
        assert client.request(method, path, content=b"x").status_code in {401, 404}


def test_a_stranger_can_ask_for_the_health_and_the_form(client: httpx.Client) -> None:
    assert client.get("/_stcore/health").text == "ok"
    form = client.get("/login")
    assert "Sign in to Holdfast" in form.text
    assert "<script" not in form.text


def _socket(server: Server, cookie: str = "", **headers: str) -> connect:
    sent = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    origin = headers.pop("Origin", server.address)
    return connect(
        f"{server.address.replace('http', 'ws')}/_stcore/stream",
        subprotocols=[Subprotocol("streamlit")],
        additional_headers={**sent, **headers},
        origin=Origin(origin),
        open_timeout=60,
        max_size=None,
        max_queue=None,
    )


def _cookie(client: httpx.Client, name: str) -> str:
    assert sign_in(client, name).status_code == 303
    return client.cookies[COOKIE]


def test_no_socket_opens_for_a_stranger_or_from_a_foreign_page(
    server: Server, client: httpx.Client
) -> None:
    cookie = _cookie(client, "anna")

    async def refused(cookie: str, **headers: str) -> int:
        try:
            async with _socket(server, cookie, **headers):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    async def all_of_them() -> list[int]:
        return [
            await refused(""),
            await refused("", **{"X-Holdfast-Session": "1"}),
            await refused(cookie[:-6] + "aaaaaa"),
            await refused(cookie, Origin="https://evil.example"),
            await refused(cookie, Origin="null"),
            await refused(cookie),
        ]

    assert asyncio.run(all_of_them()) == [403, 403, 403, 403, 403, 101]


def _first_page() -> bytes:
    said = BackMsg()
    said.rerun_script.query_string = ""
    return said.SerializeToString()


async def _drawn(socket: Socket, text: bytes, within_s: float = 60) -> None:
    """Wait until the server has sent this text."""
    async with asyncio.timeout(within_s):
        while text not in await socket.recv():
            pass


@pytest.mark.parametrize("how", ["signed out", "taken away", "lowered"])
def test_an_open_page_ends_at_once_with_its_session(
    server: Server, client: httpx.Client, how: str
) -> None:
    cookie = _cookie(client, "anna")

    async def closed() -> int | None:
        async with _socket(server, cookie) as socket:
            await socket.send(_first_page())
            await _drawn(socket, b"Signed in as admin")
            if how == "signed out":
                client.get("/auth/logout")
            else:
                left = {name: role for name, role in ROLES.items() if name != "anna"}
                more = {"anna": "viewer"} if how == "lowered" else {}
                _write(server, entries(**left, **more))
            with pytest.raises(ConnectionClosed):
                await _drawn(socket, b"never said", WITHIN_S)
            return socket.close_code

    try:
        assert asyncio.run(closed()) == 4401
        assert client.get("/").status_code == (200 if how == "lowered" else 303)
    finally:
        _write(server, entries())


def _write(server: Server, text: str) -> None:
    fresh = server.users.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, server.users)


def test_signed_in_the_page_is_served_and_kept_by_no_shared_cache(client: httpx.Client) -> None:
    _cookie(client, "vera")
    page = client.get("/memories")
    assert "<title>Streamlit</title>" in page.text
    assert "public" not in page.headers["cache-control"]


def test_nobody_is_signed_in_by_a_form_of_another_site(client: httpx.Client) -> None:
    assert sign_in(client, "anna", Origin="https://evil.example").status_code == 403


def test_the_log_names_no_password_and_no_cookie(server: Server, client: httpx.Client) -> None:
    cookie = _cookie(client, "anna")
    sign_in(client, "anna", "a wrong password indeed")
    sign_in(client, "a password typed as a name", "x")
    refused = re.compile("sign-in refused from 127.0.0.1(.*)")
    wait_for(
        "both refusals in the log",
        lambda: refused.findall(server.log.read_text())[-2:] == [" for anna", ""],
    )
    log = server.log.read_text()
    for secret in (cookie, cookie[:30], "a wrong password", "a password typed", "argon2"):
        assert secret not in log


def test_the_running_server_takes_no_large_headers(server: Server) -> None:
    address = httpx.URL(server.address)
    with socket.create_connection((address.host, address.port), timeout=60) as connection:
        taken = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b"GET /login HTTP/1.1\r\nHost: a\r\nX: ")
            while taken < 64 * 1024**2:
                connection.sendall(b"0" * 65536)
                taken += 65536
    assert taken < 32 * 1024**2
    headers = {f"X-{number}": "0" * 1000 for number in range(70)}
    assert httpx.get(f"{server.address}/login", headers=headers).status_code == 431


def test_a_viewer_empties_nobodys_caches(server: Server, client: httpx.Client) -> None:
    cookie = _cookie(client, "vera")

    async def asked() -> None:
        async with _socket(server, cookie) as talking:
            await talking.send(BackMsg(clear_cache=True).SerializeToString())
            await talking.send(_first_page())
            await _drawn(talking, b"Signed in as viewer")

    before = server.log.read_text().count("service initialized")
    asyncio.run(asked())
    assert server.log.read_text().count("service initialized") == before


def test_what_connects_from_this_computer_does_not_say_its_address(
    server: Server, client: httpx.Client
) -> None:
    client.headers["X-Forwarded-For"] = "203.0.113.77"
    assert sign_in(client, "anna", "wrong again").status_code == 403
    wait_for("the refusal", lambda: "refused from 127.0.0.1" in server.log.read_text())
    assert "203.0.113.77" not in server.log.read_text()


def test_a_signed_out_cookie_is_worth_nothing_after_a_restart(
    tmp_path: Path, server: Server, client: httpx.Client
) -> None:
    """Not even before the list of sign-outs was read, and whoever was signed in gets back in."""
    gone, kept = _cookie(client, "anna"), ""
    with httpx.Client(base_url=server.address, timeout=60) as other:
        kept = _cookie(other, "olaf")
    client.get("/auth/logout")
    variables = {
        "DASHBOARD_USERS": entries(),
        "DASHBOARD_SECRET": SECRET,
        "MEMORY_DATA_DIR": str(server.users.parent / "data"),
    }
    with running_server(tmp_path, **variables) as address:

        def status(cookie: str) -> int:
            headers = {"Cookie": f"{COOKIE}={cookie}"}
            return httpx.get(f"{address}/memories", headers=headers).status_code

        seen = {status(gone)}
        wait_for("the one to be let in", lambda: seen.add(status(gone)) or status(kept) == 200)
        assert seen | {status(gone)} <= {503, 303}
        assert status(gone) == 303
