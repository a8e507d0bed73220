"""The seven lines that people grep for, and the recent lines of a process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from memory_core import MemoryService, get_user_id_from_request
from memory_core.memories.log_lines import KNOWN_LINES, RecentLines, install_recent_lines, is_known

# Copied from design.md, section 1: people grep for them, so not a letter may change.
PROMISED = """\
[Mem0] OK Mem0 service initialized with S3 (persistent) storage
[Mem0] Using S3 vectors for persistent storage
[Mem0] OK Mem0 service initialized with ChromaDB (local) storage
[Mem0] WARNING: Local ChromaDB will be lost on deployment
[Mem0] OK Memory added for user <canonical id>
[Mem0] Found <n> relevant memories for user <canonical id>
[API] Using normalized user_id for Memory: <canonical id>
""".splitlines()

OPENED = [PROMISED[2], PROMISED[3]]
LOGGER = logging.getLogger("memory_core")


@pytest.fixture
def recent() -> Iterator[RecentLines]:
    """A newly installed keeper; the logger is as before afterwards."""
    handlers, level = LOGGER.handlers[:], LOGGER.level
    LOGGER.handlers[:] = [one for one in handlers if not isinstance(one, RecentLines)]
    LOGGER.setLevel(logging.NOTSET)
    yield install_recent_lines()
    LOGGER.handlers[:] = handlers
    LOGGER.setLevel(level)


def texts(recent: RecentLines) -> list[str]:
    return [line.text for line in recent.lines()]


def promised(number: int, user: str = "", count: int = 0) -> str:
    return PROMISED[number].replace("<canonical id>", user).replace("<n>", str(count))


def test_the_seven_lines_are_the_promised_ones() -> None:
    templates = {line.replace("<canonical id>", "%s").replace("<n>", "%d") for line in PROMISED}
    assert set(KNOWN_LINES) == templates
    assert len(KNOWN_LINES) == 7


def test_opening_says_which_storage_and_that_it_is_temporary(
    recent: RecentLines, reopen: Callable[[], MemoryService]
) -> None:
    reopen()
    assert texts(recent) == OPENED
    assert [line.level for line in recent.lines()] == ["INFO", "WARNING"]
    reopen()
    assert texts(recent) == OPENED * 2


def test_saving_and_finding_say_so_with_the_canonical_id(
    recent: RecentLines, service: MemoryService
) -> None:
    service.add_text_memory("Alice@Example.com ", "She likes tea.", verify=True)
    service.query_memories(" ALICE@example.com", "What does she drink?")
    service.query_memories("bob", "What does he drink?")
    get_user_id_from_request({"email": "Alice@Example.com"})
    assert texts(recent)[2:] == [
        promised(4, "alice@example.com"),
        promised(5, "alice@example.com", 1),
        promised(5, "bob", 0),
        promised(6, "alice@example.com"),
    ]
    assert all(line.known for line in recent.lines())


def test_a_save_that_fails_says_nothing_of_success(
    recent: RecentLines, service: MemoryService
) -> None:
    with pytest.raises(ValueError, match="empty"):
        service.add_text_memory("alice", " ")
    assert texts(recent) == OPENED


@pytest.mark.parametrize("number", range(7))
def test_each_line_is_known_whole_and_nothing_else_is(number: int) -> None:
    line = promised(number, "jürgen+1@example.org", 1234)
    assert is_known(line)
    near = [f" {line}", f"{line} x", line.lower(), line[1:], f"{line}\n{line}", f"x{line}"]
    assert not any(map(is_known, near))


@pytest.mark.parametrize(
    "text", ["", "[Mem0]", promised(4, "a b"), promised(5, "a").replace("0", "-1")]
)
def test_other_lines_are_not_known(text: str) -> None:
    assert not is_known(text)


def test_the_newest_200_lines_are_kept_newest_last(recent: RecentLines) -> None:
    for number in range(250):
        LOGGER.info("line %d", number)
    assert texts(recent) == [f"line {number}" for number in range(50, 250)]


def test_installing_twice_keeps_one_keeper(recent: RecentLines) -> None:
    assert install_recent_lines() is recent
    LOGGER.info("once")
    assert texts(recent) == ["once"]


def test_a_line_has_its_time_and_level(recent: RecentLines) -> None:
    before = datetime.now(UTC)
    LOGGER.warning("careful")
    (line,) = recent.lines()
    assert before <= line.at <= datetime.now(UTC)
    assert (line.level, line.known) == ("WARNING", False)


def test_lines_of_a_deeper_logger_are_kept_and_debug_is_not(recent: RecentLines) -> None:
    LOGGER.getChild("doctor").info("deeper")
    LOGGER.debug("too much")
    assert texts(recent) == ["deeper"]


def test_info_is_kept_where_the_program_logs_only_warnings(recent: RecentLines) -> None:
    assert logging.getLogger().getEffectiveLevel() >= logging.WARNING
    LOGGER.info("kept")
    assert texts(recent) == ["kept"]


def test_a_badly_formatted_call_does_not_harm_its_caller(
    recent: RecentLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    record = logging.LogRecord("memory_core", logging.INFO, __file__, 1, "%d", ("x",), None)
    recent.handle(record)
    LOGGER.info("still at work")
    assert texts(recent)[-1] == "still at work"


def test_reading_while_others_write_is_safe(recent: RecentLines) -> None:
    def write(number: int) -> None:
        for turn in range(300):
            LOGGER.info("%d %d", number, turn)
            assert len(recent.lines()) <= 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(recent.lines()) == 200
