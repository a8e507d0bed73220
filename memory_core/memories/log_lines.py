"""The log lines people grep for, and the most recent lines of this process."""

import logging
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from ..model.user_id import LOG_CANONICAL_ID
from ..storage.backend import LOG_CHROMA_LOST, LOG_CHROMA_READY, LOG_S3_READY, LOG_S3_USED
from .search import LOG_FOUND
from .writer import LOG_ADDED

LOGGER = "memory_core"
KNOWN_LINES = (
    LOG_S3_READY,
    LOG_S3_USED,
    LOG_CHROMA_READY,
    LOG_CHROMA_LOST,
    LOG_ADDED,
    LOG_FOUND,
    LOG_CANONICAL_ID,
)
"""The seven promised lines, as they are passed to `logging`."""

_CAPACITY = 200
_KNOWN = re.compile(
    "|".join(f"(?P<line{place}>{re.escape(line)})" for place, line in enumerate(KNOWN_LINES))
    .replace("%d", r"(\d{1,9})")
    .replace("%s", "(.{1,400})")
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line as it was logged; `known` marks one of the seven."""

    at: datetime
    level: str
    text: str
    known: bool


class RecentLines(logging.Handler):
    """Keeps the last 200 lines of the "memory_core" logger in memory."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=_CAPACITY)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            # The call had wrong arguments; logging's own handlers do the same.
            self.handleError(record)
            return
        at = datetime.fromtimestamp(record.created, UTC)
        self._lines.append(LogLine(at, record.levelname, text, is_known(text)))

    def lines(self) -> list[LogLine]:
        """Return the lines, newest last."""
        return list(self._lines)


def is_known(text: str) -> bool:
    """Return whether a whole line is one of the seven."""
    line, values = read_known(text)
    return bool(line) and not any(map(str.isspace, "".join(values)))


def read_known(text: str) -> tuple[str, tuple[str, ...]]:
    """Return which of the seven a line is, as it is passed to `logging`, and the values in it.

    ("", ()) for any other. A program that does not normalize ids may have written the line, so
    its id may be any text.
    """
    match = _KNOWN.fullmatch(text)
    if not match or not match.lastgroup:
        return "", ()
    line = KNOWN_LINES[int(match.lastgroup.removeprefix("line"))]
    return line, tuple(filter(None, match.groups()))[1:]


def install_recent_lines() -> RecentLines:
    """Install the handler that keeps recent lines, once per process, and return it."""
    logger = logging.getLogger(LOGGER)
    for handler in logger.handlers:
        if isinstance(handler, RecentLines):
            return handler
    recent = RecentLines()
    logger.addHandler(recent)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    return recent
