"""The example backend as a host deploys it: a copy of the code, a process, a disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.paths import ROOT
from tests.support.server import START_WITHIN_S, free_port

PASSWORD = "for tests"


class Backend:
    """The running backend, asked over HTTP."""

    def __init__(self, client: httpx.Client, log: Path) -> None:
        self._client = client
        self._log = log

    def sign_in(self, email: str) -> dict[str, Any]:
        """Sign in, keep the token for what follows, and return what the backend loaded."""
        session = self.ask("POST", "/sign-in", json={"email": email, "password": PASSWORD})
        self._client.headers["Authorization"] = f"Bearer {session['token']}"
        return session

    def ask(self, method: str, path: str, **sent: Any) -> Any:
        return self._client.request(method, path, **sent).raise_for_status().json()

    @property
    def log(self) -> str:
        return self._log.read_text()


@contextmanager
def deployed(disk: Path, version: str, **variables: str) -> Iterator[Backend]:
    """Deploy a version to a new disk; the end is a SIGKILL, and the disk is wiped."""
    shutil.copytree(ROOT / "examples" / "fastapi_backend", disk / "code")
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(disk),
        "MEMORY_DATA_DIR": str(disk / "data"),
        "RENDER": "true",
        "RENDER_GIT_COMMIT": version,
        "BACKEND_PASSWORD": PASSWORD,
        **variables,
    }
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port)]
    with (disk / "backend.log").open("w") as log:
        server = subprocess.Popen(command, cwd=disk / "code", env=environ, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                backend = Backend(client, disk / "backend.log")
                _wait_until_healthy(client, server, backend)
                yield backend
        finally:
            server.kill()
            server.wait(30)
            shutil.rmtree(disk)


def _wait_until_healthy(
    client: httpx.Client, server: subprocess.Popen[bytes], backend: Backend
) -> None:
    end = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end and server.poll() is None:
        try:
            if client.get("/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"the backend was not ready in {START_WITHIN_S} s: {backend.log}")
