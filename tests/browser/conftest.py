"""A Chromium on the running dashboard; every page is watched while a test uses it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from memory_core import Settings, open_service

from . import hostile
from .screen import Screen
from .server import ROOT, running_server

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()

OpenScreen = Callable[..., Screen]


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard with the memories of four people, and of one who means no good."""
    folder = tmp_path_factory.mktemp("server")
    _store_examples(folder / "data")
    with running_server(folder) as address:
        yield address


@pytest.fixture(scope="package")
def playwright_driver() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(playwright_driver: Playwright) -> Iterator[Browser]:
    """A Chromium of this machine, or Playwright's own; never a reason to skip."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    try:
        browser = playwright_driver.chromium.launch(executable_path=found, args=ARGUMENTS)
    except PlaywrightError as error:
        pytest.fail(
            f"no Chromium could be started ({str(error).splitlines()[0]}); install the package "
            "chromium or run `python -m playwright install chromium`",
            pytrace=False,
        )
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def contexts(browser: Browser) -> dict[tuple[tuple[int, int], str], BrowserContext]:
    """One context for each size and theme: tabs share its cache of files, and nothing else."""
    return {}


@pytest.fixture
def open_screen(
    browser: Browser, contexts: dict[tuple[tuple[int, int], str], BrowserContext]
) -> Iterator[OpenScreen]:
    """Open a tab; at the end of the test all of them must be clean."""
    screens: list[Screen] = []

    def open_one(
        address: str,
        path: str | None = "/",
        *,
        size: tuple[int, int] = (1280, 900),
        theme: str = "light",
        fresh: bool = False,
    ) -> Screen:
        context = None if fresh else contexts.get((size, theme))
        if context is None:
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]}, color_scheme=theme
            )
        if not fresh:
            contexts[size, theme] = context
        screens.append(Screen(context, address))
        if path:
            screens[-1].go(path)
        return screens[-1]

    yield open_one
    complaints = [complaint for screen in screens for complaint in screen.close()]
    assert complaints == []


def _store_examples(folder: Path) -> None:
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(folder)})) as service:
        for path in sorted((ROOT / "examples" / "memories" / "people").glob("*.jsonl"))[:4]:
            lines = path.read_text("utf-8").splitlines()
            messages = [{"role": "user", "content": json.loads(line)["memory"]} for line in lines]
            service.add_messages(path.stem, messages, infer=False)
        for text in hostile.TEXTS:
            service.add_text_memory(hostile.USER, text, metadata=hostile.METADATA)
