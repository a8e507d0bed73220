"""Connections to a real server: what a request may cost before anybody looks at it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvicorn
from websockets import ConnectionClosed
from websockets.sync.client import connect

from dashboard.auth import connections
from dashboard.auth.connections import (
    ALLOW_BYTES,
    LEAST_BYTES,
    MAX_HEAD_BYTES,
    MOST_HEADERS,
    MOST_PIPELINED,
    PEER,
)
from tests.support.waiting import wait_for

HEAD = b"GET /there HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST /there HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

MUCH = 12 * 1024**2
"""Bytes that no system keeps for a client that does not read them."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body, or repeat what a socket says."""
    if scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/long":
            scope["extensions"][ALLOW_BYTES](connections.MAX_MESSAGE_BYTES * 2)
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            size = str(len(message["bytes"]))
            await send({"type": "websocket.send", "text": f"{size} {scope['state'][PEER][0]}"})
        return
    if scope["path"] == "/much":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(MUCH)})
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = f"{scope['path']} {size} {scope['state'][PEER][0]}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    """A server of uvicorn in a thread; its half-open requests have half a second."""
    with pytest.MonkeyPatch.context() as patch:
        connections.bound_connections()
        patch.setattr(connections, "HALF_OPEN_S", 0.5)
        patch.setattr(connections, "MOST_CONNECTIONS", 5)
        config = uvicorn.Config(
            application, lifespan="off", log_level="error", ws="websockets-sansio"
        )
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            running = uvicorn.Server(config)
            thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
            thread.start()
            wait_for("the server to start", lambda: running.started)
            yield listening.getsockname()
            running.should_exit = True
            thread.join()


@pytest.fixture
def client(server: tuple[str, int]) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as opened:
        yield lambda: opened.enter_context(socket.create_connection(server, timeout=30))


def _until_closed(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def _send_all(connection: socket.socket, parts: Iterator[bytes]) -> int:
    """Send until the server closes; return how many bytes it took."""
    sent = 0
    try:
        for part in parts:
            connection.sendall(part)
            sent += len(part)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


def _zeros() -> Iterator[bytes]:
    for _ in range(1024):
        yield b"0" * 65536


def test_headers_up_to_the_limit_are_taken(client: Callable[[], socket.socket]) -> None:
    connection = client()
    line = b"X: " + b"0" * 1000 + b"\r\n"
    many = line * ((MAX_HEAD_BYTES - 200) // len(line))
    connection.sendall(HEAD + many + b"Connection: close\r\n\r\n")
    assert _until_closed(connection).endswith(b"/there 0 127.0.0.1")


@pytest.mark.parametrize(
    "beginning",
    [
        HEAD + b"X: ",
        b"GET /",
        HEAD + b"X",
        CHUNKED + b"1\r\nx\r\n0\r\nTrailer: ",
        CHUNKED + b"1;",
    ],
    ids=["a value", "an address", "a name", "a trailer", "a chunk's extension"],
)
def test_no_more_than_the_limit_is_kept(
    client: Callable[[], socket.socket], beginning: bytes
) -> None:
    connection = client()
    connection.sendall(beginning)
    assert _send_all(connection, _zeros()) < 32 * 1024**2
    assert b"200 OK" not in _until_closed(connection)


def test_many_small_headers_count_together(client: Callable[[], socket.socket]) -> None:
    connection = client()
    _send_all(connection, iter([HEAD + b"X: 0\r\n" * (MAX_HEAD_BYTES // 5) + b"\r\n"]))
    assert b"200 OK" not in _until_closed(connection)


@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["half of the headers", "a whole request"])
def test_only_so_many_headers_are_kept(client: Callable[[], socket.socket], end: bytes) -> None:
    connection = client()
    connection.sendall(HEAD + b"X:\r\n" * (MOST_HEADERS + 2) + end)
    assert b" 431 " in _until_closed(connection)


def test_requests_that_do_not_wait_for_answers_are_not_collected(
    client: Callable[[], socket.socket],
) -> None:
    connection = client()
    _send_all(connection, iter([(HEAD + b"\r\n") * 1_000] * 20))
    assert _until_closed(connection).count(b"200 OK") <= MOST_PIPELINED
    few = client()
    few.sendall((HEAD + b"\r\n") * MOST_PIPELINED + HEAD + b"Connection: close\r\n\r\n")
    assert _until_closed(few).count(b"200 OK") == MOST_PIPELINED + 1


def test_a_client_that_reads_no_answer_is_dropped(client: Callable[[], socket.socket]) -> None:
    connection = client()
    connection.sendall(b"GET /much HTTP/1.0\r\n\r\n")

    def dropped() -> bool:
        try:
            connection.sendall(b"0")
        except OSError:
            return True
        return False

    wait_for("the client to be dropped", dropped, 20)


def test_a_client_that_reads_slowly_gets_all(
    client: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far more than is asked of it in its time, but less than a system keeps unread by itself."""
    monkeypatch.setattr(connections, "HALF_OPEN_S", 1.5)
    connection, going_on, size = client(), threading.Event(), 0
    connection.sendall(b"GET /much HTTP/1.0\r\n\r\n")
    for _ in range(35):
        size += len(connection.recv(4 * LEAST_BYTES, socket.MSG_WAITALL))
        going_on.wait(0.1)
    size += len(_until_closed(connection))
    assert size > MUCH


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET",
        HEAD,
        b"POST /there HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        HEAD + b"\r\n" + b"\r\n",
    ],
    ids=["nothing", "a word", "half of the headers", "half of the body", "an empty line after it"],
)
def test_a_request_that_does_not_arrive_is_closed(
    client: Callable[[], socket.socket], beginning: bytes
) -> None:
    connection = client()
    connection.sendall(beginning)
    assert b"/there 9" not in _until_closed(connection)


def test_single_bytes_keep_no_request_open(client: Callable[[], socket.socket]) -> None:
    connection = client()
    connection.settimeout(0.05)
    connection.sendall(HEAD + b"X: ")

    def closed() -> bool:
        try:
            connection.sendall(b"0")
            return connection.recv(1000) == b"" or True
        except TimeoutError:
            return False
        except OSError:
            return True

    wait_for("the request to be closed", closed, 20)


def test_a_long_body_that_goes_on_is_taken(client: Callable[[], socket.socket]) -> None:
    connection, piece = client(), bytes(connections.LEAST_BYTES)
    size = len(piece) * 6
    connection.sendall(
        b"POST /there HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
    )
    going_on = threading.Event()
    for _ in range(6):
        connection.sendall(piece)
        going_on.wait(0.2)
    assert _until_closed(connection).endswith(b"/there %d 127.0.0.1" % size)


def test_a_newcomer_takes_the_place_of_the_oldest_that_says_nothing(
    client: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that none of them is closed for its silence.
    monkeypatch.setattr(connections, "HALF_OPEN_S", 60)
    silent = [client() for _ in range(7)]
    newcomer = client()
    newcomer.sendall(HEAD + b"Connection: close\r\n\r\n")
    assert b"200 OK" in _until_closed(newcomer)
    assert _until_closed(silent[0]) == b""


def test_a_forwarded_header_does_not_replace_the_peer(client: Callable[[], socket.socket]) -> None:
    connection = client()
    connection.sendall(HEAD + b"X-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n")
    assert _until_closed(connection).endswith(b" 127.0.0.1")


def test_a_socket_message_is_short_unless_the_application_allows_more(
    server: tuple[str, int],
) -> None:
    most = connections.MAX_MESSAGE_BYTES
    for path, fits in (("/short", most), ("/long", 2 * most)):
        with connect(f"ws://127.0.0.1:{server[1]}{path}") as talking:
            talking.send(bytes(fits))
            assert talking.recv(30) == f"{fits} 127.0.0.1"
            # The server may have closed before all of it is sent.
            with suppress(ConnectionClosed):
                talking.send([bytes(fits // 2)] * 2 + [b"x"])
            with pytest.raises(ConnectionClosed) as closed:
                talking.recv(30)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
