"""A Chromium on the running dashboard; every page is watched while a test uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from memory_core import Settings, open_service
from tests.support import hostile
from tests.support.paths import ROOT
from tests.support.redeploy_reports import keep_reports, make_report
from tests.support.screen import ARGUMENTS, OpenScreen, Screen, find_chromium
from tests.support.server import running_server


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard with the memories of four people, and of one who means no good.

    A redeploy test has passed there.
    """
    folder = tmp_path_factory.mktemp("server")
    _store_examples(folder / "data")
    with running_server(folder) as address:
        yield address


@pytest.fixture(scope="package")
def playwright_driver() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def profile(
    playwright_driver: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """A Chromium of this machine, or Playwright's own; never a reason to skip.

    It has a profile on the disk, and so keeps what it compiled of the page's scripts: most of the
    time that a page takes. Tabs share that and the cache of files, and nothing else.
    """
    try:
        profile = playwright_driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=find_chromium(), args=ARGUMENTS
        )
    except PlaywrightError as error:
        pytest.fail(
            f"no Chromium could be started ({str(error).splitlines()[0]}); install the package "
            "chromium-headless-shell or run `python -m playwright install --only-shell chromium`",
            pytrace=False,
        )
    yield profile
    profile.close()


@pytest.fixture
def open_screen(profile: BrowserContext) -> Iterator[OpenScreen]:
    """Open a tab, or a browser that is `fresh`; at the end of the test all must be clean."""
    screens: list[Screen] = []

    def open_one(
        address: str,
        path: str | None = "/",
        *,
        size: tuple[int, int] = (1280, 900),
        theme: str = "light",
        fresh: bool = False,
    ) -> Screen:
        assert profile.browser
        context = profile.browser.new_context() if fresh else profile
        screens.append(Screen(context, address, size, theme))
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
        keep_reports(service, make_report())
