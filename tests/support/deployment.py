"""The example backend as a host deploys it: a copy of the code, a process, a disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.paths import ROOT
from tests.support.ports import held_port
from tests.support.server import START_WITHIN_S
from tests.support.waiting import wait_for

PASSWORD = "for tests"
ALICE = "alice@example.com"
POST = "Cashews and pistachios give Alice hives."
DOCUMENT = "Alice takes the train at 7:05 from platform 4."
QUESTION = "Which nuts must she avoid?"


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

    def save_as_alice(self) -> None:
        """Save a post and a document as the person who typed the address with capitals."""
        assert self.sign_in("Alice@Example.com")["count"] == 0
        self.ask("POST", "/posts", json={"text": POST})
        self.ask("POST", "/documents", files={"file": ("train.txt", DOCUMENT.encode())})

    def wait_for_line(self, text: str) -> None:
        """Wait until the backend has logged a text."""

        def logged() -> bool:
            if text not in self.log:
                raise AssertionError(self.log)
            return True

        wait_for(f"{text!r} in the log", logged)

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
    with held_port() as port, (disk / "backend.log").open("w") as log:
        command = [sys.executable, "app.py", "--port", str(port)]
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
    def answers() -> bool:
        if server.poll() is not None:
            raise RuntimeError(f"the backend ended with {server.returncode}: {backend.log}")
        try:
            return client.get("/health").is_success
        except httpx.TransportError as error:
            raise AssertionError(f"{error!r}; its log: {backend.log}") from error

    wait_for("the backend to answer", answers, START_WITHIN_S)
