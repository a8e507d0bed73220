"""Life cycle of the process: logging, warm-up, start line, shutdown, error page."""

import asyncio
import ctypes
import gc
import importlib
import logging
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TextIO

import streamlit as st

from memory_core import settings
from memory_core.errors import SettingsError
from memory_core.memories import log_lines
from memory_core.model.counting import counted

from .auth import visitor
from .auth.access import access, refusal
from .auth.connections import bound_connections
from .auth.sessions import follow_revocations
from .connection import connection
from .health import look_out

_logger = logging.getLogger("dashboard")
_HEAVY_MODULES = (
    "pandas",
    "plotly.graph_objects",
    "memory_core.memories.mem0_adapter",
    "bm25s",
)
_LISTENING_WITHIN_S = 30
_GLIBC = {-1: 131_072, -3: 131_072, -8: 2}
"""Options of `mallopt`: trim and map from 128 KB on, two arenas; by default it keeps more."""
FINISH_WITHIN_S = 20.0


class _Stderr(logging.StreamHandler[TextIO]):
    """Our handler, told apart from those that others added."""


def secure_process() -> None:
    """Bound connections, make new files private, and exit if strangers could read memories."""
    bound_connections()
    settings.keep_files_private()
    try:
        reason = refusal(access(), st.get_option("server.address"))
    except SettingsError as error:
        reason = str(error)
    if reason:
        sys.exit(f"Holdfast does not start: {reason}.")


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Prepare the process; print its address and warm up while it already answers."""
    settings.silence_telemetry()
    configure_logging(propagate=False)
    if tune := getattr(ctypes.CDLL(None), "mallopt", None):
        for option, value in _GLIBC.items():
            tune(option, value)
    work = [_announce(), asyncio.to_thread(warm_up), look_out()]
    # Without DASHBOARD_SECRET no cookie is valid on another instance or after a restart.
    if not access().open and access().settings.secret:
        work.append(follow_revocations(access().sessions))
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(stop)
        configure_logging(propagate=True)


def stop() -> None:
    """Let writes finish, then close the store and the activity log.

    Hosting platforms wait some 30 seconds between SIGTERM and SIGKILL; this takes less.
    """
    # Not at the top: cached functions need the runtime, which starts before the lifespan.
    from .services import jobs

    with visitor.acting_as(visitor.PROCESS):
        if unfinished := jobs.board().finish(FINISH_WITHIN_S):
            _logger.error("stopped with %s unfinished", counted(unfinished, "job"))
    connection().close(FINISH_WITHIN_S / 4)


def configure_logging(*, propagate: bool) -> None:
    """Write our log lines to stderr, prefixed with time and level.

    They do not propagate while the server runs: a library that adds a handler to the root logger
    would write them twice.
    """
    handler = _Stderr()
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    for name in ("memory_core", "dashboard"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.handlers = [h for h in logger.handlers if not isinstance(h, _Stderr)]
        logger.addHandler(handler)
        logger.propagate = propagate
    keeper = log_lines.install_recent_lines()
    if keeper not in _logger.handlers:
        _logger.addHandler(keeper)
    # It logs at each start that it found credentials.
    logging.getLogger("botocore").setLevel(logging.WARNING)


def warm_up() -> None:
    """Open the store and import slow modules, so that the first visitor does not wait.

    Then check the redeploy tests that waited for this start.
    """
    from .services import memory_calls, redeploy

    with visitor.acting_as(visitor.PROCESS):
        health = memory_calls.health()
        if health.trouble:
            _logger.error("storage is not available: %s", health.trouble.sentence)
        for name in _HEAVY_MODULES:
            importlib.import_module(name)
        arrow = importlib.import_module("pyarrow")
        arrow.set_memory_pool(arrow.system_memory_pool())
        if not health.trouble:
            service = connection().service()
            if service.settings.embedder in ("local", "multilingual"):
                service.parts.embedder.embed(["The model is loaded by its first text."])
            redeploy.check_waiting()
        # Streamlit collects garbage after each run of a script; modules alone took 0.1 s.
        gc.collect()
        gc.freeze()


def report_script_error(error: Exception) -> bool:
    """Log an unexpected error under a reference, and show the reference instead of a traceback."""
    reference = secrets.token_hex(4)
    _logger.error("unexpected error, reference %s", reference, exc_info=error)
    st.error(
        "Something went wrong on our side and this page could not be finished. Reload it; if it "
        "happens again, report the reference below, which leads to the details in the log.",
        icon=":material/error:",
    )
    st.code(reference, language=None)
    return True


async def _announce() -> None:
    port = st.get_option("server.port")
    host = st.get_option("server.address") or "127.0.0.1"
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
    for _ in range(_LISTENING_WITHIN_S * 10):
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            print(f"Holdfast dashboard: http://{host}:{port}", flush=True)
            if access().open:
                print("No login is set, so only this computer can open it.", flush=True)
            return
        await asyncio.sleep(0.1)
