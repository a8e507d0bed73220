from __future__ import annotations

from typing import Any

import pytest

from standin import StandIn
from standin.metadata import size_of
from tests.support.standin_requests import Desk, invalid, refusal, vector

VALUES = "Metadata values must be strings, numbers, booleans, or arrays"
ELEMENTS = "Metadata array values must be strings or numbers"
FILTERABLE = "Filterable metadata must have at most 2048 bytes"
TOTAL = "Metadata object must have at most 40960 bytes"


@pytest.fixture
def roomy(standin: StandIn, unchecked_client: Any, name: str) -> Desk:
    configuration = {"nonFilterableMetadataKeys": ["bulk"]}
    return Desk.opened(unchecked_client, name, metadataConfiguration=configuration)


def put(desk: Desk, metadata: Any) -> dict[str, Any]:
    return desk.put_vectors(vectors=[vector("k") | {"metadata": metadata}])


def assert_refused(desk: Desk, metadata: Any, reason: str) -> None:
    found = refusal(put, desk=desk, metadata=metadata)
    message = f"Invalid record for key 'k': {reason}"
    assert found == invalid(message, ("vectors[0].metadata", reason))


def test_allowed_types_come_back_unchanged(desk: Desk) -> None:
    metadata = {
        "string": "", "true": True, "false": False, "zero": 0, "negative": -1.5,
        "strings": ["a", "a"], "numbers": [1, 2.5], "": "empty name", "$dollar": 1, "a.b": 2,
        "n" * 1024: 1,
    }  # fmt: skip
    put(desk, metadata)
    (found,) = desk.get_vectors(keys=["k"], returnMetadata=True)["vectors"]
    assert found["metadata"] == metadata


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, VALUES),
        ({"a": 1}, VALUES),
        ({}, VALUES),
        ([], "Empty arrays are not allowed in metadata"),
        (["a", 1], ELEMENTS),
        ([True], ELEMENTS),
        ([True, 1], ELEMENTS),
        ([None], ELEMENTS),
        ([{}], ELEMENTS),
        ([["a"]], ELEMENTS),
    ],
)
@pytest.mark.parametrize("key", ["filterable", "bulk"])
def test_other_types_are_refused_whether_filterable_or_not(
    roomy: Desk, key: str, value: Any, reason: str
) -> None:
    assert_refused(roomy, {key: value}, reason)


def test_fifty_keys_pass_and_fifty_one_do_not(desk: Desk) -> None:
    put(desk, {f"k{i}": 1 for i in range(50)})
    too_many = {f"k{i}": 1 for i in range(51)}
    assert_refused(desk, too_many, "Metadata object must have at most 50 keys")


@pytest.mark.parametrize(
    ("metadata", "size"),
    [
        ({}, 4),
        ({"a": "xyz"}, 16),
        ({"é": "é"}, 16),
        ({"a": 1}, 17),
        ({"a": 123456789.5}, 17),
        ({"a": True, "b": False}, 22),
        ({"a": ["x", "yz"]}, 24),
        ({"a": [1, 2, 3]}, 37),
        ({"a": "x", "bc": 1}, 4 + 10 + 14),
        ({"": ""}, 12),
        ({"a": '"\n'}, 15),
    ],
)
def test_size_is_counted_as_aws_counts(metadata: dict[str, Any], size: int) -> None:
    assert size_of(metadata) == size


@pytest.mark.parametrize(
    "filler",
    [
        lambda room: {"a": "x" * room},
        lambda room: {"a": "é" * (room // 2) + "x" * (room % 2)},
        lambda room: {"a": "\n" * room},
    ],
)
def test_filterable_metadata_fits_2048_bytes_exactly(roomy: Desk, filler: Any) -> None:
    put(roomy, filler(2035))
    put(roomy, filler(2035) | {"bulk": "x" * 10_000})
    assert_refused(roomy, filler(2036), FILTERABLE)


def test_all_metadata_fits_40960_bytes_exactly(roomy: Desk) -> None:
    put(roomy, {"bulk": "x" * 40_944})
    assert_refused(roomy, {"bulk": "x" * 40_945}, TOTAL)
    assert_refused(roomy, {"bulk": "x" * 40_944, "a": True}, TOTAL)


def test_only_declared_keys_escape_the_filterable_limit(desk: Desk) -> None:
    assert_refused(desk, {"bulk": "x" * 3000}, FILTERABLE)


def test_metadata_is_an_object(desk: Desk) -> None:
    assert refusal(put, desk=desk, metadata=[1]).code == "ValidationException"
