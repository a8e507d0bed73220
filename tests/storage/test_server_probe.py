"""Trying a server: what each profile can do, what is done instead, and that nothing is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory_core import open_service
from memory_core.embedders.local import LocalEmbedder
from memory_core.model.server_card import ServerManners
from memory_core.storage.backend import select_backend
from memory_core.storage.server_probe import probe_server
from tests.support.other_servers import MANNERS, server

PLAIN = {"modes", "text search"}
LACKING = {
    "aws": set(),
    "aws-classic": PLAIN,
    "ceph": {"odd keys", "segments", "filter", "tags"} | PLAIN,
    "noobaa": {
        "atomic puts", "listings", "second create", "empty index", "new keys", "odd keys", "lists",
        "nulls", "many vectors", "body of 8 MiB", "tags",
    } | PLAIN,
    "s3mock": {"unknown keys", "topK"} | PLAIN,
    "floci": {"described keys", "segments", "tags"} | PLAIN,
    "supabase": {"topK", "tags"} | PLAIN,
}  # fmt: skip


@pytest.mark.parametrize("profile", LACKING)
def test_what_a_server_cannot_do_is_found_and_nothing_is_left(profile: str) -> None:
    with server(profile) as (standin, settings):
        bucket, vectors = str(settings.bucket), str(settings.vector_bucket)
        card = probe_server(settings, bucket, vectors)
        assert {each.name for each in card.lacking} == LACKING[profile]
        assert all(each.answer == "no" for each in card.lacking)
        assert card.manners == MANNERS.get(profile, ServerManners())
        assert "Contents" not in standin.client("s3").list_objects_v2(Bucket=bucket)
        left = standin.client("s3vectors").list_indexes(vectorBucketName=vectors)
        assert left["indexes"] == []
        assert card.seconds < 30


def test_the_first_start_tries_the_server_and_the_next_reads_its_card() -> None:
    with server("ceph") as (standin, settings):
        with open_service(settings) as service:
            status = service.status()
        assert status.card is not None
        assert (
            status.server == status.card.server == f"a stand-in for Ceph at {standin.url_s3vectors}"
        )
        assert status.reason.startswith(f"memories are on {status.server}, and last as long")
        assert status.stand_in == standin.url_s3vectors
        assert status.card.sentence.startswith(f"{status.server} has 14 of 20 capabilities tried")
        standin.reset_requests()
        with open_service(settings) as service:
            assert service.status().card == status.card
        assert "s3vectors:CreateIndex" not in standin.request_counts()
        other = replace(
            settings, endpoint_s3vectors=standin.url_s3vectors.replace("127.0.0.1", "localhost")
        )
        backend = select_backend(other, LocalEmbedder())
        assert backend.cards is not None
        assert backend.cards.find() is None


def test_on_a_stand_in_for_amazon_nothing_is_tried() -> None:
    with server("aws") as (standin, settings), open_service(settings) as service:
        status = service.status()
        assert status.card is None
        assert status.server == f"a stand-in for Amazon S3 Vectors at {standin.url_s3vectors}"


def test_a_server_that_does_not_let_itself_be_tried_is_used_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with server("ceph") as (standin, settings):
        standin.add_fault("error500", operation="PutVectors")
        standin.add_fault("deny", operation="CreateIndex")
        with open_service(settings) as service:
            assert service.status().card is None
            assert not service.parts.backend.objects.atomic_puts
    assert "what the server can do could not be tried" in caplog.text
