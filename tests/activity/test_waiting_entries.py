"""What programs save is noted without a request of its own, and is written all the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from memory_core import MemoryService, Settings, open_service
from memory_core.activity import ActivityLog, Actor, current_actor, log, open_log
from memory_core.errors import BackendUnavailable
from memory_core.render.activity_log import entry_sentence
from memory_core.storage.objects import LocalObjects
from tests.support.paths import ROOT
from tests.support.s3_bench import Bench, open_bench
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


@pytest.fixture
def settings_on_s3(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Settings]:
    """Return the settings of an installation on S3, under a prefix of its own."""
    for name, value in {**bench.environ, "MEMORY_PREFIX": f"{uuid4().hex}/"}.items():
        monkeypatch.setenv(name, value)
    return Settings.from_env


def sentences(activity: ActivityLog) -> list[str]:
    return [entry_sentence(entry) for entry in activity.page().entries]


def test_saves_of_a_program_cost_no_request_until_they_are_written_together(
    bench: Bench, settings_on_s3: Callable[[], Settings]
) -> None:
    with open_service(settings_on_s3()) as service:
        objects = service.parts.backend.objects
        for number in range(5):
            service.add_text_memory("ann", f"number {number}")
        assert [*objects.list("activity/v1/")] == []
        bench.standin.reset_requests()
        service.activity.flush()
        # The end of the chain, the marks of Ann, whether she was forgotten, a mark, the entries.
        assert bench.asked() == 5
        service.add_text_memory("ann", "another")
        bench.standin.reset_requests()
        service.activity.flush()
        assert bench.asked() == 1
    assert len([*objects.list("activity/v1/log/")]) == 2


def test_they_are_written_in_the_background_before_long(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "BATCH_S", 0.05)
    service.add_text_memory("ann", "likes rye")
    assert wait_for("entries that were written", lambda: service.activity.written)


def test_many_that_wait_are_written_sooner(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_AT_ONCE", 3)
    for number in range(3):
        service.add_text_memory("ann", f"number {number}")
    assert wait_for("entries that were written", lambda: service.activity.written)


def test_closing_writes_them_and_so_does_a_script_that_just_ends(
    data_dir: Path, reopen: Callable[[], MemoryService]
) -> None:
    reopen().add_text_memory("ann", "likes rye")
    assert sentences(reopen().activity) == ["library saved for ann: 1 memory"]
    script = """
from memory_core import open_service
service = open_service()
service.add_text_memory("bob", "likes oats")
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    assert sentences(reopen().activity)[0] == "library saved for bob: 1 memory"


def test_a_user_whom_another_process_forgot_meanwhile_is_not_named_again(
    data_dir: Path, service: MemoryService
) -> None:
    other = open_log(LocalObjects(data_dir), service.settings)
    service.add_text_memory("ann", "likes rye")
    other.note(current_actor(), "save", user_id="ann", waits=True)
    service.forget_user("ann")
    other.close()
    assert [*LocalObjects(data_dir).list("activity/v1/users/")] == []
    assert all("ann" not in sentence for sentence in sentences(service.activity))
    assert sentences(service.activity)[0].startswith("library saved for a forgotten user (")


def test_a_program_forgets_nobody_where_that_cannot_be_put_on_record(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise BackendUnavailable("the disk is full", backend="local", operation="put")

    service.add_text_memory("ann", "likes rye")
    with monkeypatch.context() as full:
        full.setattr(service.activity._chain, "append", refuse)
        with pytest.raises(BackendUnavailable):
            service.forget_user("ann")
        # What a program does all day is done all the same.
        assert service.add_text_memory("ann", "likes oats")
        assert len(service.list_memories("ann")) == 2
    assert len(sentences(service.activity)) == 2


def test_memories_that_come_along_by_themselves_are_noted_once(
    service: MemoryService, settings_on_s3: Callable[[], Settings]
) -> None:
    service.add_text_memory("ann", "likes rye")
    service.close()
    for _ in range(2):
        with open_service(settings_on_s3()) as service:
            assert service._background
            assert service._background.wait(30)
            assert service.migration_status().state == "done"
            (entry,) = service.activity.page().entries
    assert entry_sentence(entry) == "migration migrated memories from another place: 1 memory"
    assert entry.actor == Actor("migration", "system", via="the background")
