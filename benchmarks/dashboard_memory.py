"""Peak memory of the running dashboard after a save and a question in the browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect, sync_playwright

from tests.support.screen import ARGUMENTS, NAMES, Screen
from tests.support.server import running_server

from .peak_memory import find_process, peak_mb
from .rows import LIMIT, Row, Size

_LIMIT_MB = 400.0


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Start the server, save and ask as a person would, and read its high-water mark."""
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    with running_server(folder) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        screen = Screen(browser.new_context(), address, (1280, 900), "light")
        screen.go("/memories?user=alice@example.com&tab=Save")
        screen.save("Alice is allergic to cashews.")
        screen.open_tab("Search")
        screen.ask("Which nuts must she avoid?")
        expect(screen.part("hit-1")).to_contain_text("Alice is allergic to cashews.")
        peak = peak_mb(find_process("streamlit", str(urlsplit(address).port)))
        browser.close()
    yield Row("peak memory of the dashboard", peak, "MB", LIMIT, _LIMIT_MB, 1.0)
