"""Objects in S3: written once, listed in order whatever the pages, gone for good when deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from memory_core import AccessDenied, BackendError, BackendUnavailable, EntryExists, Kind
from memory_core.ledger import EventDraft, Ledger
from memory_core.model.user_id import normalize_user_id
from memory_core.storage.objects import S3Objects
from standin.httpd import Request, Response
from tests.support.s3_bench import Bench, in_front, open_bench

ANN = normalize_user_id("ann@example.com")
BROKEN_OFF = (("Content-Length", "100"), ("Connection", "close"), ("x-amz-request-id", "FRONT"))
ODD = ["a%40b/%2E.json", "a b+c.json", "ü/👪.json", "&amp;<x>\"'.json", "*.json", "a//b", "~(!)."]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


@pytest.fixture
def objects(bench: Bench) -> S3Objects:
    return bench.objects()


def fill(objects: S3Objects, *keys: str) -> None:
    for key in keys:
        objects.put_if_absent(key, key.encode())


def test_an_object_comes_back_byte_for_byte(objects: S3Objects) -> None:
    for number, content in enumerate((b"", b"\x00\xff", "ü👪\r\n".encode(), b"x" * 1_000_000)):
        objects.put_if_absent(f"{number}", content)
        assert objects.get(f"{number}") == content


def test_an_object_that_is_not_there_is_none(objects: S3Objects) -> None:
    fill(objects, "a/b")
    assert objects.get("a/c") is None
    assert objects.get("a/") is None


def test_an_object_is_never_replaced(objects: S3Objects) -> None:
    objects.put_if_absent("a", b"first")
    with pytest.raises(EntryExists, match="'a'"):
        objects.put_if_absent("a", b"second")
    assert objects.get("a") == b"first"


def test_of_many_writers_one_wins(objects: S3Objects) -> None:
    won: list[int] = []

    def write(number: int) -> None:
        try:
            objects.put_if_absent("a", str(number).encode())
            won.append(number)
        except EntryExists:
            pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert objects.get("a") == str(won[0]).encode()


@pytest.mark.parametrize("page_size", [None, 1, 2])
def test_a_listing_is_complete_and_in_the_order_of_utf8(bench: Bench, page_size: int) -> None:
    bench.standin.set_switches(page_size=page_size)
    objects = bench.objects()
    keys = ["a/1", "a/2", "a/ü", "a/👪", "a/\ufb01", "b", *ODD]
    fill(objects, *keys)
    ordered = sorted(keys, key=str.encode)
    assert list(objects.list("")) == ordered
    assert list(objects.list("a/")) == [key for key in ordered if key.startswith("a/")]
    assert list(objects.list("a/", "a/1")) == [
        key for key in ordered if key.startswith("a/") and key.encode() > b"a/1"
    ]
    assert next(objects.list("a/", "a/1x")) == "a/2"
    assert list(objects.list("nothing/")) == []


def test_looking_at_the_first_reads_one_page(bench: Bench) -> None:
    fill(bench.objects(), "a", "b", "c")
    bench.standin.set_switches(page_size=1)
    bench.standin.reset_requests()
    assert next(bench.objects().list("")) == "a"
    assert bench.asked() == 1


@pytest.mark.parametrize("key", ODD)
def test_any_key_can_be_read_and_deleted(objects: S3Objects, key: str) -> None:
    fill(objects, key)
    assert objects.get(key) == key.encode()
    objects.delete([key])
    assert objects.get(key) is None


def test_a_prefix_shuts_out_everything_else(bench: Bench) -> None:
    ours, theirs = bench.objects("memory/"), bench.objects("memory-of-others/")
    fill(ours, "a")
    fill(theirs, "a", "b")
    assert list(ours.list("")) == ["a"]
    ours.delete(["a", "b"])
    assert list(theirs.list("")) == ["a", "b"]


def test_deleting_takes_a_thousand_at_a_time_and_may_be_repeated(bench: Bench) -> None:
    objects = bench.objects()
    fill(objects, "a", "b")
    bench.standin.reset_requests()
    objects.delete(["a", *(f"missing {number}" for number in range(2000))])
    # One looks whether the bucket keeps versions.
    assert bench.asked() == bench.asked("DeleteObjects") + 1 == 4
    objects.delete(["a"])
    assert list(objects.list("")) == ["b"]


def test_deleting_nothing_asks_nothing(bench: Bench) -> None:
    bench.objects().delete([])
    bench.objects().sweep()
    assert bench.objects().version("") is None
    assert bench.asked() == 0


@pytest.mark.parametrize("page_size", [None, 1])
def test_a_bucket_with_versions_keeps_nothing_of_deleted_objects(
    bench: Bench, page_size: int | None
) -> None:
    client = bench.standin.client("s3")
    client.put_bucket_versioning(Bucket=bench.bucket, VersioningConfiguration={"Status": "Enabled"})
    objects = bench.objects()
    fill(objects, "u/1", "u/2", "u/3", "v/1")
    # An earlier deletion that was cut off before its versions went.
    client.delete_object(Bucket=bench.bucket, Key="memory/u/1")
    bench.standin.set_switches(page_size=page_size)
    objects.delete(["u/2"])
    bench.standin.reset_switches()
    left = client.list_object_versions(Bucket=bench.bucket)
    assert [one["Key"] for one in left["Versions"]] == ["memory/u/3", "memory/v/1"]
    assert "DeleteMarkers" not in left


def test_objects_from_before_the_bucket_kept_versions_go_too(bench: Bench) -> None:
    client = bench.standin.client("s3")
    objects = bench.objects()
    fill(objects, "u/1", "u/2")
    client.put_bucket_versioning(Bucket=bench.bucket, VersioningConfiguration={"Status": "Enabled"})
    fill(objects, "u/3")
    objects.delete(["u/1"])
    objects.delete(["u/2", "u/3"])
    left = client.list_object_versions(Bucket=bench.bucket)
    assert "Versions" not in left
    assert "DeleteMarkers" not in left


def test_an_acknowledgement_that_is_lost_leaves_one_event(bench: Bench) -> None:
    ledger = Ledger(bench.objects())
    bench.standin.add_fault("drop_after", operation="PutObject")
    ledger.append(ledger.view(ANN), [EventDraft(Kind.ADD, "m1", "Ann", {"data": "x"})])
    assert [entry.memory_id for entry in ledger.view(ANN).entries] == ["m1"]
    assert bench.asked("PutObject") == 2


class Beaten(S3Objects):
    """Another writer takes the first name just before."""

    theirs: str | None = None

    def put_if_absent(self, key: str, data: bytes) -> None:
        if self.theirs is None:
            self.theirs = key
            super().put_if_absent(key, data.replace(b'"ours"', b'"theirs"'))
        super().put_if_absent(key, data)


def test_an_event_whose_name_was_taken_gets_another(bench: Bench) -> None:
    objects = Beaten(bench.aws(), bench.bucket, "memory/")
    ledger = Ledger(objects)
    (entry,) = ledger.append(
        ledger.view(ANN), [EventDraft(Kind.ADD, "m1", "Ann", {"data": "ours"})]
    )
    assert objects.theirs is not None
    assert list(objects.list("")) == [objects.theirs, entry.key]
    assert b"theirs" in (objects.get(objects.theirs) or b"")
    assert b"ours" in (objects.get(entry.key) or b"")


def test_a_conflict_of_writers_is_tried_again(bench: Bench) -> None:
    conflicts = iter([True, True, False])

    def answer(request: Request) -> Response | None:
        if request.method != "PUT" or not next(conflicts):
            return None
        return xml(409, "<Error><Code>ConditionalRequestConflict</Code></Error>")

    with in_front(bench.standin, "s3", answer) as url:
        settings = replace(bench.settings, endpoint_s3=url)
        bench.objects(settings=settings).put_if_absent("a", b"x")
    assert bench.clock.slept == [0.5, 1.0]
    assert bench.objects().get("a") == b"x"


def test_an_object_in_an_archive_class_is_named_with_the_lifecycle_rule(bench: Bench) -> None:
    bench.objects().put_if_absent("a", b"x")

    def answer(request: Request) -> Response | None:
        if request.method != "GET":
            return None
        return xml(
            403,
            "<Error><Code>InvalidObjectState</Code><Message>The operation is not valid for the "
            "object's storage class</Message><StorageClass>GLACIER</StorageClass></Error>",
        )

    with in_front(bench.standin, "s3", answer) as url:
        settings = replace(bench.settings, endpoint_s3=url)
        with pytest.raises(
            BackendError, match=r"'memory/a' in .*archive class.*lifecycle"
        ) as error:
            bench.objects(settings=settings).get("a")
    assert not isinstance(error.value, AccessDenied)
    assert "permission" not in str(error.value)


def test_an_object_that_could_not_be_deleted_is_an_error(bench: Bench) -> None:
    def answer(request: Request) -> Response | None:
        if request.method != "POST":
            return None
        return xml(
            200,
            "<DeleteResult><Error><Key>memory/a</Key><Code>InternalError</Code>"
            "<Message>We encountered an internal error.</Message></Error></DeleteResult>",
        )

    with in_front(bench.standin, "s3", answer) as url:
        objects = bench.objects(settings=replace(bench.settings, endpoint_s3=url))
        with pytest.raises(BackendUnavailable, match="DeleteObjects"):
            objects.delete(["a"])


def test_an_answer_that_breaks_off_is_read_again(bench: Bench) -> None:
    fill(bench.objects(), "a")
    broken = iter([True])

    def answer(request: Request) -> Response | None:
        if request.method != "GET" or not next(broken, False):
            return None
        # Too short for its length; the server hangs up when the client asks for no more.
        return Response(200, BROKEN_OFF, b"cut")

    with in_front(bench.standin, "s3", answer) as url:
        settings = replace(bench.settings, endpoint_s3=url)
        objects = bench.objects(settings=settings, read_timeout_s=0.5)
        assert objects.get("a") == b"a"


@pytest.mark.parametrize("fault", ["throttle", "error500", "error503", "timeout408", "drop_before"])
def test_a_passing_failure_is_waited_out(bench: Bench, fault: str) -> None:
    objects = bench.objects()
    bench.standin.add_fault(fault, service="s3", times=2)
    fill(objects, "a")
    assert bench.clock.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("s3:PutObject", lambda objects: objects.put_if_absent("x", b"")),
        ("s3:GetObject", lambda objects: objects.get("a")),
        ("s3:ListBucket", lambda objects: list(objects.list(""))),
        ("s3:DeleteObject", lambda objects: objects.delete(["a"])),
    ],
)
def test_a_permission_that_is_missing_is_named(bench: Bench, action: str, call: object) -> None:
    objects = bench.objects()
    fill(objects, "a")
    bench.standin.set_switches(deny_actions=[action])
    with pytest.raises(AccessDenied, match=f"AWS refused {action} on .*{bench.bucket}") as caught:
        call(objects)  # type: ignore[operator]
    assert caught.value.backend == "s3_vectors"
    assert bench.clock.slept == []


def test_a_bucket_that_does_not_exist_names_the_variable(bench: Bench) -> None:
    objects = S3Objects(bench.aws(), "no-such-bucket", "memory/")
    with pytest.raises(BackendError, match="AWS_S3_BUCKET"):
        list(objects.list(""))
    with pytest.raises(BackendError, match="'no-such-bucket' does not exist"):
        objects.get("a")


def test_a_bucket_of_somebody_else_is_denied(bench: Bench) -> None:
    bench.standin.set_switches(foreign_buckets=[bench.bucket])
    with pytest.raises(AccessDenied, match="s3:ListBucket"):
        list(bench.objects().list(""))


def xml(status: int, body: str) -> Response:
    headers = (("Content-Type", "application/xml"), ("x-amz-request-id", "FRONT"))
    return Response(status, headers, body.encode())
