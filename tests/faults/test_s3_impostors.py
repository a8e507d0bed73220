"""What answers in place of AWS is not believed: one error that names the address, nothing done.

A mistyped address, a gateway or a login page answers with success, a page or a redirection; boto3
reads most of that as success with an empty answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from memory_core.embedders import Embedder
from memory_core.errors import BackendUnavailable, NotIndexed
from memory_core.storage.aws.client import NotFromAws, check_sender
from standin.httpd import App, Request, Response
from tests.support.garbage import unclosed_behind
from tests.support.s3_front import watched
from tests.support.s3_worlds import BEFORE, READS, WRITES, Cloud, open_cloud

PAGE = b"<!DOCTYPE html><html><body><p>Sign in &nbsp;<br></body></html>"
HTML = ("Content-Type", "text/html; charset=utf-8")
ANSWERS = {
    "page": Response(200, (HTML,), PAGE),
    "page that is XML": Response(200, (HTML,), b"<html><body>Sign in</body></html>"),
    "nothing": Response(200, (("Content-Length", "0"),)),
    "no content": Response(204),
    "another JSON": Response(200, (("Content-Type", "application/json"),), b"[1, 2]"),
    "JSON of nothing": Response(200, (("Content-Type", "application/json"),), b"{}"),
    "bytes": Response(200, (), b"\x00\xff garbage"),
    "redirection": Response(302, (("Location", "http://127.0.0.1:9/login"),)),
    "lasting redirection": Response(301, (("Location", "http://127.0.0.1:9/"),), PAGE),
    "page not found": Response(404, (HTML,), PAGE),
    "forbidden by a proxy": Response(403, (HTML,), PAGE),
}
BUDGET_S = 2.0
NEED_NO_VECTORS = {"history", "users", "days", "status"}
BUSY = {
    "gateway without a back": Response(502, (HTML,), PAGE),
    "gateway that waited": Response(504),
}


class Impostor:
    """Answers for one service, or both, instead of AWS."""

    def __init__(self) -> None:
        self.answer: Response | None = None
        self.service = ""

    def watch(self, request: Request, app: App) -> Response | None:
        vectors = request.path.endswith(("Vectors", "Index", "VectorBucket"))
        meant = self.service in ("", "s3vectors" if vectors else "s3")
        return self.answer if meant else None


@pytest.fixture(scope="module")
def held(embedder: Embedder) -> Iterator[tuple[Cloud, Impostor]]:
    impostor = Impostor()
    with (
        open_cloud(embedder, budget_s=BUDGET_S) as plain,
        watched(plain.bench.standin, impostor.watch) as urls,
    ):
        settings = replace(
            plain.bench.settings,
            endpoint_s3=urls["AWS_ENDPOINT_URL_S3"],
            endpoint_s3vectors=urls["AWS_ENDPOINT_URL_S3VECTORS"],
        )
        yield plain.through(settings, budget_s=BUDGET_S), impostor


# In place of both services an impostor meets the request that meets that of S3: the first.
@pytest.mark.parametrize(
    ("name", "service"),
    [("page", ""), *((name, service) for name in ANSWERS for service in ("s3", "s3vectors"))],
)
def test_nothing_is_taken_for_done_or_empty(
    held: tuple[Cloud, Impostor], name: str, service: str
) -> None:
    cloud, impostor = held
    world = cloud.world()
    ids = world.fill("ann")
    calls = {"open": lambda service, user, ids: world.open(), **READS, **WRITES}
    impostor.service = service
    told = {}
    for call, work in calls.items():
        before = cloud.bench.clock.now
        impostor.answer = ANSWERS[name]
        try:
            work(world.service(), "ann", ids)
        except (BackendUnavailable, NotIndexed) as exc:
            told[call] = str(exc)
        finally:
            impostor.answer = None
        assert cloud.bench.clock.now - before < 2 * BUDGET_S
    assert calls.keys() - told.keys() == (NEED_NO_VECTORS if service == "s3vectors" else set())
    for text in told.values():
        assert "something other than Amazon S3" in text
        assert "AWS_ENDPOINT_URL" in text
        assert "<" not in text


def test_a_page_in_place_of_an_object_leaves_no_connection_open(
    held: tuple[Cloud, Impostor],
) -> None:
    cloud, impostor = held
    objects = cloud.world().service().parts.backend.objects
    impostor.service, impostor.answer = "s3", ANSWERS["page"]

    def fail() -> BaseException:
        with pytest.raises(BackendUnavailable) as caught:
            objects.get("any")
        return caught.value

    try:
        assert unclosed_behind(fail) == []
    finally:
        impostor.answer = None


@pytest.mark.parametrize("name", BUSY)
def test_a_gateway_in_trouble_is_waited_for(held: tuple[Cloud, Impostor], name: str) -> None:
    cloud, impostor = held
    world = cloud.world()
    world.fill("ann")
    impostor.service, impostor.answer = "", BUSY[name]
    try:
        with pytest.raises(BackendUnavailable, match=r"\(50[24], .*try again later"):
            world.service().list_memories("ann")
    finally:
        impostor.answer = None
    assert world.texts("ann") == BEFORE


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"x-amz-request-id": "1"}),
        (200, {"X-Amzn-RequestId": "1", "Content-Type": "text/html"}),
        (403, {"x-amz-id-2": "1", "Content-Type": "text/html"}),
        (400, {"Content-Type": "application/json"}),
        (413, {}),
        (503, {"x-amz-request-id": "1", "Content-Type": "text/html"}),
    ],
)
def test_what_aws_may_answer_is_let_through(status: int, headers: dict[str, str]) -> None:
    check_sender(status, headers)


def test_what_was_answered_is_told_in_few_words() -> None:
    with pytest.raises(NotFromAws, match=r"^200, text/html$"):
        check_sender(200, {"Server": "nginx", "Content-Type": "text/html"})
    with pytest.raises(NotFromAws, match=r"^302, no type$"):
        check_sender(302, {})
