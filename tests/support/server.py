"""The real server in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import ROOT

START_WITHIN_S = 90
_OURS = "AWS_ CHROMA_ DASHBOARD_ MEM0_ MEMORY_ OPENAI_ PORT RENDER STREAMLIT_".split()


@contextmanager
def running_server(
    folder: Path, *, port: int = 0, code: Path = ROOT, **variables: str
) -> Iterator[str]:
    """Start the dashboard in `code` on a free port with a home of its own; yield its address."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(tuple(_OURS))
    }
    environ |= {"HOME": str(folder), "MEMORY_DATA_DIR": str(folder / "data"), **variables}
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=code, env=environ, stdout=log, stderr=log)
        try:
            wait_until_healthy(port, server, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until_healthy(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}: {log.read_text()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as ok:
                if ok.read() == b"ok":
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server was not ready in {START_WITHIN_S} s: {log.read_text()}")
