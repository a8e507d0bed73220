"""Probes: distinct, in order, the same every time, and invisible to everybody but the test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from memory_core.embedders import Embedder
from memory_core.errors import InvalidMemory
from memory_core.model.user_id import is_probe, normalize_user_id
from memory_core.redeploy_test import ProbeState, begin
from memory_core.redeploy_test.probes import KINDS, look, make_probes, probe_users, write
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore
from tests.support.installation import ANN, BOB, MakeInstallation

RUN, OTHER = "01M82BB7S3127W37HBW9WYAVNR", "01M82BB7S3127W37HBW9WYAVNS"


def test_probes_follow_from_the_test_and_are_distinct_and_in_order() -> None:
    probes = make_probes(RUN, 200)
    assert make_probes(RUN, 200) == probes
    assert make_probes(RUN, 12) == probes[:12]
    assert [one.number for one in probes] == list(range(1, 201))
    for name in ("id", "text", "question", "in_other_words"):
        assert len({getattr(one, name) for one in probes}) == 200, name
    assert [one.kind for one in probes[:12]] == [*KINDS, *KINDS]
    assert not {one.id for one in probes} & {one.id for one in make_probes(OTHER, 200)}


def test_other_words_share_none_with_the_text() -> None:
    for probe in make_probes(RUN, 200):
        words = set(re.findall(r"\w+", probe.in_other_words.lower()))
        assert not words & set(re.findall(r"\w+", probe.text.lower())), probe.in_other_words


def test_probes_are_of_two_reserved_users_and_of_every_kind() -> None:
    probes = make_probes(RUN, 12)
    assert {one.user_id for one in probes} == set(probe_users(RUN))
    assert all(is_probe(one.user_id) for one in probes)
    assert all(normalize_user_id(one.raw_user_id) == one.user_id for one in probes)
    assert {one.kind for one in probes if one.raw_user_id != one.user_id} == {
        "id with capitals and spaces"
    }
    assert {one.kind for one in probes if one.agent_id} == {"agent"}
    assert {one.kind for one in probes if one.run_id} == {"run"}
    assert {one.kind for one in probes if not one.text.isascii()} == {"non-ASCII"}
    assert {one.kind for one in probes if len(one.text) > 5_000} == {"long"}


def test_all_200_are_found_by_their_own_question_and_keep_their_id(
    tmp_path: Path, embedder: Embedder
) -> None:
    service = build_service(tmp_path, embedder, InMemoryStore(embedder.dimensions))
    probes = make_probes(RUN, 200)
    for one in probes:
        (saved,) = service.add_text_memory(
            one.raw_user_id, one.text, metadata={"probe": one.number},
            agent_id=one.agent_id, run_id=one.run_id,
        )  # fmt: skip
        assert (saved.id, saved.user_id) == (one.id, one.user_id)
    assert {one.state for one in look(service, probes)} == {ProbeState.OK}
    assert write(service, probes[0]), "again, as a writer that repeats itself"


@pytest.mark.parametrize("count", [0, -1, 201])
def test_a_number_of_probes_that_cannot_be_is_refused(
    install: MakeInstallation, count: int
) -> None:
    with pytest.raises(InvalidMemory, match="there can be 1 to 200"):
        install("chroma").begin(count)


@pytest.mark.parametrize("kind", ["s3", "chroma"])
def test_no_count_of_real_memories_shows_a_probe(install: MakeInstallation, kind: str) -> None:
    with install(kind).open() as service:
        service.add_text_memory(ANN, "likes tea")
        service.add_text_memory(BOB, "likes oak")

        def counts() -> list[object]:
            status = service.status()
            return [
                service.users(), (status.memories, status.users, status.since, status.last_write),
                service.memories_per_day(), service.storage(),
                service.query_memories(ANN, "Where does the amber anchor wait?"),
            ]  # fmt: skip

        before = counts()
        begin(service, 3)
        assert counts() == before
