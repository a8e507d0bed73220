"""Whatever cannot be stored is refused before anything is written, in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from memory_core import MemoryService
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
    [{"role": "user", "content": ["hello"]}],
    [{"role": "user", "content": "hello", "name": {"a": 1}}],
    [{"role": "user", "content": "hello", "name": "\ud800"}],
    [{"role": "user", "content": "good"}, {"role": "user", "content": " "}],
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


class Unchanged:
    """Refuses a change of the ledger, or of what is in the store."""

    def __init__(self, bench: Bench) -> None:
        self.service = bench.service
        self._place = bench.place
        self._before = self._state()

    def refuses(self, error: type[Exception], call: Callable[[MemoryService], object]) -> str:
        with pytest.raises(error) as caught:
            call(self.service)
        message = str(caught.value)
        assert 10 < len(message) < 400, message
        assert "\n" not in message
        assert message.isprintable(), message
        assert self._state() == self._before, message
        return message

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
    for bad in USERS:
        for call in (
            lambda s, u: s.add_text_memory(u, "hello"),
            lambda s, u: s.add_messages(u, [{"role": "user", "content": "hello"}], infer=False),
            lambda s, u: s.add_document(u, "a.txt", b"hello"),
            lambda s, u: s.query_memories(u, "hello"),
            lambda s, u: s.list_memories(u),
            lambda s, u: s.get_memory(u, "x"),
            lambda s, u: s.update_memory(u, "x", "hello"),
            lambda s, u: s.delete_memory(u, "x"),
            lambda s, u: s.delete_user(u),
            lambda s, u: s.forget_user(u),
            lambda s, u: s.history(u),
        ):
            unchanged.refuses(InvalidUserId, lambda s, call=call, bad=bad: call(s, bad))


def test_texts_metadata_and_scopes_are_checked_before_writing(unchanged: Unchanged) -> None:
    for bad in TEXTS:
        unchanged.refuses(InvalidMemory, lambda s, bad=bad: s.add_text_memory("ann", bad))
    for bad in METADATA:
        unchanged.refuses(
            InvalidMemory, lambda s, bad=bad: s.add_text_memory("ann", "new", metadata=bad)
        )
        unchanged.refuses(
            InvalidMemory, lambda s, bad=bad: s.add_document("ann", "a.txt", b"new", metadata=bad)
        )
    for bad in SCOPES:
        for name in ("agent_id", "run_id"):
            unchanged.refuses(
                InvalidMemory,
                lambda s, bad=bad, name=name: s.add_text_memory("a", "b", **{name: bad}),
            )


def test_messages_are_checked_before_the_first_is_written(unchanged: Unchanged) -> None:
    for bad in MESSAGES:
        unchanged.refuses(InvalidMemory, lambda s, bad=bad: s.add_messages("ann", bad, infer=False))


def test_documents_are_checked_before_their_first_part_is_written(unchanged: Unchanged) -> None:
    for name, content in DOCUMENTS:
        unchanged.refuses(
            InvalidMemory,
            lambda s, name=name, content=content: s.add_document("ann", name, content),
        )


def test_questions_are_checked(unchanged: Unchanged) -> None:
    for bad in TEXTS:
        unchanged.refuses(InvalidMemory, lambda s, bad=bad: s.query_memories("ann", bad))
    for limit in (0, -1, 2.5, "3"):
        unchanged.refuses(
            InvalidMemory, lambda s, limit=limit: s.query_memories("ann", "tea", limit=limit)
        )
    for mode in ("exactly", "", None):
        unchanged.refuses(InvalidMemory, lambda s, mode=mode: s.search("ann", "tea", mode=mode))


def test_memory_ids_that_are_none_are_not_found(unchanged: Unchanged) -> None:
    for bad in ("", "*", "../../etc", "x" * 300, "\x1b[31m", "%", "357a4830"):
        for call in (
            lambda s, one: s.get_memory("ann", one),
            lambda s, one: s.update_memory("ann", one, "new"),
            lambda s, one: s.delete_memory("ann", one),
        ):
            unchanged.refuses(MemoryNotFound, lambda s, call=call, bad=bad: call(s, bad))


def test_a_bad_update_leaves_the_memory_as_it_was(bench: Bench) -> None:
    (first,) = bench.service.add_text_memory("ann", "likes tea", metadata={"k": "x"})
    unchanged = Unchanged(bench)
    for text in TEXTS:
        unchanged.refuses(
            InvalidMemory, lambda s, text=text: s.update_memory("ann", first.id, text)
        )
    for metadata in METADATA:
        unchanged.refuses(
            InvalidMemory,
            lambda s, bad=metadata: s.update_memory("ann", first.id, "new", metadata=bad),
        )
    assert bench.service.get_memory("ann", first.id) == first


def test_updates_cannot_add_up_to_more_metadata_than_one_save_may_have(bench: Bench) -> None:
    half = {f"a{n}": n for n in range(20)}
    (first,) = bench.service.add_text_memory("ann", "likes tea", metadata=half)
    unchanged = Unchanged(bench)
    more: dict[str, Any] = {f"b{n}": n for n in range(20)}
    unchanged.refuses(
        InvalidMemory, lambda s: s.update_memory("ann", first.id, "new", metadata=more)
    )
    wide = {"wide": "x" * 900}
    assert payload_size(half | wide) > MAX_METADATA_BYTES
    unchanged.refuses(
        InvalidMemory, lambda s: s.update_memory("ann", first.id, "new", metadata=wide)
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
    Unchanged(bench).refuses(InvalidMemory, lambda s: s.add_document(user, "all.jsonl", content))
