"""Whatever cannot be stored is refused before anything is written, in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest

from memory_core.errors import InvalidMemory, InvalidUserId, MemoryNotFound
from memory_core.model.limits import (
    MAX_MEMORY_BYTES,
    MAX_METADATA_BYTES,
    MAX_METADATA_KEYS,
    MAX_UPLOAD_BYTES,
    payload_size,
)
from tests.support.contract import Bench
from tests.support.places import FEW

pytestmark = pytest.mark.parametrize("bench", FEW, indirect=True)

USERS: list[Any] = ["", " \u200b\t", None, 7, b"ann", "a" * 255, "\ud800", ["ann"]]
TEXTS: list[Any] = ["", " \n\t ", None, 7, b"tea", "\ud800", "é" * (MAX_MEMORY_BYTES // 2) + "x"]
SCOPES: list[Any] = ["", " ", "a b", "a\x1fb c", 7, "é" * 128, "\udfff"]
METADATA: list[Any] = [
    "topic",
    [("topic", "diet")],
    {f"k{n}": 1 for n in range(MAX_METADATA_KEYS + 1)},
    {"k": "x" * MAX_METADATA_BYTES},
    {"k" * 64: 1},
    {"": 1},
    {7: 1},
    {"\ud800": 1},
    {"k": "\ud800"},
    {"k": ["ok", "\ud800"]},
    {"k": None},
    {"k": {}},
    {"k": []},
    {"k": ["a", 1]},
    {"k": [True, False]},
    {"k": [[1]]},
    {"k": float("nan")},
    {"k": float("-inf")},
    {"k": [1.5, float("nan")]},
    {"k": 2**53 + 1},
    {"user_id": "bob"},
    {"data": "x"},
    {"role": "user"},
    {"$and": "x"},
    {"#id": "x"},
    {"chroma:document": "x"},
]
MESSAGES: list[Any] = [
    "hello",
    b"hello",
    {"role": "user", "content": "hello"},
    [],
    None,
    7,
    ["hello"],
    [{"role": "user"}],
    [{"content": "hello"}],
    [{"role": None, "content": "hello"}],
    [{"role": "", "content": "hello"}],
    [{"role": "\ud800", "content": "hello"}],
    [{"role": "x" * 5000, "content": "hello"}],
    [{"role": "user", "content": 7}],
    [{"role": "user", "content": [7]}],
    [{"role": "user", "content": " "}],
    [{"role": "assistant", "content": None, "tool_calls": []}],
    [{"role": "system", "content": "Be kind."}],
    [{"role": "user", "content": "hello", "name": {"a": 1}}],
    [{"role": "user", "content": "hello", "name": "\ud800"}],
    [{"role": "user", "content": "good"}, {"role": "user", "content": 7}],
]
DOCUMENTS: list[tuple[str, bytes]] = [
    ("notes.exe", b"text"),
    ("notes", b"text"),
    ("", b"text"),
    ("notes.txt", b""),
    ("notes.txt", b" \n \n"),
    ("notes.txt", b"x" * (MAX_UPLOAD_BYTES + 1)),
    ("notes.pdf", b"%PDF-1.7 no more"),
    ("notes.docx", b"PK\x03\x04 no more"),
    ("notes.json", b"{"),
    ("notes.jsonl", b'{"memory": "good"}\n{"memory": '),
    ("notes.jsonl", b'{"memory": "good"}\n{"memory": "bad", "metadata": {"data": 1}}'),
    ("notes.csv", b'a,b\n"open,2'),
]
LIMITS: list[Any] = [0, -1, 2.5, "3"]
MODES: list[Any] = ["exactly", "", None]
MEMORY_IDS = ["", "*", "../../etc", "x" * 300, "\x1b[31m", "%", "357a4830"]


class Unchanged:
    """Calls that are refused and change neither the ledger nor what is in the store."""

    def __init__(self, bench: Bench) -> None:
        self.service = bench.service
        self._place = bench.place
        self._before = self._state()

    def refuses(self, error: type[Exception], calls: Iterable[Callable[[], object]]) -> None:
        for call in calls:
            with pytest.raises(error) as caught:
                call()
            message = str(caught.value)
            assert 10 < len(message) < 400, message
            assert "\n" not in message
            assert message.isprintable(), message
        assert self._state() == self._before

    def _state(self) -> object:
        if not self._place.counts:
            # The contents of a bucket include its index, and counting that takes long.
            return self._place.contents()
        return self._place.contents(), self.service.storage()


@pytest.fixture(params=["empty", "with a memory"])
def unchanged(request: pytest.FixtureRequest, bench: Bench) -> Unchanged:
    if request.param != "empty":
        bench.service.add_text_memory("ann", "likes tea")
    return Unchanged(bench)


def test_user_ids_are_checked_by_every_call(unchanged: Unchanged) -> None:
    service = unchanged.service
    calls: list[Callable[[Any], object]] = [
        lambda user: service.add_text_memory(user, "hello"),
        lambda user: service.add_messages(
            user, [{"role": "user", "content": "hello"}], infer=False
        ),
        lambda user: service.add_document(user, "a.txt", b"hello"),
        lambda user: service.query_memories(user, "hello"),
        lambda user: service.list_memories(user),
        lambda user: service.get_memory(user, "x"),
        lambda user: service.update_memory(user, "x", "hello"),
        lambda user: service.delete_memory(user, "x"),
        lambda user: service.delete_user(user),
        lambda user: service.forget_user(user),
        lambda user: service.history(user),
    ]
    for call in calls:
        unchanged.refuses(InvalidUserId, (partial(call, bad) for bad in USERS))


def test_texts_metadata_and_scopes_are_checked_before_writing(unchanged: Unchanged) -> None:
    save, add_document = unchanged.service.add_text_memory, unchanged.service.add_document
    unchanged.refuses(InvalidMemory, (partial(save, "ann", bad) for bad in TEXTS))
    unchanged.refuses(
        InvalidMemory, (partial(save, "ann", "new", metadata=bad) for bad in METADATA)
    )
    unchanged.refuses(
        InvalidMemory,
        (partial(add_document, "ann", "a.txt", b"new", metadata=bad) for bad in METADATA),
    )
    for name in ("agent_id", "run_id"):
        unchanged.refuses(InvalidMemory, (partial(save, "a", "b", **{name: bad}) for bad in SCOPES))


def test_messages_are_checked_before_the_first_is_written(unchanged: Unchanged) -> None:
    add = partial(unchanged.service.add_messages, infer=False)
    unchanged.refuses(InvalidMemory, (partial(add, "ann", bad) for bad in MESSAGES))


def test_documents_are_checked_before_their_first_part_is_written(unchanged: Unchanged) -> None:
    add = unchanged.service.add_document
    # Read here: a child process would say the same, a tenth of a second later.
    calls = (partial(add, "ann", *document, isolate=False) for document in DOCUMENTS)
    unchanged.refuses(InvalidMemory, calls)


def test_questions_are_checked(unchanged: Unchanged) -> None:
    query, search = unchanged.service.query_memories, unchanged.service.search
    unchanged.refuses(
        InvalidMemory,
        [
            *(partial(query, "ann", bad) for bad in TEXTS),
            *(partial(query, "ann", "tea", limit=limit) for limit in LIMITS),
            *(partial(search, "ann", "tea", mode=mode) for mode in MODES),
        ],
    )


def test_memory_ids_that_are_none_are_not_found(unchanged: Unchanged) -> None:
    service = unchanged.service
    calls: list[Callable[[str], object]] = [
        lambda memory_id: service.get_memory("ann", memory_id),
        lambda memory_id: service.update_memory("ann", memory_id, "new"),
        lambda memory_id: service.delete_memory("ann", memory_id),
    ]
    for call in calls:
        unchanged.refuses(MemoryNotFound, (partial(call, bad) for bad in MEMORY_IDS))


def test_a_bad_update_leaves_the_memory_as_it_was(bench: Bench) -> None:
    (first,) = bench.service.add_text_memory("ann", "likes tea", metadata={"k": "x"})
    update = partial(bench.service.update_memory, "ann", first.id)
    unchanged = Unchanged(bench)
    unchanged.refuses(InvalidMemory, (partial(update, bad) for bad in TEXTS))
    unchanged.refuses(InvalidMemory, (partial(update, "new", metadata=bad) for bad in METADATA))
    assert bench.service.get_memory("ann", first.id) == first


def test_updates_cannot_add_up_to_more_metadata_than_one_save_may_have(bench: Bench) -> None:
    half = {f"a{n}": n for n in range(20)}
    (first,) = bench.service.add_text_memory("ann", "likes tea", metadata=half)
    more: dict[str, Any] = {f"b{n}": n for n in range(20)}
    wide: dict[str, Any] = {"wide": "x" * 900}
    assert payload_size(half | wide) > MAX_METADATA_BYTES
    update = partial(bench.service.update_memory, "ann", first.id, "new")
    Unchanged(bench).refuses(
        InvalidMemory, (partial(update, metadata=metadata) for metadata in (more, wide))
    )


def test_a_document_whose_last_part_is_too_large_with_its_ids_is_refused_whole(
    bench: Bench,
) -> None:
    # Each is within its own limit; only together are they more than an index can filter by.
    user, agent = "\U00010348" * 254, "a" * 254
    lines = [
        json.dumps({"memory": f"number {n}"}) for n in range(505)
    ]  # More than are written in one go.
    last = {"memory": "the last", "agent_id": agent, "metadata": {"k": "x" * 900}}
    content = "\n".join([*lines, json.dumps(last)]).encode()
    add = partial(bench.service.add_document, user, "all.jsonl", content, isolate=False)
    Unchanged(bench).refuses(InvalidMemory, [add])
