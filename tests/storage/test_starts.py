"""A small object for each start of the service: where it ran, and on which disk."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory_core import ServiceStart, Settings, open_service
from memory_core.storage import starts
from memory_core.storage.objects import LocalObjects
from tests.support.s3_bench import open_bench

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
START = ServiceStart(NOON, "chroma", "the disk is the machine's own", "c0ffee", "srv-1", "fe00-1")


@pytest.fixture
def environ(data_dir: Path) -> dict[str, str]:
    return {
        "MEMORY_DATA_DIR": str(data_dir),
        "RENDER_GIT_COMMIT": "c0ffee",
        "RENDER_INSTANCE_ID": "srv-1",
    }


def test_a_process_leaves_one_start_for_each_place(environ: dict[str, str]) -> None:
    settings = Settings.from_env(environ)
    with open_service(settings, migrate=False) as service:
        assert service.starts() == [], "a look into the store is no start"
    for _ in range(2):
        with open_service(settings) as service:
            (start,) = service.starts()
    assert replace(start, at=NOON, disk="") == replace(
        START, reason=service.status().reason, disk=""
    )
    assert start.disk


def test_another_disk_is_told_from_the_first(tmp_path: Path) -> None:
    disks = set()
    for name in ("old", "new"):
        with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(tmp_path / name)})) as service:
            disks.add(service.starts()[0].disk)
    assert len(disks) == 2


def test_the_newest_starts_are_kept_oldest_first_without_unreadable_ones(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "_KEPT", 3)
    objects = LocalObjects(data_dir)
    all_starts = [replace(START, at=NOON + timedelta(hours=hours)) for hours in (3, 1, 4, 2)]
    for start in all_starts:
        starts.keep_start(objects, start)
    objects.put_if_absent("starts/v1/0.json", b"half an obj")
    assert [start.at.hour for start in starts.read_starts(objects)] == [14, 15, 16]


def test_a_place_that_cannot_be_written_does_not_fail_a_start(
    environ: dict[str, str], data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir.mkdir()
    data_dir.joinpath("starts").write_text("in the way")
    with (
        caplog.at_level(logging.INFO, "memory_core"),
        open_service(Settings.from_env(environ)) as service,
    ):
        assert service.add_text_memory("ann", "likes tea")
    assert "this start of the service is not recorded: could not write" in caplog.text


def test_on_s3_a_start_takes_two_requests() -> None:
    with open_bench() as bench:
        bench.standin.reset_requests()
        open_service(bench.settings, migrate=False).close()
        before = bench.standin.request_counts()
        bench.standin.reset_requests()
        open_service(bench.settings).close()
        after = bench.standin.request_counts()
        assert after["s3:PutObject"] == 1
        assert sum(after.values()) <= sum(before.values()) + 2
