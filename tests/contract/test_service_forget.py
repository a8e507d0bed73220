"""Forgetting: nothing of a person's words is left, and nobody else loses anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_core import MemoryService, Settings, open_service
from memory_core.model.records import Kind
from tests.support.contract import Bench
from tests.support.openai_server import openai_server
from tests.support.places import EVERYWHERE, OF_THE_LEDGER

BY_THE_LEDGER = pytest.mark.parametrize("bench", OF_THE_LEDGER, indirect=True)

# Words that occur nowhere else, in texts, metadata, names and ids.
SECRETS = ["zebrafish", "marmalade", "xylophone", "pelican", "quokka", "ocelot", "Wombat"]


def fill(service: MemoryService, user: str = "ann") -> None:
    service.add_text_memory(user, "keeps a zebrafish", metadata={"k": "pelican"}, agent_id="ocelot")
    (one,) = service.add_text_memory(f" {user}", "eats marmalade")
    service.update_memory(user, one.id, "eats quokka")
    (gone,) = service.add_text_memory(user, "plays the xylophone")
    service.delete_memory(user, gone.id)
    service.add_document(user, "Wombat.txt", b"Owns a zebrafish.", isolate=False)


@pytest.mark.parametrize("bench", EVERYWHERE, indirect=True)
def test_after_forgetting_nothing_holds_a_word_of_it(bench: Bench) -> None:
    fill(bench.service)
    assert bench.place.holding(*SECRETS) == set(SECRETS)
    receipt = bench.service.forget_user("Ann ")
    assert (receipt.user_id, receipt.kind) == ("ann", Kind.FORGET)
    assert (receipt.removed, receipt.left) == (3, 0)
    assert bench.place.holding(*SECRETS) == set()
    bench.reopen()
    assert bench.place.holding(*SECRETS) == set()


@BY_THE_LEDGER
def test_after_forgetting_only_the_fact_is_in_the_history(bench: Bench) -> None:
    fill(bench.service)
    bench.service.forget_user(" ANN")
    for service in (bench.service, None):
        service = service or bench.reopen()
        (event,) = service.history("ann")
        assert (event.kind, event.id, event.memory) == (Kind.FORGET, "*", None)
        assert (event.user_id, event.raw_user_id) == ("ann", "ann")
        assert service.list_memories("ann") == []
        assert service.query_memories("ann", "zebrafish") == []
        assert service.users() == []
        assert service.memories_per_day() == {}
        assert set(service.storage().values()) == {0}


@BY_THE_LEDGER
def test_forgetting_again_or_nobody_changes_nothing(bench: Bench) -> None:
    fill(bench.service)
    bench.service.forget_user("ann")
    again = bench.service.forget_user("ann")
    assert (again.removed, again.left) == (0, 0)
    assert len(bench.service.history("ann")) == 1
    assert bench.service.forget_user("nobody").removed == 0
    assert bench.service.history("nobody") == []


@BY_THE_LEDGER
def test_a_forgotten_user_can_begin_again(bench: Bench) -> None:
    fill(bench.service)
    bench.service.forget_user("ann")
    (record,) = bench.service.add_text_memory("ann", "keeps a zebrafish", verify=True)
    assert not record.already_stored
    assert [event.kind for event in bench.service.history("ann")] == [Kind.FORGET, Kind.ADD]
    assert [one.memory for one in bench.reopen().list_memories("ann")] == ["keeps a zebrafish"]
    assert bench.service.query_memories("ann", "zebrafish")[0].memory.id == record.id


def test_forgetting_one_leaves_everybody_else_whole(bench: Bench) -> None:
    others = ["anna", "an", "ann%20", "ann.", "bob"]
    fill(bench.service)
    texts = [{"role": "user", "content": f"{verb} a zebrafish"} for verb in ("keeps", "saw")]
    for user in others:
        bench.service.add_messages(user, texts, infer=False)
    before = {user: bench.service.list_memories(user) for user in others}
    histories = {user: bench.service.history(user) for user in others}
    bench.service.forget_user("ann")
    service = bench.reopen()
    assert {user: service.list_memories(user) for user in others} == before
    assert {user: service.history(user) for user in others} == histories
    for user in others:
        assert service.query_memories(user, "keeps a zebrafish")[0].memory == before[user][-1]
        hits = service.search(user, "keeps a zebrafish", mode="index").hits
        if bench.place.finds_all:
            assert hits[0].memory == before[user][-1]
        assert all(hit.memory in before[user] for hit in hits)


@BY_THE_LEDGER
def test_a_service_that_knew_the_memories_shows_nothing_after_another_forgot_them(
    bench: Bench,
) -> None:
    knowing, forgetting = bench.service, bench.place.service()
    fill(knowing)
    assert knowing.query_memories("ann", "zebrafish")
    assert knowing.list_memories("ann")
    assert forgetting.forget_user("ann").left == 0
    assert knowing.list_memories("ann") == []
    assert knowing.query_memories("ann", "zebrafish") == []
    assert [event.kind for event in knowing.history("ann")] == [Kind.FORGET]
    forgetting.close()


def test_what_was_forgotten_is_never_told_to_the_language_model_again(data_dir: Path) -> None:
    with openai_server() as server:
        environ = {
            "MEMORY_DATA_DIR": str(data_dir),
            "MEMORY_EMBEDDER": "local",
            "MEMORY_LLM": "openai:some-model",
            "OPENAI_API_KEY": "key",
            "OPENAI_BASE_URL": server.url,
        }
        server.answer = '{"memory": [{"id": "0", "text": "Keeps a zebrafish"}]}'
        with open_service(Settings.from_env(environ)) as service:
            service.add_text_memory("ann", "I keep a zebrafish", infer=True)
            if not service.list_memories("ann"):
                pytest.fail("the stand-in's answer was not understood")
            service.forget_user("ann")
            server.answer = '{"memory": []}'
            service.add_text_memory("ann", "Hello again", infer=True)
        prompts = [request.prompt for request in server.asked("/chat/completions")]
        assert "zebrafish" in prompts[0]
        assert "Hello again" in prompts[-1]
        assert "zebrafish" not in prompts[-1]
