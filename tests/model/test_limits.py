"""What can be stored: every limit at its edge, and proof that the store takes what passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_core import InvalidMemory
from memory_core.model import limits as lim
from memory_core.storage.vectors import Vector, VectorStore
from memory_core.storage.vectors.chroma import open_chroma


def refused(call: Any, *args: Any) -> str:
    with pytest.raises(InvalidMemory) as caught:
        call(*args)
    assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    assert "\n" not in message
    message.encode()
    return message


@pytest.mark.parametrize("text", ["x" * 32_767, "x" * 32_768, "é" * 16_384, "😀" * 8_192, " a "])
def test_a_memory_of_up_to_32_kilobytes_is_taken_unchanged(text: str) -> None:
    assert lim.check_text(text) is text


@pytest.mark.parametrize("text", ["x" * 32_769, "é" * 16_384 + "x", "😀" * 8_192 + "x"])
def test_one_byte_more_is_refused_with_size_and_limit(text: str) -> None:
    message = refused(lim.check_text, text)
    assert "32,769" in message
    assert "32,768" in message


@pytest.mark.parametrize("text", ["", " ", "\n\t\u2003"])
def test_a_blank_text_is_refused(text: str) -> None:
    assert "memory is empty" in refused(lim.check_text, text)
    assert "question is empty" in refused(lim.check_text, text, "question")


@pytest.mark.parametrize("text", [None, 7, b"bytes", ["a"]])
def test_what_is_not_text_is_refused_by_its_type(text: object) -> None:
    assert type(text).__name__ in refused(lim.check_text, text)


def test_a_broken_character_is_refused_by_its_position() -> None:
    assert "position 3" in refused(lim.check_text, "abc\ud800")


def test_only_a_memory_is_advised_to_become_a_document() -> None:
    assert "document" in refused(lim.check_text, "x" * 40_000)
    question = refused(lim.check_text, "x" * 40_000, "question", lim.MAX_QUERY_BYTES)
    assert "document" not in question
    assert "document" not in refused(lim.check_metadata, {"k" * 64: 1})


@pytest.mark.parametrize(
    ("scope", "expected"), [(None, None), (" run-1 ", "run-1"), ("x" * 254, "x" * 254)]
)
def test_a_scope_is_taken_without_outer_whitespace(scope: object, expected: object) -> None:
    assert lim.check_scope(scope, "run_id") == expected


@pytest.mark.parametrize("scope", ["x" * 255, "é" * 128, "a b", "a\u2003b", "", " ", 7, b"x"])
def test_a_scope_that_cannot_be_one_is_refused_by_name(scope: object) -> None:
    assert "agent_id" in refused(lim.check_scope, scope, "agent_id")


def test_thirty_keys_are_taken_and_one_more_is_refused() -> None:
    most = {f"k{number}": True for number in range(30)}
    assert lim.check_metadata(most) == most
    message = refused(lim.check_metadata, {**most, "more": True})
    assert "31 keys" in message
    assert "30" in message


def test_a_key_of_63_bytes_is_taken_and_one_more_is_refused_by_name() -> None:
    assert lim.check_metadata({"é" * 31 + "x": 1}) == {"é" * 31 + "x": 1}
    message = refused(lim.check_metadata, {"é" * 31 + "xx": 1})
    assert "63" in message
    assert "éxx" in message


@pytest.mark.parametrize("key", ["", " ", 7, None, ("a",), "\ud800"])
def test_a_key_that_is_no_name_is_refused(key: object) -> None:
    assert "metadata key" in refused(lim.check_metadata, {key: "v"})


@pytest.mark.parametrize("key", [*sorted(lim.RESERVED_KEYS), "#tag", "$and", "chroma:document"])
def test_a_reserved_key_is_refused_by_name(key: str) -> None:
    assert repr(key) in refused(lim.check_metadata, {key: "v"})


@pytest.mark.parametrize("missing", [None, {}])
def test_no_metadata_is_an_empty_dict(missing: object) -> None:
    assert lim.check_metadata(missing) == {}


@pytest.mark.parametrize("metadata", ["text", 7, [("a", 1)]])
def test_metadata_is_a_mapping(metadata: object) -> None:
    assert type(metadata).__name__ in refused(lim.check_metadata, metadata)


@pytest.mark.parametrize(
    "value",
    ["", "é", 0, -7, 2**53, -(2**53), 0.5, True, False, ["a", ""], ["a"], [1, 1], [0.5], (1, 2)],
)
def test_a_value_of_these_kinds_is_taken(value: Any) -> None:
    (taken,) = lim.check_metadata({"k": value}).values()
    assert taken == (list(value) if isinstance(value, tuple) else value)
    assert type(taken) is (list if isinstance(value, tuple) else type(value))


def test_whole_and_broken_numbers_in_one_list_become_broken_ones() -> None:
    assert [type(one) for one in lim.check_metadata({"k": [1, 0.5]})["k"]] == [float, float]


@pytest.mark.parametrize(
    "value",
    [
        None, {}, {"a": 1}, [], (), [[1]], ["a", 1], [True], [None], [True, 1], object(), b"x",
        math.nan, math.inf, -math.inf, 2**53 + 1, [math.nan], [1, 2**60], [10**400], [10**5000],
        "\ud800", ["\ud800"], {1}, 1j,
    ],
)  # fmt: skip
def test_any_other_value_is_refused_by_its_key(value: object) -> None:
    assert "'topic'" in refused(lim.check_metadata, {"ok": 1, "topic": value})


def test_the_copy_does_not_follow_the_original() -> None:
    tags = ["a"]
    taken = lim.check_metadata({"tags": tags})
    tags.append("b")
    assert taken == {"tags": ["a"]}


def test_metadata_takes_1024_bytes_and_not_one_more() -> None:
    assert lim.check_metadata({"k": "x" * (1024 - 13)})
    message = refused(lim.check_metadata, {"small": 1, "k": "x" * 1024})
    assert "limit is 1,024" in message
    assert "'k'" in message


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        ({}, 4),
        ({"k": "x" * 2_035}, 2_048),
        ({"bulk": "x" * 40_944}, 40_960),
        ({"k": "é"}, 15),
        ({"é": ""}, 14),
        ({"k": 7}, 17),
        ({"k": 0.5}, 17),
        ({"k": True}, 13),
        ({"k": ["ab", "c"]}, 24),
        ({"k": [1, 2]}, 29),
        ({"a": "b", "c": False}, 4 + 10 + 9),
    ],
)
def test_a_payload_has_the_size_that_the_service_measures(
    payload: dict[str, Any], size: int
) -> None:
    assert lim.payload_size(payload) == size


def test_what_is_filtered_by_may_take_2048_bytes_and_not_one_more() -> None:
    long = dict.fromkeys(lim.NON_FILTERABLE_KEYS, "x" * 30_000)
    lim.check_payload({**long, "k": "x" * 2_035})
    assert "2,049" in refused(lim.check_payload, {**long, "k": "x" * 2_036})


def test_the_largest_ids_and_metadata_fit_together() -> None:
    metadata = lim.check_metadata({"k": "x" * (1024 - 13)})
    ids = {"user_id": "x" * 254, "agent_id": "x" * 254, "run_id": "x" * 254, "role": "assistant"}
    lim.check_payload({**metadata, **ids})


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorStore]:
    path: Path = tmp_path_factory.mktemp("limits") / "chroma"
    store = open_chroma(path, "limits", 4, create=True)
    yield store
    store.close()


def read_back(chroma: VectorStore, metadata: dict[str, Any]) -> dict[str, Any]:
    payload = {**metadata, "data": "text", "user_id": "alice"}
    chroma.put([Vector("one", payload, np.eye(4, dtype=np.float32)[0])])
    back = dict(chroma.get(["one"])["one"].payload)
    assert (back.pop("data"), back.pop("user_id")) == ("text", "alice")
    return back


@pytest.mark.parametrize("number", [0.9452706955539223, 1803221967.7544103, 5e-324, -0.1])
def test_a_number_keeps_its_last_digit(chroma: VectorStore, number: float) -> None:
    metadata = lim.check_metadata({"one": number, "list": [number, number]})
    assert read_back(chroma, metadata) == metadata


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = (
    WORDS
    | st.booleans()
    | NUMBERS
    | st.lists(WORDS, max_size=4)
    | st.lists(NUMBERS, max_size=4)
    | st.tuples(NUMBERS, NUMBERS)
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_passes_is_stored_and_read_back_unchanged(
    chroma: VectorStore, metadata: dict[str, Any]
) -> None:
    try:
        taken = lim.check_metadata(metadata)
    except InvalidMemory:
        return
    back = read_back(chroma, taken)
    assert back == taken
    assert {key: type(back[key]) for key in back} == {key: type(taken[key]) for key in taken}
