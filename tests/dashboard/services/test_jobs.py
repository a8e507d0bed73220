"""Long work goes on without a page, is bounded, and always ends in something to show."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.services import jobs
from dashboard.services.jobs import Jobs, Progress, TooBusy
from memory_core import MemoryService
from memory_core.errors import InvalidMemory
from memory_core.redeploy_test import StepDone
from tests.support.child_tasks import measured
from tests.support.document_files import spaces
from tests.support.waiting import wait_for

TIMEOUT_S = 60


def _wait_for(board: Jobs, job_id: str, done: Callable[[jobs.Job], bool]) -> jobs.Job:
    def reached() -> jobs.Job:
        job = board.get(job_id)
        if job is None or not done(job):
            raise AssertionError(str(job))
        return job

    return wait_for("a job to get there", reached)


def _finish(board: Jobs, job_id: str) -> jobs.Job:
    return _wait_for(board, job_id, lambda job: job.finished)


def test_a_job_gives_its_result() -> None:
    board = Jobs()
    job = _finish(board, board.submit(lambda _: 42, subject="a.txt", fingerprint="a"))
    assert (job.state, job.result, job.subject) == ("done", 42, "a.txt")


def test_progress_can_be_watched_while_the_job_runs() -> None:
    board, go_on = Jobs(), threading.Event()

    def work(progress: Progress) -> str:
        progress(3, 10)
        go_on.wait(TIMEOUT_S)
        return "done"

    job_id = board.submit(work, subject="a.txt", fingerprint="a")
    job = _wait_for(board, job_id, lambda job: job.total == 10)
    assert (job.state, job.done) == ("running", 3)
    go_on.set()
    assert _finish(board, job_id).result == "done"


def test_a_step_that_ended_takes_the_place_of_the_one_that_began() -> None:
    def work(progress: Progress) -> None:
        progress.step(StepDone("Write", "12 memories"))
        progress.step(StepDone("Deploy"))
        progress.step(StepDone("Write", "12 memories", 7))

    board = Jobs()
    job = _finish(board, board.submit(work, subject="a", fingerprint="a"))
    assert job.steps == (StepDone("Write", "12 memories", 7), StepDone("Deploy"))
    assert board.latest("a") == job
    assert board.latest("b") is None


def test_work_that_is_cancelled_ends_where_it_next_tells_how_far_it_is() -> None:
    board, begun, go_on = Jobs(), threading.Event(), threading.Event()
    reached: list[int] = []

    def work(progress: Progress) -> str:
        for number in range(3):
            progress(number, 3)
            reached.append(number)
            begun.set()
            go_on.wait(TIMEOUT_S)
        return "done"

    job_id = board.submit(work, subject="a", fingerprint="a")
    assert begun.wait(TIMEOUT_S)
    board.cancel(job_id)
    go_on.set()
    job = _finish(board, job_id)
    assert (job.state, job.result, reached) == ("cancelled", None, [0])
    assert board.latest("a") == job
    assert board.latest("a", "done") is None
    board.cancel(job_id)
    board.cancel("guessed")


def test_work_that_was_cancelled_while_it_waited_never_begins() -> None:
    board, go_on = Jobs(), threading.Event()
    for number in range(jobs.WORKERS):
        board.submit(lambda _: go_on.wait(TIMEOUT_S), subject="a", fingerprint=f"r{number}")
    begun: list[bool] = []
    job_id = board.submit(lambda _: begun.append(True), subject="a", fingerprint="waits")
    board.cancel(job_id)
    go_on.set()
    assert _finish(board, job_id).state == "cancelled"
    assert begun == []


def test_an_error_of_holdfast_is_kept_as_its_sentence() -> None:
    def work(_: Progress) -> None:
        raise InvalidMemory("the file is empty; check it")

    board = Jobs()
    job = _finish(board, board.submit(work, subject="a.txt", fingerprint="a"))
    assert job.trouble is not None
    assert (job.trouble.kind, job.trouble.sentence) == (
        "InvalidMemory",
        "the file is empty; check it",
    )


def test_an_unexpected_error_is_a_reference_that_the_log_has_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def work(_: Progress) -> None:
        raise RuntimeError("secret detail")

    board = Jobs()
    job = _finish(board, board.submit(work, subject="a.txt", fingerprint="a"))
    assert job.trouble is not None
    assert "secret" not in job.trouble.sentence
    reference = job.trouble.sentence.removesuffix(".").split()[-1]
    assert reference in caplog.text
    assert "secret detail" in caplog.text


def test_the_same_work_is_not_taken_twice_while_it_runs() -> None:
    board, go_on = Jobs(), threading.Event()
    first = board.submit(lambda _: go_on.wait(TIMEOUT_S), subject="a", fingerprint="same")
    assert board.submit(lambda _: None, subject="a", fingerprint="same") == first
    go_on.set()
    _finish(board, first)
    assert board.submit(lambda _: None, subject="a", fingerprint="same") != first


def test_a_full_queue_is_refused_with_a_sentence() -> None:
    board, go_on = Jobs(), threading.Event()
    running = [
        board.submit(lambda _: go_on.wait(TIMEOUT_S), subject="a", fingerprint=f"r{number}")
        for number in range(jobs.WORKERS)
    ]
    for job_id in running:
        _wait_for(board, job_id, lambda job: job.state == "running")
    for number in range(jobs.MAX_WAITING):
        board.submit(lambda _: None, subject="a", fingerprint=f"w{number}")
    with pytest.raises(TooBusy, match="try again when some of them are done"):
        board.submit(lambda _: None, subject="a", fingerprint="one too many")
    go_on.set()


def test_old_finished_jobs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_KEPT", 2)
    board = Jobs()
    ids = []
    for number in range(4):
        ids.append(board.submit(lambda _: None, subject="a", fingerprint=str(number)))
        _finish(board, ids[-1])
    assert [board.get(job_id) is not None for job_id in ids] == [False, False, True, True]


def test_an_unknown_id_is_no_job() -> None:
    assert Jobs().get("guessed") is None


def test_a_cancelled_upload_ends_the_child_that_reads_it(service: MemoryService) -> None:
    board, content = Jobs(), spaces(2_000)

    def work(progress: Progress) -> object:
        return service.add_document("ann", "spaces.pdf", content, on_progress=progress)

    with measured() as peaks:
        job_id = board.submit(work, subject="spaces.pdf", fingerprint="a")
        wait_for("the child", lambda: peaks.children)
        board.cancel(job_id)
        assert _finish(board, job_id).state == "cancelled"
        (child,) = peaks.children
    assert not Path(f"/proc/{child}").exists()
    assert service.list_memories("ann") == []
