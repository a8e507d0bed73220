"""Loggers as the next test expects them, whatever configured them meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from memory_core.memories.log_lines import LOGGER


@contextmanager
def kept_logger() -> Iterator[None]:
    """Leave our logger as it was found."""
    logger = logging.getLogger(LOGGER)
    before = list(logger.handlers), logger.level, logger.propagate
    try:
        yield
    finally:
        if (logger.handlers, logger.level, logger.propagate) != before:
            logger.handlers[:], logger.level, logger.propagate = before
            # It forgets what it knows of levels, and so does every other logger there is.
            logger.setLevel(logger.level)


def let_streamlits_loggers_propagate() -> None:
    """Let what they log be seen at the root, as of any other library.

    Pytest attaches itself six times in every test to each logger that does not propagate, and
    these are more than sixty: half of what a short test takes.
    """
    for name, logger in logging.getLogger().manager.loggerDict.items():
        if name.startswith("streamlit") and isinstance(logger, logging.Logger):
            logger.propagate = True
