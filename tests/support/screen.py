"""One tab as a person uses it, and everything that must not happen in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from urllib.parse import quote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Locator,
    Position,
    Request,
    expect,
)
from playwright.sync_api import Error as PlaywrightError

from tests.support.waiting import wait_for

# The first can open no window, and takes a fifth less of the processor for the same tests.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

# Without hinting the headless shell sets text as wide as a Chromium with windows does.
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run --font-render-hinting=none"
).split()

TIMEOUT_MS = 60_000
QUIET_S = 0.25
ROW_PX = 35
HEADER_PX = 38
FOLD_PX = 880
STORY = ("status-line", "key-figures", "per-user", "per-day", "should-be", "strip")
NARROW_PX = 768

# The page probes for a server below the path of a deep link before it tries the root.
_EXPECTED_404 = ("/_stcore/health", "/_stcore/host-config")

# What axe finds depends on the theme by these rules alone.
OF_COLOURS = ("color-contrast", "link-in-text-block")

# Waits in the page until nothing runs, is stale or moves, and it keeps its size for a moment.
# Returns whether that came to be, and the last size: null while something runs.
_COME_TO_REST = """([quietMs, withinMs]) => new Promise((resolve) => {
    const moves = (animation) => animation.playState === 'running'
        && animation.effect?.getComputedTiming().endTime !== Infinity
    const sizeAtRest = () => {
        const app = document.querySelector('[data-testid=stApp]')
        if (app?.dataset.testConnectionState !== 'CONNECTED'
            || app.dataset.testScriptState !== 'notRunning'
            || document.querySelector(
                '[data-stale=true], [data-testid=stSkeleton], [data-testid=stAppSkeleton]')
            || document.getAnimations().some(moves)) return null
        const main = document.querySelector('[data-testid=stMain]')
        return [window.innerWidth, main?.scrollWidth, main?.scrollHeight].join(' ')
    }
    const begun = performance.now()
    let size = null
    let since = begun
    const look = () => {
        const now = performance.now()
        const last = size
        size = sizeAtRest()
        if (size === null || size !== last) since = now
        else if (now - since >= quietMs) return resolve([true, size])
        if (now - begun > withinMs) return resolve([false, size])
        setTimeout(look, 25)
    }
    look()
})"""

_AXE = Axe()
_SERIOUS = """async (options) => (await axe.run(options)).violations
    .filter((rule) => ['serious', 'critical'].includes(rule.impact))
    .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)}`))"""

expect.set_options(timeout=TIMEOUT_MS)


def find_chromium(*, windowed: bool = False) -> str | None:
    """Return the path of a Chromium of this machine; None leaves it to Playwright's own.

    One that can open windows, as people have it, is taken first if it is `windowed`.
    """
    names = sorted(NAMES, key=NAMES[:1].__contains__) if windowed else NAMES
    return next(filter(None, map(shutil.which, names)), None)


class Screen:
    """A tab that notes foreign requests, errors on the console and exceptions on the page."""

    def __init__(
        self, context: BrowserContext, address: str, size: tuple[int, int], theme: str
    ) -> None:
        self._address = address
        self._complaints: list[str] = []
        self._forgiven: list[str] = []
        self.page = context.new_page()
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        # Chromium draws each frame of a transition without a graphics card: a tenth of all it does.
        self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
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
        """Let the menu not lie over the page of a narrow window.

        It is closed there from the start, but not when the start was slow (seen in Streamlit 1.67
        on a busy machine). A click would close it in every tab that is opened from then on.
        """
        size = self.page.viewport_size
        menu = self.page.locator("[data-testid=stSidebar][data-collapsed=false]")
        if size and size["width"] < NARROW_PX and menu.count():
            self.resize((NARROW_PX + 200, size["height"]))
            self.settle()
            self.resize((size["width"], size["height"]))
            expect(menu).to_have_count(0)
            self.settle()

    def settle(self) -> None:
        """Wait until nothing runs, is stale or moves, and nothing changes its size for a moment.

        Right after a click the script does not run yet, hence the moment. On a busy machine it may
        begin after the moment: what a test expects, it waits for by itself.
        """
        end, size = time.monotonic() + TIMEOUT_MS / 1000, None
        while (left_s := end - time.monotonic()) > 0:
            try:
                rests, size = self.page.evaluate(_COME_TO_REST, [QUIET_S * 1000, left_s * 1000])
            except PlaywrightError:
                # Another page takes the place of this one.
                self.page.wait_for_timeout(50)
                continue
            if rests:
                return
        raise AssertionError(f"{self.page.url} did not come to rest; its size was last {size}")

    def show(self, theme: str) -> None:
        """Switch the machine to light or dark, as a person does while the page is open."""
        self.page.emulate_media(color_scheme=theme)

    def resize(self, size: tuple[int, int]) -> None:
        """Make the window wider or narrower."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def choose_user(self, typed: str) -> None:
        """Type into the box for a person and confirm."""
        box = self.page.get_by_label("Find a person")
        box.fill(typed)
        box.press("Enter")
        self.settle()

    def open_tab(self, name: str) -> None:
        """Open one of the tabs."""
        self.page.get_by_role("tab", name=name).click()
        self.settle()

    def save(self, text: str) -> None:
        """Write a text and save it."""
        field = self.page.get_by_role("textbox", name="Text")
        if not field.is_visible():
            self.settle()
            self.page.get_by_text("Save a memory").click()
        field.fill(text)
        field.blur()
        self.settle()
        self.page.get_by_role("button", name="Save").click()
        self.settle()

    def ask(self, question: str) -> None:
        """Ask on the tab Ask."""
        field = self.page.get_by_label("Question")
        field.fill(question)
        field.press("Enter")
        self.settle()

    def select_row(self, number: int, table: int = 0, *, x: int = 150) -> None:
        """Click a row of a table that is on the page; a canvas knows only places."""
        found = self.page.get_by_test_id("stDataFrame").nth(table)
        expect(found.locator("canvas").first).to_be_visible()
        self.settle()
        # A table that has moved notices where it is once the mouse moves over it.
        place: Position = {"x": x, "y": HEADER_PX + ROW_PX * number + ROW_PX // 2}
        found.hover(position=place)
        self.settle()
        found.click(position=place)
        self.settle()

    def expect_announced(self, text: str) -> None:
        """Wait until a status that screen readers read by themselves says the text."""
        devtools = self.page.context.new_cdp_session(self.page)

        def announced() -> bool:
            nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
            parents = {child: node for node in nodes for child in node.get("childIds", ())}
            says = [node for node in nodes if text in str(node.get("name", {}).get("value", ""))]
            roles = {
                parents[node["nodeId"]].get("role", {}).get("value")
                for node in says
                if node["nodeId"] in parents
            }
            if "status" not in roles:
                raise AssertionError(f"{text!r} is read in {roles}")
            return True

        wait_for(f"{text!r} to be announced", announced)

    def part(self, key: str) -> Locator:
        """Return the part of the page that the script gave this key."""
        return self.page.locator(f".st-key-{key}")

    def expect_to_fit(self) -> None:
        """Wait until the page is no wider than the window."""

        def fits() -> bool:
            wider = self.page.evaluate(
                """() => {
                    const main = document.querySelector('[data-testid=stMain]')
                    return Math.max(document.documentElement.scrollWidth - window.innerWidth,
                                    main.scrollWidth - main.clientWidth)
                }"""
            )
            if wider > 0:
                raise AssertionError(f"it is {wider} px wider than {self.page.viewport_size}")
            return True

        self.settle()
        wait_for(f"{self.page.url} to fit into the window", fits)

    def expect_nothing_to_lead_to(self, host: str) -> None:
        """Wait until no link or picture leads to a host, and no link runs a script."""
        leading = f"a[href*='{host}'], img[src*='{host}'], a[href^='javascript']"
        expect(self.page.locator(leading)).to_have_count(0)

    def expect_story_above_the_fold(self) -> None:
        """Assert that Overview tells all from the state down in this order, and the state once."""

        def told() -> bool:
            ends = []
            for key in STORY:
                box = self.part(key).bounding_box()
                assert box, key
                ends.append(box["y"] + box["height"])
            assert ends == sorted(ends), ends
            assert ends[-1] <= FOLD_PX, ends
            return True

        for key in STORY:
            expect(self.part(key)).to_be_visible()
        wait_for("the story to be above the fold", told)
        assert self.page.get_by_test_id("stAlert").count() == 0
        assert self.page.locator("[data-testid=stMain] .js-plotly-plot").count() >= 4

    def expect_usable_by_all(self, rules: Sequence[str] = ()) -> None:
        """Wait until axe finds nothing that keeps people from using the page.

        Args:
            rules: what axe looks for; everything where none is named.
        """
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}

        def usable() -> bool:
            if self.page.evaluate("() => !window.axe"):
                self.page.evaluate(_AXE.axe_script)
            violations = self.page.evaluate(_SERIOUS, options)
            if violations:
                raise AssertionError("\n".join(violations))
            return True

        self.settle()
        wait_for(f"axe to find nothing serious on {self.page.url}", usable)

    def forgive(self, text: str) -> None:
        """Leave out what is noted on the console because a test asks for it."""
        self._forgiven.append(text)

    def close(self) -> list[str]:
        """Close the tab, if it is open, and return what should not have happened."""
        if not self.page.is_closed():
            if self.page.get_by_test_id("stException").count():
                self._complaints.append("an exception is on the page")
            self.page.close()
        return [
            complaint
            for complaint in self._complaints
            if not any(text in complaint for text in self._forgiven)
        ]

    def _note_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in {"data", "blob"} and url.netloc != urlsplit(self._address).netloc:
            self._complaints.append(f"foreign request: {request.url}")

    def _note_console(self, message: ConsoleMessage) -> None:
        expected = "404" in message.text and message.location["url"].endswith(_EXPECTED_404)
        if message.type == "error" and not expected:
            self._complaints.append(f"console: {message.text} ({message.location['url']})")


OpenScreen = Callable[..., Screen]


def link(user: str, **parameters: str) -> str:
    """Return the link to a user on the Memories page."""
    parts = {"user": user, **parameters}
    return "/memories?" + "&".join(f"{name}={quote(value)}" for name, value in parts.items())
