"""Take the pictures of README and docs: `make screenshots`.

A copy of the product runs on an empty folder with the demo data, so that neither the memories nor
the paths of this machine are in a picture. The names of the files are always the same.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, expect, sync_playwright

from memory_core import Settings, open_service
from tests.support.paths import DOCS, MEMORIES, ROOT
from tests.support.screen import ARGUMENTS, Screen, find_chromium, link
from tests.support.server import running_server

IMAGES = DOCS / "images"
THEMES = ("light", "dark")
WINDOW = (1280, 1000)
MARGIN = 16
COLOURS = 256
USER = "alice@example.com"
QUESTION = "Which nuts does she have to avoid?"
_PRODUCT = ("app.py", "dashboard", "memory_core", "pages", ".streamlit")


def show_overview(screen: Screen) -> Locator:
    screen.go("/")
    expect(screen.part("per-user").locator(".point").first).to_be_visible()
    return screen.part("strip")


def show_search(screen: Screen) -> Locator:
    screen.go(link(USER, view="Ask", q=QUESTION))
    expect(screen.part("hit-1")).to_contain_text("Cashews and pistachios")
    return screen.part("hit-3")


def show_user(screen: Screen) -> Locator:
    screen.go(link(USER, view="Timeline"))
    expect(screen.part("canonical")).to_contain_text(USER)
    return screen.page.get_by_test_id("stDataFrame").first


def show_redeploy(screen: Screen) -> Locator:
    screen.go("/redeploy")
    screen.page.get_by_role("button", name="Run the test").click()
    expect(screen.part("verdict")).to_contain_text("Control: 12 of 12 lost")
    expect(screen.part("run")).to_have_count(0)
    return screen.page.get_by_text("Takes some seconds.")


def show_doctor(screen: Screen) -> Locator:
    screen.go("/doctor")
    screen.page.get_by_role("button", name="Run the checks").click()
    expect(screen.part("doctor-sentence")).to_be_visible()
    expect(screen.part("doctor-run")).to_have_count(0)
    return screen.part("groups")


@dataclass(frozen=True)
class Picture:
    """A page of the dashboard; `show` makes it ready and returns the last thing to be seen."""

    name: str
    show: Callable[[Screen], Locator]

    def file(self, theme: str) -> str:
        return f"{self.name}-{theme}.png"


# The overview comes first: it would mention a redeploy test and a doctor that have run.
PICTURES = (
    Picture("overview", show_overview),
    Picture("memories-search", show_search),
    Picture("user", show_user),
    Picture("redeploy", show_redeploy),
    Picture("doctor", show_doctor),
)
FILES = sorted(picture.file(theme) for picture in PICTURES for theme in THEMES)


def main(target: Path = IMAGES) -> None:
    """Take all pictures, and replace those that are there only when all are taken."""
    with tempfile.TemporaryDirectory(prefix="holdfast-screenshots-") as name:
        folder, taken = Path(name), Path(name, "taken")
        taken.mkdir()
        copy_product(folder / "holdfast")
        load_demo_data(folder / "holdfast" / "data")
        with running_server(folder, code=folder / "holdfast", MEMORY_DATA_DIR="data") as address:
            take_all(address, taken)
        target.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            shutil.copy(taken / file, target / file)
            print(f"{target.relative_to(ROOT)}/{file}")


def copy_product(code: Path) -> None:
    """Copy what the dashboard is made of, without anybody's secrets."""
    leave_out = shutil.ignore_patterns("__pycache__", "secrets.toml")
    for name in _PRODUCT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, code / name, ignore=leave_out)
        else:
            code.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, code / name)


def load_demo_data(data_dir: Path) -> None:
    """Load the example memories as `make demo-data` does, in one process."""
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(data_dir)})) as service:
        for path in sorted((MEMORIES / "people").glob("*.jsonl")):
            service.add_document(path.stem, path.name, path.read_bytes())
        for path in sorted((MEMORIES / "documents").iterdir()):
            service.add_document(USER, path.name, path.read_bytes())


def take_all(address: str, target: Path) -> None:
    """Take every picture in a tab of its own, first light, then dark."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        for picture in PICTURES:
            screen = Screen(browser.new_context(), address, WINDOW, THEMES[0])
            last = picture.show(screen)
            for theme in THEMES:
                screen.show(theme)
                take(screen, last, target / picture.file(theme))
            if complaints := screen.close():
                sys.exit(f"{picture.name}: {complaints}")
        browser.close()


def take(screen: Screen, last: Locator, path: Path) -> None:
    """Take the page down to the end of `last`, once it is drawn to its end, in few colours."""
    # Over the menu the mouse would show what is hidden otherwise.
    screen.page.mouse.move(WINDOW[0] - 1, WINDOW[1] - 1)
    screen.page.evaluate("() => document.fonts.ready")
    screen.settle()
    expect(last).to_be_visible()
    box = last.bounding_box()
    assert box
    bottom = min(WINDOW[1], box["y"] + box["height"] + MARGIN)
    screen.page.screenshot(
        path=path,
        animations="disabled",
        clip={"x": 0, "y": 0, "width": WINDOW[0], "height": bottom},
    )
    with Image.open(path) as picture:
        few_colours = picture.convert("RGB").quantize(
            COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    few_colours.save(path, optimize=True)


if __name__ == "__main__":
    main()
