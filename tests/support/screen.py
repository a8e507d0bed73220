"""One tab as a person uses it, and everything that must not happen in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Request, expect

NAMES = ("chromium", "chromium-browser", "google-chrome")


ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()

TIMEOUT_MS = 60_000
QUIET_S = 0.25
ROW_PX = 35
HEADER_PX = 38

# The page probes for a server below the path of a deep link before it tries the root.
_EXPECTED_404 = ("/_stcore/health", "/_stcore/host-config")

_IDLE = """() => {
    const app = document.querySelector('[data-testid=stApp]')
    return app?.dataset.testConnectionState === 'CONNECTED'
        && app.dataset.testScriptState === 'notRunning'
        && !document.querySelector(
            '[data-stale=true], [data-testid=stSkeleton], [data-testid=stAppSkeleton]')
}"""

expect.set_options(timeout=TIMEOUT_MS)


class Screen:
    """A tab that notes foreign requests, errors on the console and exceptions on the page."""

    def __init__(
        self, context: BrowserContext, address: str, size: tuple[int, int], theme: str
    ) -> None:
        self._address = address
        self._complaints: list[str] = []
        self.page = context.new_page()
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=theme)
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self._complaints.append(f"page error: {error}"))

    def go(self, path: str) -> None:
        """Follow a link and wait until the page is drawn."""
        self.page.goto(f"{self._address}{path}")
        self.settle()
        self._uncover()

    def _uncover(self) -> None:
        """Put the menu away where it lies over the page, as a person with a phone does.

        On a narrow window it is closed from the start, but not when the start was slow (seen in
        Streamlit 1.67 on a busy machine).
        """
        size = self.page.viewport_size
        menu = self.page.locator('[data-testid=stSidebar][aria-expanded="true"]')
        if size and size["width"] < 768 and menu.count():
            menu.hover()
            menu.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
            self.settle()

    def settle(self) -> None:
        """Wait until nothing runs and nothing is stale for a moment.

        Right after a click the script does not run yet, hence the moment.
        """
        end, quiet_since = time.monotonic() + TIMEOUT_MS / 1000, None
        while time.monotonic() < end:
            if not self.page.evaluate(_IDLE):
                quiet_since = None
            elif quiet_since is None:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since >= QUIET_S:
                return
            self.page.wait_for_timeout(80)
        raise TimeoutError(f"{self.page.url} did not come to rest")

    def show(self, theme: str) -> None:
        """Switch the machine to light or dark, as a person does while the page is open."""
        self.page.emulate_media(color_scheme=theme)
        self.settle()

    def resize(self, size: tuple[int, int]) -> None:
        """Make the window wider or narrower."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.settle()

    def choose_user(self, typed: str) -> None:
        """Type into the user field and confirm."""
        box = self.page.get_by_role("combobox", name="User")
        box.click()
        box.press("Control+a")
        self.page.keyboard.insert_text(typed)
        box.press("Enter")
        self.settle()

    def open_tab(self, name: str) -> None:
        """Open one of the tabs."""
        self.page.get_by_role("tab", name=name).click()
        self.settle()

    def save(self, text: str) -> None:
        """Write a text and save it."""
        self.page.get_by_role("textbox", name="Text").fill(text)
        self.page.get_by_role("button", name="Save").click()
        self.settle()

    def ask(self, question: str) -> None:
        """Ask on the Search tab."""
        field = self.page.get_by_label("Question")
        field.fill(question)
        field.press("Enter")
        self.settle()

    def select_row(self, number: int, table: int = 0) -> None:
        """Select a row of a table that is on the page; a canvas knows only places."""
        found = self.page.get_by_test_id("stDataFrame").nth(table)
        found.click(position={"x": 18, "y": HEADER_PX + ROW_PX * number + ROW_PX // 2})
        self.settle()

    def part(self, key: str) -> Locator:
        """Return the part of the page that the script gave this key."""
        return self.page.locator(f".st-key-{key}")

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return self.page.evaluate(
            """() => {
                const main = document.querySelector('[data-testid=stMain]')
                return Math.max(document.documentElement.scrollWidth - window.innerWidth,
                                main.scrollWidth - main.clientWidth)
            }"""
        )

    def forgive(self, text: str) -> None:
        """Take back what was noted on the console because a test asked for it."""
        self._complaints = [complaint for complaint in self._complaints if text not in complaint]

    def close(self) -> list[str]:
        """Close the tab, if it is open, and return what should not have happened."""
        if self.page.is_closed():
            return self._complaints
        if self.page.get_by_test_id("stException").count():
            self._complaints.append("an exception is on the page")
        self.page.close()
        return self._complaints

    def _note_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in {"data", "blob"} and url.netloc != urlsplit(self._address).netloc:
            self._complaints.append(f"foreign request: {request.url}")

    def _note_console(self, message: ConsoleMessage) -> None:
        expected = "404" in message.text and message.location["url"].endswith(_EXPECTED_404)
        if message.type == "error" and not expected:
            self._complaints.append(f"console: {message.text} ({message.location['url']})")


OpenScreen = Callable[..., Screen]


def serious(screen: Screen) -> list[str]:
    """Return what axe finds that keeps people from using the page."""
    found = Axe().run(screen.page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


def link(user: str, **parameters: str) -> str:
    """Return the link to a user on the Memories page."""
    parts = {"user": user, **parameters}
    return "/memories?" + "&".join(f"{name}={quote(value)}" for name, value in parts.items())
