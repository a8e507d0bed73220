"""The proof of a deletion: whatever is left of a user somewhere is found."""

from __future__ import annotations

import pytest

from memory_core import MemoryService
from memory_core.render.text import to_json
from memory_core.render.user_tables import erasure_proof_document, erasure_proof_text
from memory_core.storage.vectors import Vector
from tests.support.contract import RYE, TEA, Bench, save

one_kind = pytest.mark.parametrize("bench", ["in_memory"], indirect=True)


def state(service: MemoryService, user: str = "Ann ") -> tuple[str, bool]:
    found = service.traces(user)
    return found.state, found.clean


@pytest.mark.parametrize("bench", ["chroma", "s3_vectors", "async"], indirect=True)
def test_from_there_to_forgotten(bench: Bench) -> None:
    service = bench.service
    assert state(service) == ("never there", True)
    save(service, TEA)
    save(service, RYE, "bob")
    found = service.traces("ann")
    assert (found.memories, found.texts, found.remembered, found.vectors) == (1, 1, 1, 2)
    assert found.stored
    assert (found.state, found.stored.stored) == ("there", 1)
    service.delete_user("ann")
    assert state(service) == ("deleted", False)
    service.forget_user("ann")
    found = service.traces("ann")
    assert (found.state, found.clean, found.stored, found.events) == ("forgotten", True, None, 1)
    assert "Nothing is left of this user" in erasure_proof_text(found)
    assert TEA not in to_json(erasure_proof_document(found))
    assert state(service, "bob") == ("there", False)


@one_kind
def test_what_others_left_in_the_store_is_found_under_any_form_of_the_id(bench: Bench) -> None:
    service = bench.service
    values = service.parts.embedder.embed([TEA])[0]
    service.parts.store.put([Vector("x", {"data": TEA, "user_id": " ANN\u200b"}, values)])
    found = service.traces("ann")
    assert (found.state, found.memories) == ("there", 0)
    assert found.stored
    assert [one.raw for one in found.stored.forms] == [" ANN\u200b"]
    assert "ANN<U+200B>" in to_json(erasure_proof_document(found))


@one_kind
def test_the_history_of_a_former_owner_is_named(bench: Bench) -> None:
    service = bench.service
    save(service, TEA, "annie")
    service.reunite("annie", "ann")
    service.forget_user("ann")
    found = service.traces("ann")
    assert [(one.user_id, one.memories) for one in found.former] == [("annie", 1)]
    assert (found.state, found.clean) == ("deleted", False)
    assert "under annie; forget that id too" in erasure_proof_text(found)
    service.forget_user("annie")
    assert state(service) == ("forgotten", True)


@one_kind
def test_a_close_id_is_named(bench: Bench) -> None:
    save(bench.service, TEA, "ann.lee@gmail.com")
    found = bench.service.traces("annlee@gmail.com")
    assert [one.user_id for one in found.close] == ["ann.lee@gmail.com"]
    assert "close id  ann.lee@gmail.com, 1 memory" in erasure_proof_text(found)
