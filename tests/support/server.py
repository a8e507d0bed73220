"""The real server in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.ports import held_port
from tests.support.waiting import wait_for

START_WITHIN_S = 90
END_WITHIN_S = 60
_OURS = "AWS_ CHROMA_ DASHBOARD_ MEM0_ MEMORY_ OPENAI_ PORT RENDER STREAMLIT_".split()


@contextmanager
def running_server(folder: Path, *, code: Path = ROOT, **variables: str) -> Iterator[str]:
    """Start the dashboard in `code` on a free port with a home of its own; yield its address."""
    with open_server(folder, code=code, **variables) as (_, address):
        yield address


@contextmanager
def open_server(
    folder: Path, *, code: Path = ROOT, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start it as `running_server`; yield its process and its address."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(tuple(_OURS))
    }
    environ |= {"HOME": str(folder), "MEMORY_DATA_DIR": str(folder / "data"), **variables}
    with held_port() as port, (folder / "server.log").open("w") as log:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        server = subprocess.Popen(command, cwd=code, env=environ, stdout=log, stderr=log)
        try:
            wait_until_healthy(port, server, folder / "server.log")
            yield server, f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(END_WITHIN_S)


def wait_until_healthy(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the dashboard answers.

    Raises:
        RuntimeError: it ended instead; says with what and what it logged.
    """

    def answers() -> bool:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}: {log.read_text()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as ok:
                return ok.read() == b"ok"
        except OSError as error:
            raise AssertionError(f"{error}; its log: {log.read_text()}") from error

    wait_for("the dashboard to answer", answers, START_WITHIN_S)
