"""Log lines keep their text; an unexpected error shows a reference and nothing else."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from dashboard import startup
from memory_core.memories import log_lines


@pytest.fixture(autouse=True)
def restored_loggers() -> Iterator[None]:
    yield
    for name in ("memory_core", "dashboard"):
        logger = logging.getLogger(name)
        logger.propagate = True
        logger.handlers = [
            h
            for h in logger.handlers
            if not isinstance(h, (startup._Stderr, log_lines.RecentLines))
        ]


def test_a_log_line_ends_with_exactly_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    startup.configure_logging(propagate=False)
    logging.getLogger("memory_core").info("[Mem0] OK Memory added for user %s", "alice@example.com")
    line = capsys.readouterr().err
    assert line.endswith("Z INFO [Mem0] OK Memory added for user alice@example.com\n")


def test_configuring_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    startup.configure_logging(propagate=False)
    startup.configure_logging(propagate=False)
    logging.getLogger("memory_core").info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_an_unexpected_error_is_logged_under_the_reference_that_is_shown(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(startup.st, "error", lambda text, icon: shown.write(text))
    monkeypatch.setattr(startup.st, "code", lambda text, language: shown.write(f"\n{text}"))
    assert startup.report_script_error(RuntimeError("secret detail")) is True
    assert "secret" not in shown.getvalue()
    assert shown.getvalue().splitlines()[-1] in caplog.text
    assert "secret detail" in caplog.text


def test_what_the_dashboard_logs_is_among_the_recent_lines() -> None:
    startup.configure_logging(propagate=False)
    logging.getLogger("dashboard").error("storage is not available: no answer")
    assert (
        log_lines.install_recent_lines().lines()[-1].text == "storage is not available: no answer"
    )
