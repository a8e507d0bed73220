"""Beside mem0's calls: its configuration, errors of a backend, opening and closing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memory_core import MemoryNotFound, MemoryService, SettingsError, http_status
from memory_core.mem0 import AsyncMemory, Memory, UnknownMemory
from memory_core.mem0.config import read_config

TEA, RYE = "Likes green tea in the morning", "Allergic to rye bread"


def test_importing_it_loads_no_mem0() -> None:
    code = (
        "import sys, memory_core.mem0; print({'mem0', 'openai', 'chromadb'} & sys.modules.keys())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_one_import_and_nothing_else_is_enough(data_dir: Path) -> None:
    with Memory() as memory:
        memory.add(TEA, user_id="Ann@Example.com", infer=False)
        memory_id = memory.add(RYE, user_id="ann@example.com", infer=False)["results"][0]["id"]
    assert data_dir.is_dir()
    with Memory.from_config({"version": "v1.1"}) as memory:
        assert memory.config_notes == ("version: not used; results have the form of v1.1",)
        (best,) = memory.search("Which bread?", filters={"user_id": "ann@example.com"}, top_k=1)[
            "results"
        ]
        assert (best["id"], best["memory"]) == (memory_id, RYE)
        (record,) = memory.service.search("ann@example.com", "Which bread?", limit=1).hits
        assert record.memory.id == memory_id


def test_a_service_that_is_handed_in_stays_open(service: MemoryService) -> None:
    with Memory(service=service) as memory:
        memory.add(TEA, user_id="ann", infer=False)
    assert [record.memory for record in service.list_memories("ann")] == [TEA]


def test_the_asynchronous_memory_opens_on_the_first_call_and_closes(data_dir: Path) -> None:
    async def use() -> list[Any]:
        async with AsyncMemory.from_config({}) as memory:
            await asyncio.gather(
                *(memory.add(f"{TEA} {n}", user_id="ann", infer=False) for n in range(5))
            )
            listed = await memory.get_all(filters={"user_id": "ann"})
            with pytest.raises(NotImplementedError):
                await memory.reset()
        return [item["memory"] for item in listed["results"]]

    assert sorted(asyncio.run(use())) == [f"{TEA} {n}" for n in range(5)]


def test_a_threshold_is_one_of_nearness_as_in_mem0(service: MemoryService) -> None:
    memory = Memory(service=service)
    memory.add(TEA, user_id="ann", infer=False)
    found = {"user_id": "ann"}
    for threshold, count in ((None, 1), (0.3, 1), (0.99, 0)):
        answer = memory.search("What does she drink?", filters=found, threshold=threshold)
        assert len(answer["results"]) == count
    (same,) = memory.search(TEA, filters=found, threshold=0.99, explain=True)["results"]
    assert same["score_details"]["semantic_score"] == pytest.approx(1, abs=1e-3)


def test_a_reset_is_refused_and_says_what_to_call(service: MemoryService) -> None:
    memory = Memory(service=service)
    memory.add(TEA, user_id="ann", infer=False)
    with pytest.raises(NotImplementedError, match=r"delete_all\(user_id=\.\.\.\)"):
        memory.reset()
    assert len(memory.get_all(filters={"user_id": "ann"})["results"]) == 1


def test_an_unknown_id_is_an_error_of_both_kinds(service: MemoryService) -> None:
    memory = Memory(service=service)
    memory_id = memory.add(TEA, user_id="ann", infer=False)["results"][0]["id"]
    service.forget_user("ann")
    for call in (memory.delete, memory.update):
        with pytest.raises(UnknownMemory, match="list a user's memories") as caught:
            call(memory_id, *([RYE] if call == memory.update else []))
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, MemoryNotFound)
        assert http_status(caught.value) == 404
    assert memory.history(memory_id) == []


@pytest.mark.parametrize("name", ["timestamp", "memory_type", "prompt"])
def test_what_has_no_meaning_here_is_refused_with_the_reason(
    service: MemoryService, name: str
) -> None:
    given: dict[str, Any] = {name: "x"}
    with pytest.raises(ValueError, match=rf"add\(\) does not take {name}: \w+"):
        Memory(service=service).add(TEA, user_id="ann", infer=False, **given)


def test_a_memory_moved_to_another_user_is_found_by_its_id(service: MemoryService) -> None:
    memory = Memory(service=service)
    memory_id = memory.add(TEA, user_id="ann", infer=False)["results"][0]["id"]
    service.reunite("ann", "bob")
    item = memory.get(memory_id)
    assert item is not None
    assert item["user_id"] == "bob"
    memory.update(memory_id, RYE)
    assert [row["new_memory"] for row in memory.history(memory_id)] == [TEA, RYE]
    memory.delete(memory_id)
    assert service.list_memories("bob") == []


def test_the_owner_of_a_memory_that_the_store_lost_is_in_the_ledger(service: MemoryService) -> None:
    (record,) = service.add_text_memory("ann", TEA)
    service.parts.store.delete([record.id])
    assert service.owner_of(record.id) == "ann"


def test_each_part_of_a_configuration_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    access = {"api_key": "sk-1", "openai_base_url": "http://llm.example/v1"}
    settings, notes = read_config(
        {
            "vector_store": {"provider": "chroma", "config": {"path": "old/db"}},
            "embedder": {"provider": "openai", "config": {**access, "embedding_dims": 1536}},
            "llm": {"provider": "openai", "config": {"model": "m-1", "temperature": 0.2}},
            "history_db_path": "history.db",
            "graph_store": {"provider": "neo4j"},
            "mystery": 1,
        }
    )
    assert (settings.embedder, settings.llm) == ("openai", "openai:m-1")
    assert (settings.openai_api_key, settings.openai_base_url) == tuple(access.values())
    assert [note.partition(":")[0] for note in notes] == [
        "vector_store chroma", "embedder openai", "llm openai", "history_db_path", "graph_store",
        "mystery",
    ]  # fmt: skip
    assert "`holdfast migrate apply --from chroma:old/db`" in notes[0]
    assert notes[2].endswith("taken (m-1), without temperature")
    assert "sk-1" not in " ".join(notes) + caplog.text
    assert len(caplog.records) == len(notes)


def test_a_vector_bucket_of_mem0_is_taken() -> None:
    store = {"vector_bucket_name": "vectors", "region_name": "eu-central-1", "collection_name": "m"}
    settings, _ = read_config({"vector_store": {"provider": "s3_vectors", "config": store}})
    assert (settings.backend, settings.vector_bucket) == ("s3_vectors", "vectors")
    assert settings.region == "eu-central-1"


def test_other_providers_leave_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_EMBEDDER", "local")
    settings, notes = read_config(
        {
            "vector_store": {"provider": "qdrant", "config": {"host": "localhost"}},
            "embedder": {"provider": "huggingface", "config": {}},
            "llm": {"provider": "ollama"},
        }
    )
    assert (settings.embedder, settings.llm, settings.backend) == ("local", None, "auto")
    assert all("not used" in note or "not opened" in note for note in notes)


def test_whoever_has_a_key_can_extract_as_with_mem0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert read_config(None)[0].llm == "openai:gpt-5-mini"
    monkeypatch.setenv("MEMORY_LLM", "openai:m-2")
    assert read_config({})[0].llm == "openai:m-2"


def test_a_configuration_object_of_mem0_is_read() -> None:
    from mem0.configs.base import MemoryConfig

    llm = {"provider": "openai", "config": {"model": "m-1", "api_key": "sk-1"}}
    settings, notes = read_config(MemoryConfig(llm=llm))
    assert settings.llm == "openai:m-1"
    assert [note.partition(":")[0] for note in notes] == ["llm openai"]


@pytest.mark.parametrize(
    "config",
    ["chroma", {"llm": "openai"}, {"llm": {"config": {}}}, {"llm": {"provider": "x", "config": 1}}],
)
def test_what_is_no_configuration_is_refused(config: Any) -> None:
    with pytest.raises(SettingsError, match="pass"):
        Memory.from_config(config)
