"""Logs as hosts and programs write them, and what is none."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from memory_core.doctor.logs import Seen, Spot, analyze_log
from memory_core.errors import InvalidLog
from memory_core.memories.writer import LOG_ADDED
from memory_core.render.log_summary import summarize_log
from tests.support.log_texts import NOW, S3, added, found

AT = datetime(2026, 11, 22, 17, 17, 12, tzinfo=UTC)
LOCAL = datetime(2026, 11, 22, 21, 15, 4, tzinfo=UTC)
ADDED = added("ann@x.com")


def saved(log: str | bytes) -> Spot:
    """Return where the log says that a memory was added."""
    report = analyze_log(log.encode() if isinstance(log, str) else log, now=NOW)
    seen = report.known[LOG_ADDED]
    assert seen, report
    return seen.first


@pytest.mark.parametrize(
    ("line", "at", "instance"),
    [
        (f"Nov 22 09:15:04 PM  {ADDED}", LOCAL, ""),
        (f"Nov 22 09:15:04 PM [x7k2p]  {ADDED}", LOCAL, "x7k2p"),
        (f"<0>1 2026-11-22T17:17:12Z srv-abc1 - - - {ADDED}", AT, "srv-abc1"),
        (f"<14>1 2026-11-22T17:17:12.5Z srv-abc1 web 7 - - {ADDED}",
         AT + timedelta(milliseconds=500), "srv-abc1"),
        (f"2026-11-22T17:17:12.000000001Z [srv-a-x7k2p] {ADDED}", AT, "srv-a-x7k2p"),
        (f"2026-11-22T18:17:12+01:00 {ADDED}", AT, ""),
        (f"2026-11-22 17:17:12,000 - memory_core - INFO - {ADDED}", AT, ""),
        (f"[2026-11-22 17:17:12 +0000] [7] [INFO] {ADDED}", AT, ""),
        (f"2026-11-22 17:17:12.000 | INFO     | app.main:save:12 - {ADDED}", AT, ""),
        (f"INFO:memory_core:{ADDED}", None, ""),
        (f"{ADDED}", None, ""),
        (f"17:17:12 ✓ {ADDED}", None, ""),
        (f"Nov 22 17:17:12 host1 app[7]: {ADDED}", AT, "host1"),
        (f"1795367832 {ADDED}", AT, ""),
        (json.dumps({"timestamp": "2026-11-22T17:17:12Z", "level": "info", "message": ADDED}),
         AT, ""),
        (json.dumps({"ts": 1795367832000, "msg": ADDED, "instance_id": "i1"}), AT, "i1"),
        (json.dumps({"log": f"{ADDED}\n", "stream": "stderr", "time": "2026-11-22T17:17:12Z"}),
         AT, ""),
        (json.dumps({"timestamp": "2026-11-22T17:17:12Z", "message": ADDED,
                     "labels": [{"name": "instance", "value": "srv-a-1"}]}), AT, "srv-a-1"),
        (f"Nov 22 09:15:04 PM  2026-11-22T17:17:12Z INFO {ADDED}", AT, ""),
        (f"\x1b[32m2026-11-22T17:17:12Z\x1b[0m \x1b[1mINFO\x1b[0m {ADDED}\x1b[0m", AT, ""),
    ],
)  # fmt: skip
def test_time_and_instance_are_read_from_what_stands_in_front(
    line: str, at: datetime | None, instance: str
) -> None:
    assert saved(f"{line}\r\n") == Spot(1, at, instance)


def test_a_row_of_csv_with_the_time_at_its_end_keeps_the_id_apart() -> None:
    texts = (S3, ADDED, found(0, "ann@x.com"))
    log = "\n".join(f"info,{text},2026-11-22T17:17:12Z" for text in texts)
    report = analyze_log(log.encode(), now=NOW)
    assert [user.user_id for user in report.found_nothing] == ["ann@x.com"]
    assert report.first_at == AT


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("Nov 22 09:15:04 PM  ERROR:app:it broke", "error"),
        ("2026-11-22 17:17:12,000 - app - ERROR - it broke", "error"),
        ("[2026-11-22 17:17:12 +0000] [7] [CRITICAL] it broke", "error"),
        ("2026-11-22 17:17:12.000 | WARNING  | app:save:1 - it broke", "warning"),
        ('{"levelname": "WARN", "message": "it broke"}', "warning"),
        ('{"level": 50, "msg": "it broke"}', "error"),
        ("\x1b[31mERROR\x1b[0m: it broke", "error"),
        ("[31mERROR[0m: it broke", "error"),
    ],
)
def test_the_level_is_read_and_left_out_of_the_text(line: str, level: str) -> None:
    (group,) = analyze_log(line.encode(), now=NOW).errors
    assert (group.level, group.example) == (level, "it broke")


def test_a_traceback_in_a_field_of_json_is_its_last_line() -> None:
    trace = 'Traceback (most recent call last):\n  File "/a/b.py", line 2, in f\nKeyError: 1'
    line = json.dumps({"level": "error", "message": "it broke", "exc_info": trace})
    (group,) = analyze_log(line.encode()).errors
    assert (group.example, group.place) == ("it broke: KeyError: 1", "b.py:2 in f")


def test_times_without_a_year_do_not_lie_in_the_future() -> None:
    lines = f"Dec 31 11:59:59 PM  {S3}\nJan 01 12:00:01 AM  {ADDED}\n".encode()
    report = analyze_log(lines, now=datetime(2027, 1, 2, tzinfo=UTC))
    assert report.first_at == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert report.last_at == datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert not report.zoned
    assert len(report.notes) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read(encoding: str) -> None:
    log = f"2026-11-22T17:17:12Z INFO é\n2026-11-22T17:17:12Z {added('zoé@x.com')}\n"
    spot = saved(log.encode(encoding))
    assert spot == Spot(2, AT, "")


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    report = analyze_log(f"{ADDED}\n".encode() + b"ERROR caf\xe9 closed\n")
    assert [group.template for group in report.errors] == ["caf\ufffd closed"]


def test_a_line_of_a_megabyte_is_shortened_and_what_follows_is_read() -> None:
    report = analyze_log(b"ERROR " + b"x" * 1_000_000 + f"\n{ADDED}\n".encode())
    seen = report.known[LOG_ADDED]
    assert seen
    assert seen.first.line == 2
    assert len(report.errors[0].example) < 1_000


def test_a_line_beyond_the_limit_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_core.doctor.logs.unwrap.LONGEST_LINE", 100)
    report = analyze_log(f"{'x' * 100}{ADDED}\nERROR it broke\n".encode())
    assert (report.lines, report.errors[0].seen.first.line) == (2, 2)
    assert report.known[LOG_ADDED] == Seen(Spot(1), Spot(1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "nothing in it"),
        (b"\n \n", "nothing in it"),
        (gzip.compress(b"x", mtime=0), "not text"),
        (b"%PDF-1.7 ...", "not text"),
        (b"\x7fELF" + bytes(400), "not text"),
    ],
)
def test_what_is_no_log_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(InvalidLog, match=words):
        analyze_log(content)


def test_a_text_that_is_no_log_is_said_to_be_none() -> None:
    report = analyze_log(b"Dear customer,\n\nthank you for your order.\n")
    assert not summarize_log(report).is_log
    assert not summarize_log(report).clean
    assert summarize_log(report).sentence.startswith("This does not look like a log")


def test_ids_beyond_the_limit_are_left_out_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memory_core.doctor.logs.analyze.MOST_KEPT", 2)
    report = analyze_log("\n".join(added(f"user{n}@x.com") for n in range(3)).encode())
    assert "There are too many ids, errors or changes to keep; later ones are left out." in (
        report.notes
    )


class Growing(io.RawIOBase):
    """A source that cannot go back: `count` lines, made as they are read."""

    def __init__(self, count: int) -> None:
        self._lines = self._make(count)
        self._rest = b""

    def _make(self, count: int) -> Iterator[bytes]:
        for n in range(count):
            text = added(f"user{n}@x.com") if n % 50 else f"ERROR number {n} of many"
            yield f"2026-11-22T10:00:00Z {text} \n".encode()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while len(self._rest) < len(buffer) and (more := next(self._lines, b"")):
            self._rest += more
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def test_memory_does_not_grow_with_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_core.doctor.logs.analyze.MOST_KEPT", 200)

    def peak(lines: int) -> int:
        tracemalloc.start()
        report = analyze_log(io.BufferedReader(Growing(lines)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert report.lines == lines
        return most

    peak(100)
    small, large = peak(600), peak(4_800)
    assert large < small * 1.5


def test_progress_is_told_in_bytes_and_ends_the_work_where_it_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memory_core.doctor.logs.unwrap._STEP", 10_000)
    log = b"2026-11-22T10:00:00Z INFO something that is long enough to count\n" * 400
    told: list[tuple[int, int]] = []
    analyze_log(log, on_progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, len(log))
    assert told[-1] == (len(log), len(log))
    assert len(told) == 4

    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyze_log(log, on_progress=stop)
