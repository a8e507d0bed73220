"""A server that was set by hand: its name, the answers that are its own, and failures that last."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import botocore.session
import numpy as np
import pytest

from memory_core.errors import BackendUnavailable
from memory_core.model.user_id import UserId
from memory_core.storage.aws import Retries
from memory_core.storage.aws.client import Aws, Transport
from memory_core.storage.aws.endpoint import Endpoint
from memory_core.storage.aws.errors import Call, Failure, translate
from memory_core.storage.vectors import Vector
from memory_core.storage.vectors.s3 import S3VectorStore, open_s3_vectors
from memory_core.storage.vectors.s3_index import IndexName
from standin.httpd import Request, Response
from tests.support.other_servers import server
from tests.support.s3_bench import DIMENSIONS, Clock, in_front

URL = "http://s3.example.org:9000"
INDEX = IndexName("vectors", "index")


def heard(url: str = URL, **headers: str) -> Endpoint:
    endpoint = Endpoint("s3vectors", url)
    endpoint.hear({name.replace("_", "-"): value for name, value in headers.items()})
    return endpoint


@pytest.mark.parametrize(
    ("url", "headers", "title"),
    [
        (URL, {}, f"an S3 Vectors server at {URL}"),
        (URL, {"Server": "nginx"}, f"an S3 Vectors server at {URL}"),
        (URL, {"Server": "Ceph Object Gateway (tentacle)"}, f"Ceph at {URL}"),
        ("http://s3.noobaa.svc", {}, "NooBaa at http://s3.noobaa.svc"),
        (URL, {"X-Holdfast-Stand-In": "floci"}, f"a stand-in for floci at {URL}"),
        (URL, {"X-Holdfast-Stand-In": "aws"}, f"a stand-in for Amazon S3 Vectors at {URL}"),
        ("https://s3vectors.eu-central-1.api.aws", {}, "Amazon S3 Vectors"),
    ],
)
def test_a_server_is_called_what_it_is(url: str, headers: dict[str, str], title: str) -> None:
    endpoint = heard(url, **{name.replace("-", "_"): val for name, val in headers.items()})
    assert endpoint.place == title


def output(operation: str) -> Any:
    model = botocore.session.get_session().get_service_model("s3vectors")
    return model.operation_model(operation).output_shape


@pytest.mark.parametrize(
    ("operation", "answer", "fits"),
    [
        ("GetIndex", {"index": {}}, True),
        ("GetIndex", {"index": []}, False),
        ("GetIndex", {}, False),
        ("GetIndex", None, False),
        ("GetIndex", {"status": "ok"}, False),
        ("ListVectors", {"vectors": []}, True),
        ("ListVectors", {"vectors": [], "nextToken": None}, True),
        ("ListVectors", {"vectors": None}, False),
        ("QueryVectors", {"vectors": []}, True),
        ("ListVectors", {"vectors": {}}, False),
        ("QueryVectors", [1, 2], False),
        ("PutVectors", {}, False),
    ],
)
def test_without_a_mark_only_the_operations_own_shape_is_taken(
    operation: str, answer: object, fits: bool
) -> None:
    assert Endpoint("s3vectors", URL).fits(answer, output(operation)) is fits
    assert not Endpoint("s3vectors", None).fits(answer, output(operation))
    assert not Endpoint("s3", URL).fits(answer, output(operation))
    marked = heard(x_amzn_requestid="1")
    assert not marked.fits(answer, output(operation))


def test_an_empty_object_is_taken_from_a_server_that_gave_a_full_answer_before() -> None:
    endpoint = Endpoint("s3vectors", URL)
    assert endpoint.fits({"index": {}}, output("GetIndex"))
    assert endpoint.fits({}, output("PutVectors"))


class Front:
    """Answers PutVectors in place of the server behind where the request is larger than `most`."""

    def __init__(self) -> None:
        self.answer: Response | None = None
        self.most = 0
        self.sizes: list[int] = []

    def watch(self, request: Request) -> Response | None:
        if request.path != "/PutVectors":
            return None
        self.sizes.append(request.length)
        return self.answer if request.length > self.most else None


@pytest.fixture
def fronted() -> Iterator[tuple[Front, S3VectorStore, Clock]]:
    front, clock = Front(), Clock()
    with (
        server("supabase") as (standin, settings),
        in_front(standin, "s3vectors", lambda request: front.watch(request)) as url,
    ):
        retries = Retries(sleep=clock.sleep, clock=clock, random=lambda: 1.0)
        addressed = replace(settings, endpoint_s3vectors=url)
        aws = Aws(addressed, retries=retries, transport=Transport(attempts=1))
        yield front, open_s3_vectors(aws, INDEX, DIMENSIONS, create=True), clock
        aws.close()


def vectors(count: int, length: int) -> list[Vector]:
    values = np.eye(DIMENSIONS, dtype=np.float32)[0]
    return [
        Vector(f"v{number}", {"user_id": "ann", "data": "x" * length}, values)
        for number in range(count)
    ]


HTML = (("Content-Type", "text/html"),)
JSON = (("Content-Type", "application/json"), ("x-amzn-requestid", "1"))


@pytest.mark.parametrize(
    "answer",
    [Response(413, HTML, b"<html>Too large</html>"), Response(500, JSON, b"{}")],
    ids=["413 of a proxy", "500"],
)
def test_a_body_that_is_refused_for_its_size_is_halved(
    fronted: tuple[Front, S3VectorStore, Clock], answer: Response
) -> None:
    front, store, clock = fronted
    front.answer, front.most = answer, 1_500_000
    saved = vectors(150, 30_000)
    store.put(saved)
    assert len(store.get([vector.key for vector in saved])) == 150
    assert max(front.sizes) > 4_000_000
    assert clock.slept == []
    # What was learnt is kept to.
    front.sizes.clear()
    store.put(saved)
    assert max(front.sizes) < 2_500_000


def test_a_500_that_lasts_ends_in_one_sentence_and_is_not_waited_for_again(
    fronted: tuple[Front, S3VectorStore, Clock],
) -> None:
    front, store, clock = fronted
    front.answer = Response(500, JSON, b'{"message": "No table."}')
    with pytest.raises(BackendUnavailable) as caught:
        store.put(vectors(1, 1))
    said = str(caught.value)
    assert re.search(
        r"^an? .* at http://127.* answered PutVectors on index 'index' in vector", said
    )
    assert re.search(r"with 500 \(.*No table\) \d times within \d seconds?; see the log", said)
    assert sum(clock.slept) < 6
    before = len(front.sizes)
    with pytest.raises(BackendUnavailable, match=r"with 500 .* once within 0 seconds"):
        store.put(vectors(1, 1))
    assert len(front.sizes) <= before + 2
    front.answer = None
    store.put(vectors(1, 1))


def test_an_empty_answer_counts_as_far_as_it_is_seen_to_be_true() -> None:
    with server("s3mock") as (standin, settings):
        eaten = dict.fromkeys(("/PutVectors", "/DeleteVectors"), Response(200, (), b""))
        swallow = False

        def watch(request: Request) -> Response | None:
            return eaten.get(request.path) if swallow else None

        with in_front(standin, "s3vectors", watch) as url:
            aws = Aws(replace(settings, endpoint_s3vectors=url), transport=Transport(attempts=1))
            store = open_s3_vectors(aws, INDEX, DIMENSIONS, create=True)
            first, second = vectors(2, 1)
            store.put([first])
            swallow = True
            for call in (lambda: store.put([second]), lambda: store.delete([first.key])):
                with pytest.raises(BackendUnavailable, match="200, without effect"):
                    call()
            swallow = False
            store.delete([first.key])
            assert store.get([first.key, second.key]) == {}
            aws.close()


def test_what_a_server_refuses_is_asked_for_in_less(
    fronted: tuple[Front, S3VectorStore, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    front, store, _ = fronted
    saved = vectors(3, 1)

    def watch(request: Request) -> Response | None:
        asked = json.loads(request.body)
        if asked.get("topK", 0) > 30:
            return Response(400, JSON, b"{}")
        if asked.get("keys") == ["none"]:
            return Response(200, JSON, b'{"vectors": null}')
        return Response(501, JSON, b"{}") if "segmentCount" in asked else None

    monkeypatch.setattr(front, "watch", watch)
    store.put(saved)
    assert {*store.keys()} == {vector.key for vector in saved}
    values = saved[0].values
    assert values is not None
    assert len(store.query(UserId("ann"), values, 60)) == 3
    assert store.get(["none"]) == {}


def test_a_server_of_s3_alone_is_told_as_that() -> None:
    call = Call("s3vectors", "GetIndex", "the index", endpoint=Endpoint("s3vectors", URL))
    for status in (400, 405, 501):
        said = str(
            translate(Failure((str(status),), status, "<?xml version='1.0'?><Error/>"), call)
        )
        assert said.startswith(
            f"an S3 Vectors server at {URL} refused GetIndex on the index in XML"
        )
        assert "set AWS_ENDPOINT_URL_S3VECTORS to one that speaks S3 Vectors" in said


def test_a_put_that_failed_and_was_kept_counts(
    fronted: tuple[Front, S3VectorStore, Clock], caplog: pytest.LogCaptureFixture
) -> None:
    front, store, clock = fronted
    store.put(vectors(1, 1))
    front.answer = Response(500, JSON, b"{}")
    store.put(vectors(1, 1))
    assert "the vectors are there all the same" in caplog.text
    assert clock.slept == []
    with pytest.raises(BackendUnavailable):
        store.put(vectors(1, 2))
