"""Tasks of the people who use the dashboard: clicks, keys and seconds, each beside its goal.

A hand goes through the real pages in Chromium, from the Overview. Seconds are what the pages let
it wait, and for the hand itself those of the keystroke-level model (Card, Moran and Newell, 1980):
0.28 for a key, 1.3 to point and press, 1.35 to decide before a press that is not into a field.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, expect, sync_playwright

from tests.support.screen import ARGUMENTS, Screen, find_chromium
from tests.support.server import running_server

from .rows import Row, Size

GOAL = "goal"
USER = "alice.old@example.com"
LOG = "2026-11-22 21:15:04 INFO [Mem0] Using S3 vectors for persistent storage"
_KEY_S, _PRESS_S, _DECIDE_S = 0.28, 1.3, 1.35


@dataclass
class Hand:
    """Uses a page as a person does, and counts."""

    screen: Screen
    clicks: int = 0
    keys: int = 0
    spent_s: float = 0.0

    def press(self, name: str, role: str = "button") -> None:
        """Press what has this name."""
        self._click(self.screen.page.get_by_role(role, name=name).first, _DECIDE_S)

    def write(self, label: str, text: str, end: str = "Enter") -> None:
        """Click into a field, write into it, and press the key that confirms."""
        field = self._field(label)
        self._click(field)
        self.type(field, text, end)

    def type(self, field: Locator, text: str, end: str = "Enter") -> None:
        """Write where the cursor is."""
        field.press_sequentially(text)
        field.press(end)
        self._count_keys(len(text) + 1)

    def paste(self, label: str, text: str, end: str) -> None:
        """Click into a field, paste the text, and press the key that confirms."""
        field = self._field(label)
        self._click(field)
        field.fill(text)
        field.press(end)
        self._count_keys(2)

    def tab_to(self, label: str) -> Locator:
        """Move by the Tab key to a field that comes after the one just written into."""
        field = self._field(label)
        for _ in range(12):
            self.screen.page.keyboard.press("Tab")
            self._count_keys(1)
            if field.evaluate("field => field === document.activeElement"):
                return field
        raise AssertionError(f"the Tab key does not reach {label!r}")

    def wait(self, part: str, words: str) -> None:
        """Wait for words in a part of the page."""
        begun = time.perf_counter()
        expect(self.screen.part(part).first).to_contain_text(words)
        self.spent_s += time.perf_counter() - begun

    def _field(self, label: str) -> Locator:
        page = self.screen.page
        return (
            page.get_by_label(label, exact=True)
            .and_(page.locator("input:not([type=radio]), textarea"))
            .first
        )

    def _click(self, target: Locator, decide_s: float = 0.0) -> None:
        begun = time.perf_counter()
        expect(target).to_be_enabled()
        self.spent_s += time.perf_counter() - begun + decide_s + _PRESS_S
        target.click()
        self.clicks += 1

    def _count_keys(self, keys: int) -> None:
        self.keys += keys
        self.spent_s += keys * _KEY_S


def load_a_demo(hand: Hand) -> None:
    hand.press("Load twelve invented people")
    hand.wait("per-user", "Memories per user")
    hand.wait("key-figures", "12 users")


def prove_survival(hand: Hand) -> None:
    hand.press("Run the redeploy test")
    hand.wait("verdict", "Control: 12 of 12 lost")


def read_what_to_set(hand: Hand) -> None:
    hand.press("What to set")
    expect(hand.screen.page.get_by_text("AWS_S3_BUCKET=<name of your bucket>")).to_be_visible()


def read_a_log(hand: Hand) -> None:
    hand.press("Doctor", "link")
    hand.press("Logs", "tab")
    hand.paste("Log", LOG, "Control+Enter")
    hand.wait("log-head", "Read another log")


def save_and_find(hand: Hand) -> None:
    hand.write("Find a person", USER)
    hand.press("Save under this new id")
    hand.write("Text", "Takes the night train to Bergen and wants a berth.", "Control+Enter")
    hand.wait("saved", "Stored")
    hand.press("Ask", "tab")
    hand.write("Find a person", " Alice.Old@Example.com")
    expect(hand.screen.page.get_by_label("Find a person")).to_have_value("")
    hand.type(hand.tab_to("Question"), "How does she travel to Norway?")
    hand.wait("hit-1", "night train to Bergen")


def find_both_ids(hand: Hand) -> None:
    hand.write("Find a person", "ALICE+work@Example.com")
    for user in ("alice@example.com", USER):
        expect(hand.screen.page.get_by_text(f"{user} ·").first).to_be_visible()
    expect(hand.screen.page.get_by_role("button", name="Merge").first).to_be_visible()


def hand_over_a_proof(hand: Hand) -> None:
    hand.write("Find a person", "alice.old")
    hand.wait("answer", "One user matches")
    expect(hand.screen.page.get_by_text(f"{USER} ·").first).to_be_visible()
    hand.press("Open")
    hand.press("Export and removal", "tab")
    with hand.screen.page.expect_download():
        hand.press("Export 1 memory")
    hand.write("To forget the user, type the id", USER)
    hand.wait("traces", "Download the proof")
    with hand.screen.page.expect_download():
        hand.press("Download the proof")


@dataclass(frozen=True)
class Task:
    """What somebody wants, and the goal: clicks, seconds, and keys where there is one."""

    name: str
    do: Callable[[Hand], None]
    clicks: int
    seconds: int
    keys: int | None = None


# In this order: the first fills the place, the last empties it of one user.
TASKS = (
    Task("a demo from nothing", load_a_demo, 1, 60),
    Task("prove survival", prove_survival, 1, 12),
    Task("why temporary, and the lines to set", read_what_to_set, 1, 8),
    Task("read a log", read_a_log, 3, 15),
    Task("save, find under another form", save_and_find, 5, 57),
    Task("where did Alice's memories go?", find_both_ids, 2, 15, 23),
    Task("export, forget, hand over the proof", hand_over_a_proof, 7, 25),
)


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Do every task once, in one tab of one server that begins with an empty place."""
    with running_server(folder) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        screen = Screen(browser.new_context(), address, (1440, 900), "light")
        # Of a tiny run those that need nothing stored, since the others load people or simulate.
        for task in TASKS if size.questions is None else TASKS[2:4]:
            screen.go("/")
            hand = Hand(screen)
            task.do(hand)
            yield Row(task.name, hand.clicks, "clicks", GOAL, task.clicks, 1.0)
            if task.keys:
                yield Row(f"{task.name} keys", hand.keys, "keys", GOAL, task.keys, 1.0)
            yield Row(f"{task.name} time", hand.spent_s, "s", GOAL, task.seconds, 1.0)
        browser.close()
