from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from standin.httpd import Dropped, HttpServer, Request, Response
from tests.support.ports import held_port
from tests.support.standin_requests import raw


@pytest.fixture
def serve() -> Iterator[Callable[..., HttpServer]]:
    servers: list[HttpServer] = []

    def start(app: Callable[[Request], Response], **options: int) -> HttpServer:
        servers.append(HttpServer(app, **options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_a_mistake_of_ours_is_a_500_and_is_printed(
    serve: Callable[..., HttpServer], capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(request: Request) -> Response:
        raise RuntimeError("boom")

    assert raw(serve(broken).url, "/")[0] == 500
    assert "RuntimeError: boom" in capsys.readouterr().err


def test_a_dropped_request_gets_no_byte(serve: Callable[..., HttpServer]) -> None:
    def drop(request: Request) -> Response:
        raise Dropped

    server = serve(drop)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100) == b""


def test_a_connection_is_kept_for_the_next_request(serve: Callable[..., HttpServer]) -> None:
    server = serve(lambda request: Response(200, body=request.target.encode()))
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for target in (b"/one", b"/two?x=1"):
            connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1000).endswith(b"\r\n\r\n" + target)


@pytest.mark.parametrize("line", [b"\x16\x03\x01\n", b"GET /\r\n", b"GET / HTTP/2.0\r\n"])
def test_what_is_no_request_is_refused_at_its_first_line(
    serve: Callable[..., HttpServer], line: bytes
) -> None:
    server = serve(lambda request: Response(200))
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(line)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert connection.recv(1000) == b""


def test_a_client_that_asks_whether_to_send_its_body_is_told_to(
    serve: Callable[..., HttpServer],
) -> None:
    server = serve(lambda request: Response(200, body=request.body))
    head = b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"tea.")
        answer = b"".join(iter(lambda: connection.recv(1000), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\ntea.")


def test_a_body_over_the_cap_is_measured_but_not_kept(serve: Callable[..., HttpServer]) -> None:
    seen: list[Request] = []

    def note(request: Request) -> Response:
        seen.append(request)
        return Response(204)

    server = serve(note, body_cap_bytes=10)
    raw(server.url, "/", b"x" * 10)
    raw(server.url, "/", b"x" * 11)
    assert [(request.length, len(request.body)) for request in seen] == [(10, 10), (11, 0)]


def test_a_port_can_be_taken_again_at_once(serve: Callable[..., HttpServer]) -> None:
    with held_port() as port:
        server = serve(lambda request: Response(200), port=port)
        raw(server.url, "/")
        server.stop()
        assert serve(lambda request: Response(200), port=port).port == port
