"""Peak memory of the running dashboard after a save and a question in the browser."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from .table import Row

_ROOT = Path(__file__).parent.parent
_AIM_MB = 400.0
_START_S = 60


def measure(folder: Path) -> list[Row]:
    """Start the server, save and ask as a person would, and read its high-water mark."""
    from playwright.sync_api import sync_playwright

    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    environ = {**os.environ, "MEMORY_DATA_DIR": str(folder / "data"), "HOME": str(folder)}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=_ROOT, env=environ, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                _save_and_ask(browser.new_page(), f"http://127.0.0.1:{port}")
                browser.close()
            peak_mb = _peak_mb(server.pid)
        finally:
            server.terminate()
            server.wait()
    return [Row("peak memory of the dashboard / 400 MB", peak_mb, _AIM_MB, "MB", 1.0)]


def _save_and_ask(page: object, url: str) -> None:
    from playwright.sync_api import Page, expect

    assert isinstance(page, Page)
    page.goto(f"{url}/memories?user=alice@example.com&tab=Save")
    page.get_by_label("Memory", exact=True).fill("Alice is allergic to cashews.")
    page.get_by_role("button", name="Save memory").click()
    expect(page.get_by_text("read back").first).to_be_visible(timeout=30_000)
    page.goto(f"{url}/memories?user=alice@example.com&tab=Search&q=Which+nuts")
    expect(page.get_by_text("complete over").first).to_be_visible(timeout=30_000)


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, "this system does not tell the peak memory of a process"
    return int(found[1]) / 1024


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
