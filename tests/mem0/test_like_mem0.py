"""The calls of mem0's documentation, made of plain mem0 on ChromaDB and of ours: the same results.

`MEANT` lists every difference; docs/from-mem0.md says them in words.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory_core import Settings, open_service
from memory_core.aio import AsyncMemoryService
from memory_core.mem0 import AsyncMemory, Memory
from memory_core.settings import silence_telemetry
from tests.support.openai_server import OpenAIServer, openai_server

TEA, RYE, OATS = "Likes green tea in the morning", "Allergic to rye bread", "Eats oats on Sundays"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": TEA, "name": "ann"},
    {"role": "assistant", "content": RYE},
]

Case = Callable[[Any, str], Any]
CASES: dict[str, Case] = {}


def case(run: Case) -> Case:
    CASES[run.__name__] = run
    return run


class Awaited:
    """The calls of an AsyncMemory, waited for."""

    def __init__(self, memory: AsyncMemory, runner: asyncio.Runner) -> None:
        self._memory, self._runner = memory, runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._memory, name)
        return lambda *args, **kwargs: self._runner.run(method(*args, **kwargs))


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with openai_server() as running:
        yield running


@pytest.fixture(scope="module")
def memories(
    server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Plain mem0, ours, and ours awaited, with the embedder and the model of one server."""
    silence_telemetry()
    import mem0

    folder = tmp_path_factory.mktemp("mem0")
    access = {"api_key": "sk-test", "openai_base_url": server.url}
    config = {
        "vector_store": {
            "provider": "chroma",
            "config": {"collection_name": "plain", "path": str(folder / "plain")},
        },
        "embedder": {"provider": "openai", "config": access},
        "llm": {"provider": "openai", "config": {**access, "model": "test-model"}},
        "history_db_path": str(folder / "history.db"),
    }
    environ = {
        "MEMORY_DATA_DIR": str(folder / "ours"),
        "MEMORY_EMBEDDER": "openai",
        "MEMORY_LLM": "openai:test-model",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": server.url,
    }
    settings = Settings.from_env(environ)
    plain = mem0.Memory.from_config(config)
    with open_service(settings) as service, asyncio.Runner() as runner:
        shared = AsyncMemoryService(settings)
        yield {
            "plain": plain,
            "ours": Memory(service=service),
            "awaited": Awaited(AsyncMemory(service=shared), runner),
        }
        runner.run(shared.aclose())
    plain.close()
    # It leaves its connections to the garbage collector.
    plain.llm.client.close()
    plain.embedding_model.client.close()


def texts(answer: dict[str, Any]) -> list[str]:
    return sorted(item["memory"] for item in answer["results"])


def add(memory: Any, user: str, text: str = TEA, **given: Any) -> str:
    added = memory.add(text, user_id=user, infer=False, **given)
    return str(added["results"][0]["id"])


def many(memory: Any, user: str) -> None:
    """Save three memories with metadata, for filters."""
    add(memory, user, TEA, metadata={"topic": "drinks", "stars": 3, "hot": True})
    add(memory, user, RYE, metadata={"topic": "food", "stars": 5}, agent_id="cook")
    add(memory, user, OATS, metadata={"topic": "food", "stars": 1}, run_id="r1")


def shape(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item without what differs from call to call."""
    times = "created_at", "updated_at"
    changing = {"id": "an id"} | {
        key: datetime.fromisoformat(item[key]).tzinfo is not None for key in times if key in item
    }
    return {**item, **changing}


@case
def add_a_text(memory: Any, user: str) -> Any:
    return [shape(item) for item in memory.add(TEA, user_id=user, infer=False)["results"]]


@case
def add_messages(memory: Any, user: str) -> Any:
    added = memory.add(CHAT, user_id=user, infer=False, metadata={"topic": "diet"})
    return [shape(item) for item in added["results"]], texts(
        memory.get_all(filters={"user_id": user})
    )


@case
def add_one_message(memory: Any, user: str) -> Any:
    return texts(memory.add({"role": "user", "content": TEA}, user_id=user, infer=False))


@case
def add_messages_that_say_nothing(memory: Any, user: str) -> Any:
    silent = [{"role": "assistant", "content": None}, {"role": "system", "content": "Be kind."}]
    return memory.add([*silent, {"role": "user"}], user_id=user, infer=False)


@case
def add_twice(memory: Any, user: str) -> Any:
    events = [memory.add(TEA, user_id=user, infer=False)["results"][0]["event"] for _ in range(2)]
    return events, len(memory.get_all(filters={"user_id": user})["results"])


@case
def add_with_the_language_model(memory: Any, user: str) -> Any:
    added = memory.add(CHAT, user_id=user, metadata={"topic": "diet"})
    again = memory.add(CHAT, user_id=user)
    (stored,) = memory.get_all(filters={"user_id": user})["results"]
    return [shape(item) for item in added["results"]], again, stored["metadata"]


@case
def add_for_a_number(memory: Any, user: str) -> Any:
    number = int.from_bytes(user.encode()[:4], "big")
    memory.add(TEA, user_id=number, infer=False)
    return texts(memory.get_all(filters={"user_id": number}))


@case
def add_for_nobody(memory: Any, user: str) -> Any:
    return memory.add(TEA, infer=False)


@case
def add_for_an_agent_alone(memory: Any, user: str) -> Any:
    memory.add(TEA, agent_id=user, infer=False)
    add(memory, user, RYE, agent_id=user, metadata={"n": 1})
    (item,) = memory.search(TEA, filters={"agent_id": user}, top_k=1)["results"]
    memory.delete(item["id"])
    memory.add(OATS, run_id=user, infer=False)
    return (
        shape(item) | {"score": 0}, texts(memory.get_all(filters={"agent_id": user})),
        texts(memory.get_all(filters={"run_id": user})),
        texts(memory.search(TEA, filters={"agent_id": user, "n": 1}, threshold=0.0)),
    )  # fmt: skip


@case
def add_for_a_run_of_two_users(memory: Any, user: str) -> Any:
    for text, owner in ((TEA, user), (RYE, f"{user}2")):
        add(memory, owner, text, run_id=f"{user}-run")
    found = {"filters": {"run_id": f"{user}-run"}}
    before = texts(memory.get_all(**found)), texts(memory.search(TEA, **found, threshold=0.0))
    return before, memory.delete_all(run_id=f"{user}-run"), memory.get_all(**found)


@case
def add_no_messages(memory: Any, user: str) -> Any:
    return memory.add(7, user_id=user, infer=False)


@case
def add_with_a_bad_date(memory: Any, user: str) -> Any:
    return memory.add(TEA, user_id=user, infer=False, expiration_date="soon")


@case
def add_with_a_timestamp(memory: Any, user: str) -> Any:
    return memory.add(TEA, user_id=user, infer=False, timestamp=1)


@case
def add_with_ids_in_the_metadata(memory: Any, user: str) -> Any:
    add(memory, user, metadata={"user_id": "eve", "topic": "drinks"})
    (item,) = memory.get_all(filters={"user_id": user})["results"]
    return item["user_id"] == user, item["metadata"], memory.get_all(filters={"user_id": "eve"})


@case
def get_an_item(memory: Any, user: str) -> Any:
    given = {"agent_id": "cook", "run_id": "r1", "metadata": {"n": 3}, "expiration_date": TOMORROW}
    return shape(memory.get(add(memory, user, **given)))


@case
def get_what_nobody_has(memory: Any, user: str) -> Any:
    return memory.get("7c9e6679-7425-40de-944b-e07fc1f90ae7"), memory.get("no id")


@case
def get_all_items(memory: Any, user: str) -> Any:
    many(memory, user)
    items = memory.get_all(filters={"user_id": user})["results"]
    return sorted((shape(item) for item in items), key=lambda item: item["memory"])


@case
def get_all_of_many(memory: Any, user: str) -> Any:
    lines = [{"role": "user", "content": f"{user} {number}"} for number in range(25)]
    memory.add(lines, user_id=user, infer=False)
    found = {"user_id": user}
    return [
        len(memory.get_all(filters=found, **top)["results"])
        for top in ({}, {"top_k": 5}, {"top_k": 0})
    ]


@case
def get_all_in_order(memory: Any, user: str) -> Any:
    for text in (TEA, RYE, OATS):
        add(memory, user, text)
    return [item["memory"] for item in memory.get_all(filters={"user_id": user})["results"]]


@case
def get_all_of_an_agent_and_a_run(memory: Any, user: str) -> Any:
    many(memory, user)
    scopes = {"agent_id": "cook"}, {"run_id": "r1"}, {"agent_id": "cook", "run_id": "r1"}
    return [texts(memory.get_all(filters={"user_id": user, **scope})) for scope in scopes]


@case
def get_all_of_an_id_in_another_form(memory: Any, user: str) -> Any:
    add(memory, user)
    return texts(memory.get_all(filters={"user_id": f" {user.upper()}"}))


@case
def get_all_without_filters(memory: Any, user: str) -> Any:
    return memory.get_all()


@case
def get_all_with_the_user_outside(memory: Any, user: str) -> Any:
    return memory.get_all(user_id=user)


@case
def expired_memories(memory: Any, user: str) -> Any:
    add(memory, user, TEA, expiration_date=YESTERDAY)
    add(memory, user, RYE, expiration_date=TOMORROW)
    found, asked = {"filters": {"user_id": user}}, {"threshold": 0.0}
    return (
        texts(memory.get_all(**found)), texts(memory.get_all(**found, show_expired=True)),
        texts(memory.search(TEA, **found, **asked)),
        texts(memory.search(TEA, **found, **asked, show_expired=True)),
    )  # fmt: skip


@case
def search_an_item(memory: Any, user: str) -> Any:
    many(memory, user)
    best = memory.search(TEA, filters={"user_id": user}, top_k=1)["results"]
    return [shape(item) | {"score": 0 < item["score"] <= 1} for item in best]


@case
def search_with_an_explanation(memory: Any, user: str) -> Any:
    add(memory, user)
    (best,) = memory.search(TEA, filters={"user_id": user}, explain=True)["results"]
    return sorted(best["score_details"]), best["score"] == best["score_details"]["final_score"]


@case
def search_arguments(memory: Any, user: str) -> Any:
    add(memory, user)
    found = {"user_id": user}
    return [
        outcome(lambda given=given: memory.search(**{"query": TEA, "filters": found, **given}))
        for given in (
            {"query": " "}, {"query": 7}, {"threshold": 2}, {"threshold": "high"}, {"top_k": -1},
            {"top_k": True}, {"filters": None}, {"filters": {"topic": "x"}}, {"user_id": user},
            {"reference_date": "2026-01-01"}, {"filters": {**found, "AND": {}}},
            {"filters": {**found, "OR": []}}, {"filters": {**found, "NOT": []}},
            {"filters": {**found, "n": {"gt": 1, "near": 2}}}, {"top_k": 0},
            {"rerank": True, "top_k": 0},
        )
    ]  # fmt: skip


FILTERS: dict[str, dict[str, Any]] = {
    "equal": {"topic": "food"},
    "two keys": {"topic": "food", "stars": 1},
    "eq": {"topic": {"eq": "drinks"}},
    "ne": {"topic": {"ne": "drinks"}},
    "ne, missing": {"hot": {"ne": True}},
    "in": {"topic": {"in": ["drinks", "x"]}},
    "nin": {"topic": {"nin": ["drinks", "x"]}},
    "range": {"stars": {"gt": 1, "lte": 5}},
    "gte": {"stars": {"gte": 3}},
    "lt": {"stars": {"lt": 3}},
    "wildcard": {"topic": "*"},
    "wildcard, missing": {"hot": "*"},
    "contains": {"topic": {"contains": "oo"}},
    "icontains": {"topic": {"icontains": "FOO"}},
    "AND": {"AND": [{"topic": "food"}, {"stars": {"gt": 2}}]},
    "OR": {"OR": [{"topic": "drinks"}, {"stars": {"lt": 2}}]},
    "NOT": {"NOT": [{"topic": "drinks"}]},
    "NOT of two keys": {"NOT": [{"topic": "food", "stars": 5}]},
    "NOT of two groups": {"NOT": [{"topic": "drinks"}, {"stars": 5}]},
    "all at once": {
        "AND": [{"topic": "food"}], "OR": [{"stars": 1}, {"stars": 5}], "NOT": [{"stars": 5}]
    },
    "nested": {"OR": [{"AND": [{"topic": "food"}, {"stars": 5}]}, {"topic": "drinks"}]},
    "agent": {"agent_id": "cook", "topic": "food"},
    "role": {"role": "user", "stars": 3},
}  # fmt: skip


@case
def search_with_filters(memory: Any, user: str) -> Any:
    many(memory, user)
    return {
        name: outcome(
            lambda wanted=wanted: texts(
                memory.search(TEA, filters={"user_id": user, **wanted}, threshold=0.0)
            )
        )
        for name, wanted in FILTERS.items()
    }


@case
def update_and_history(memory: Any, user: str) -> Any:
    memory_id = add(memory, user, metadata={"topic": "drinks", "stars": 1})
    said = memory.update(memory_id, text=RYE, metadata={"stars": 2})
    memory.update(memory_id, data=OATS)
    item = memory.get(memory_id)
    memory.delete(memory_id)
    rows = memory.history(memory_id)
    changing = ("id", "memory_id", "created_at", "updated_at", "role")
    return (
        said, item["memory"], item["metadata"], memory.get(memory_id),
        [{key: row[key] for key in row if key not in changing} for row in rows],
        [row["memory_id"] == memory_id for row in rows], len({row["id"] for row in rows}),
        [sorted(row) for row in rows],
    )  # fmt: skip


@case
def update_the_expiry(memory: Any, user: str) -> Any:
    memory_id = add(memory, user, expiration_date=YESTERDAY)
    seen = [texts(memory.get_all(filters={"user_id": user}))]
    for day in (TOMORROW, None):
        memory.update(memory_id, expiration_date=day)
        seen.append(memory.get(memory_id).get("expiration_date"))
    return seen, texts(memory.get_all(filters={"user_id": user}))


@case
def update_ids(memory: Any, user: str) -> Any:
    memory_id = add(memory, user)
    memory.update(memory_id, metadata={"user_id": "eve", "topic": "drinks"})
    item = memory.get(memory_id)
    return item["user_id"] == user, item["metadata"]


@case
def change_what_is_not_there(memory: Any, user: str) -> Any:
    gone = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    return [
        outcome(lambda: memory.update(gone, text=TEA)), outcome(lambda: memory.delete(gone)),
        outcome(lambda: memory.update(gone)), memory.history(gone),
    ]  # fmt: skip


@case
def delete_an_item(memory: Any, user: str) -> Any:
    memory_id = add(memory, user)
    return memory.delete(memory_id), outcome(lambda: memory.delete(memory_id))


@case
def delete_all_of_a_user(memory: Any, user: str) -> Any:
    many(memory, user)
    add(memory, f"{user}2")
    said = memory.delete_all(user_id=user)
    return (
        said,
        memory.get_all(filters={"user_id": user}),
        texts(memory.get_all(filters={"user_id": f"{user}2"})),
    )


@case
def delete_all_of_a_run(memory: Any, user: str) -> Any:
    many(memory, user)
    memory.delete_all(user_id=user, run_id="r1")
    memory.delete_all(user_id=user, agent_id="nobody")
    return texts(memory.get_all(filters={"user_id": user}))


@case
def delete_all_of_everybody(memory: Any, user: str) -> Any:
    return memory.delete_all()


def outcome(call: Callable[[], Any]) -> Any:
    """Return the result of a call, or the kind of its error."""
    try:
        return call()
    except ValueError:
        return "ValueError"
    except Exception as error:
        return type(error).__name__


FOOD = sorted([RYE, OATS])

MEANT: dict[str, tuple[Any, Any]] = {
    # The same text in the same scope is one memory.
    "add_twice": ((["ADD", "ADD"], 2), (["ADD", "NONE"], 1)),
    # mem0 has an error of its own for these two, which is no ValueError.
    "add_for_nobody": ("ValidationError", "ValueError"),
    "add_no_messages": ("ValidationError", "ValueError"),
    # All memories, unless fewer are asked for; none where none are.
    "get_all_of_many": ([20, 5, 1], [25, 5, 0]),
    # The newest first.
    "get_all_in_order": ([TEA, RYE, OATS], [OATS, RYE, TEA]),
    # One person, one id, however it is written.
    "get_all_of_an_id_in_another_form": ([], [TEA]),
}
MEANT_FILTERS: dict[str, tuple[Any, Any]] = {
    # "Any value" is a value.
    "wildcard, missing": (sorted([TEA, *FOOD]), [TEA]),
    # mem0 asks ChromaDB for equality.
    "contains": ([], FOOD),
    "icontains": ([], FOOD),
    "nested": ("InvalidArgumentError", sorted([TEA, RYE])),
}


@pytest.mark.parametrize("name", CASES)
def test_a_call_has_the_result_of_mem0_or_a_difference_that_is_meant(
    memories: dict[str, Any], server: OpenAIServer, name: str
) -> None:
    server.answer = json.dumps({"memory": [{"id": "0", "text": OATS}]})
    results = {
        kind: outcome(lambda memory=memory, kind=kind: CASES[name](memory, f"{name}-{kind}"))
        for kind, memory in memories.items()
    }
    if name == "search_with_filters":
        for which, (theirs, ours) in MEANT_FILTERS.items():
            assert results["plain"].pop(which) == theirs
            assert results["ours"].pop(which) == results["awaited"].pop(which) == ours
    text = {
        kind: json.dumps(result, sort_keys=True).replace(f"-{kind}", "")
        for kind, result in results.items()
    }
    assert text["awaited"] == text["ours"]
    if name in MEANT:
        assert [results["plain"], results["ours"]] == [*MEANT[name]]
    else:
        assert text["plain"] == text["ours"]
