"""The log analyser in a child process: the same report, and no harm to this one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from memory_core.doctor.logs import analyze_log
from memory_core.doctor.read_log import read_log
from memory_core.errors import InvalidLog
from memory_core.model import child_process
from tests.support.child_tasks import measured
from tests.support.log_texts import CHROMA, S3, added

MB = 1024**2
CASES = Path(__file__).parent / "logs" / "cases"


class Stopped(Exception):
    """What a job raises when it is cancelled."""


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("name", ["render.log", "gcp.json", "docker_json.log"])
def test_a_child_gives_the_report_that_is_made_here(name: str) -> None:
    content = (CASES / name).read_bytes()
    with measured() as peaks:
        report = read_log(content)
    assert report == analyze_log(content) == read_log(content, isolate=False)
    assert len(peaks.children) == 1


def test_secrets_of_this_process_are_masked_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-word-of-any-book")
    report = read_log(b"2026-11-20T10:00:00Z ERROR the key not-a-word-of-any-book was refused\n")
    assert "not-a-word" not in repr(report)
    assert "the key …book was refused" in report.errors[0].example


def test_progress_is_in_bytes_and_ends_at_all_of_them() -> None:
    content = f"{S3}\n{added('ann@x.com')}\n{CHROMA}\n".encode() * 200
    told: list[tuple[int, int]] = []
    read_log(io.BytesIO(content), on_progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (len(content), len(content))


def test_what_cannot_go_back_is_read_here() -> None:
    with measured() as peaks:
        assert read_log(Pipe(S3.encode())).lines == 1
    assert peaks.children == {}


def test_a_reading_that_is_cancelled_ends() -> None:
    def stop(_done: int, _total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        read_log(b"x\n" * 2 * MB, on_progress=stop)


def test_a_log_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "MAX_SECONDS", 1)
    with measured() as peaks, pytest.raises(InvalidLog) as caught:
        read_log(b"ERROR x 5 broke\n" * (9 * MB // 16))
    assert str(caught.value) == "it takes more than 1 second to read; choose a part of the log"
    assert peaks.grown < 20 * MB


def test_a_log_of_lists_takes_memory_of_the_child() -> None:
    with measured() as peaks:
        assert read_log(b"[" + b"[]," * 200_000 + b"[]]\n").lines == 1
    assert max(peaks.children.values()) < 200 * MB
    assert peaks.grown < 20 * MB
