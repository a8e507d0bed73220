"""Peak memory of the running dashboard after a save and a question in the browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.table import Row
from tests.support.screen import ARGUMENTS, NAMES, Screen
from tests.support.server import running_server

_AIM_MB = 400.0


def measure(folder: Path) -> list[Row]:
    """Start the server, save and ask as a person would, and read its high-water mark (Linux)."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    with running_server(folder) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=ARGUMENTS)
        screen = Screen(browser.new_context(), address)
        screen.go("/memories?user=alice@example.com&tab=Save")
        screen.save("Alice is allergic to cashews.")
        screen.open_tab("Search")
        screen.ask("Which nuts must she avoid?")
        browser.close()
        peak_mb = _peak_mb(address.rpartition(":")[2])
    return [Row("peak memory of the dashboard / 400 MB", peak_mb, _AIM_MB, "MB", 1.0)]


def _peak_mb(port: str) -> float:
    """Return the peak of the server that was started with this port."""
    for process in Path("/proc").glob("[0-9]*"):
        words = (process / "cmdline").read_bytes().split(b"\0")
        if b"streamlit" in words and port.encode() in words:
            found = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
            return int(found[1]) / 1024 if found else float("nan")
    raise RuntimeError(f"no server on port {port} was found in /proc")
