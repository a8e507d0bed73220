"""Damage done by hand is found exactly, and repaired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from memory_core import InvalidMemory, MemoryService
from memory_core.cli import cli
from memory_core.embedders import Embedder
from memory_core.model.records import Kind
from tests.support.damage import (
    ANN,
    BOB,
    DAMAGES,
    Found,
    change_text,
    die_before_forgetting,
    fill,
    found_in,
    lose,
    put_stray,
    stored,
)
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore


def test_what_was_saved_updated_and_deleted_is_as_recorded(service: MemoryService) -> None:
    assert service.audit().clean
    ids = fill(service)
    service.delete_memory(ANN, ids["tea"])
    service.add_text_memory(ANN, "tea")
    service.forget_user(BOB)
    report = service.audit()
    assert found_in(report) == {}
    assert (report.clean, report.repaired, report.checked, report.users) == (True, 0, 2, 1)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_exactly_and_repaired(
    service: MemoryService, data_dir: Path, damage: Callable[..., Found]
) -> None:
    ids = fill(service)
    expected = damage(service, ids)
    recorded = sorted((data_dir / "ledger").rglob("*.json*"))
    report = service.audit()
    assert found_in(report) == expected
    assert not report.clean
    assert report.repaired == 0
    assert sorted((data_dir / "ledger").rglob("*.json*")) == recorded
    assert service.audit() == report  # Looking changed nothing.

    repaired = service.audit(repair=True)
    assert found_in(repaired) == expected
    assert repaired.clean
    assert repaired.repaired == sum(map(len, expected.values()))
    after = service.audit()
    assert found_in(after) == {}
    assert after.checked == report.checked
    for user in (ANN, BOB):
        for memory in service.list_memories(user):
            assert memory.indexed
            assert stored(service, memory.id).payload["user_id"] == user


def test_a_repaired_memory_is_found_by_the_index(service: MemoryService) -> None:
    ids = fill(service)
    lose(service, ids)
    change_text(service, {"tea": ids["oak"]})
    service.query_memories(ANN, "tea")  # Fills the cache with what is there now.
    service.audit(repair=True)
    for mode in ("exact", "index"):
        hits = service.query_memories(ANN, "oak and ash", mode=mode)  # type: ignore[arg-type]
        assert [hit.memory.memory for hit in hits] == ["oak and ash", "tea"]


def test_nothing_of_the_forgotten_is_left_after_a_repair(
    service: MemoryService, data_dir: Path
) -> None:
    service.add_text_memory(ANN, "zebrafish")
    service.add_text_memory(BOB, "elm")
    die_before_forgetting(service, {"tea": "", "oak": ""})
    service.audit(repair=True)
    service.close()
    files = [*(data_dir / "ledger").rglob("*.json*"), data_dir / "chroma" / "chroma.sqlite3"]
    assert not [path for path in files if b"zebrafish" in path.read_bytes()]
    assert [event.kind for event in service.history(ANN)] == [Kind.FORGET]
    assert [one.memory for one in service.list_memories(BOB)] == ["elm"]


# What was never recorded


def test_the_unexpected_is_kept_unless_told_otherwise(service: MemoryService) -> None:
    fill(service)
    put_stray(service, "stray", user_id=ANN, data="rye")
    for repair in (False, True):
        report = service.audit(repair=repair)
        assert found_in(report) == {"unexpected": {"stray"}}
        assert (report.clean, report.repaired) == (False, 0)
    assert report.unexpected[0].user_id == ANN
    assert report.unexpected[0].memory == "rye"
    assert "stray" in service.parts.store.get(["stray"])


def test_the_unexpected_is_removed_when_told(service: MemoryService) -> None:
    fill(service)
    put_stray(service, "stray", user_id=ANN, data="rye")
    put_stray(service, "nobody's", data="rye")
    report = service.audit(repair=True, unexpected="remove")
    assert (report.clean, report.repaired) == (True, 2)
    assert service.parts.store.get(["stray", "nobody's"]) == {}
    assert service.audit().checked == 4
    assert service.history(ANN, "stray") == []


def test_the_unexpected_is_adopted_for_the_user_it_names(service: MemoryService) -> None:
    fill(service)
    put_stray(service, "one", user_id=" Ann@Example.COM", data="rye", topic="grain", revision="0")
    put_stray(
        service, "two", user_id="new@example.com", data="barley",
        created_at="2025-01-02T03:04:05+00:00", updated_at="never",
    )  # fmt: skip
    report = service.audit(repair=True, unexpected="adopt")
    assert found_in(report) == {"unexpected": {"one", "two"}}
    assert report.clean
    assert service.audit().clean
    memory = service.get_memory(ANN, "one")
    assert (memory.memory, memory.metadata, memory.indexed) == ("rye", {"topic": "grain"}, True)
    assert [event.raw_user_id for event in service.history(ANN, "one")] == [" Ann@Example.COM"]
    (other,) = service.list_memories("new@example.com")
    assert (other.id, other.created_at.year) == ("two", 2025)
    assert service.query_memories(ANN, "rye")[0].memory.id == "one"
    assert "rye" not in [one.memory for one in service.list_memories(BOB)]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"data": "rye"}, "names no user"),
        ({"user_id": "\u200b", "data": "rye"}, "names no user"),
        ({"user_id": ANN}, "not text"),
        ({"user_id": ANN, "data": "x" * 40_000}, "40,000 bytes"),
        ({"user_id": ANN, "data": "rye", "topic": "x" * 2_000}, "metadata"),
        ({"user_id": ANN, "data": "rye", "run_id": 7}, "run_id"),
        ({"user_id": ANN, "data": "tea"}, "another memory with this text"),
    ],
)
def test_what_cannot_be_adopted_stays_and_says_why(
    data_dir: Path, embedder: Embedder, payload: dict[str, Any], why: str
) -> None:
    service = build_service(data_dir, embedder, InMemoryStore(256))
    fill(service)
    put_stray(service, "stray", **payload)
    put_stray(service, "good", user_id=BOB, data="rye")
    report = service.audit(repair=True, unexpected="adopt")
    assert {item.id: item.repaired for item in report.unexpected} == {"good": True, "stray": False}
    assert why in report.unexpected[report.unexpected[0].id == "good"].detail
    assert found_in(service.audit()) == {"unexpected": {"stray"}}


def test_what_was_saved_again_with_the_id_of_anothers_deleted_memory_is_left_alone(
    service: MemoryService,
) -> None:
    ids = fill(service)
    service.delete_memory(ANN, ids["tea"])
    put_stray(service, ids["tea"], user_id=BOB, data="rye")
    report = service.audit(repair=True, unexpected="adopt")
    assert found_in(report) == {"unexpected": {ids["tea"]}}
    assert report.unexpected[0].user_id == BOB
    assert not report.clean
    assert stored(service, ids["tea"]).payload["data"] == "rye"
    assert service.audit(repair=True, unexpected="remove").clean


def test_an_unknown_word_for_the_unexpected_is_refused(service: MemoryService) -> None:
    with pytest.raises(InvalidMemory, match="keep, adopt, remove"):
        service.audit(repair=True, unexpected="burn")  # type: ignore[arg-type]


# The command line


@pytest.fixture
def run(reopen: Callable[[], MemoryService]) -> Callable[..., tuple[int, str]]:
    def run_command(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, arguments)
        return done.exit_code, done.stdout

    return run_command


def test_the_command_says_in_one_sentence_what_is_wrong_and_what_to_do(
    service: MemoryService, run: Callable[..., tuple[int, str]]
) -> None:
    ids = fill(service)
    assert run("audit") == (0, "4 memories of 2 users are as recorded.\n")
    lose(service, ids)
    change_text(service, {"tea": ids["oak"]})
    put_stray(service, "stray", data="r\x1b[31mye", user_id=BOB)
    code, out = run("audit")
    assert code == 1
    assert out.splitlines()[0] == (
        "2 memories are recorded but not searchable, 1 memory is not as recorded, 1 memory is "
        "stored but never recorded; repair with `python -m memory_core audit --repair`."
    )
    assert f"missing     {ANN}  {ids['tea']}  not in the store: tea" in out
    assert "\x1b" not in out
    code, out = run("audit", "--repair")
    assert code == 1
    assert out.splitlines()[0] == (
        "Repaired 3 differences; 1 memory is stored but never recorded; record or delete them "
        "with `python -m memory_core audit --repair --unexpected adopt` or `remove`."
    )
    code, out = run("audit", "--repair", "--unexpected", "adopt")
    assert code == 0
    assert out.startswith("Repaired 1 difference; everything is as recorded now.\n")


def test_the_command_tells_nothing_without_a_repair_what_to_do_with_the_unexpected(
    run: Callable[..., tuple[int, str]],
) -> None:
    assert run("audit", "--unexpected", "remove")[0] == 2
    assert run("audit", "--repair", "--unexpected", "burn")[0] == 2
