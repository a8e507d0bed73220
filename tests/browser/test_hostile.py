"""Hostile text: nothing is fetched, nothing becomes a link, nothing overflows.

It is on Overview as well, and on the pages of all users: see test_access.py.
"""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.hostile import HOST, TEXTS, USER
from tests.support.screen import OpenScreen, Screen, link

NARROW, WIDE = (390, 844), (1280, 900)


def _check(screen: Screen, *sizes: tuple[int, int]) -> None:
    for size in sizes:
        screen.resize(size)
        screen.expect_to_fit()
    screen.expect_nothing_to_lead_to(HOST)


def test_hostile_text_is_shown_as_it_is_also_when_it_was_just_saved(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, link(USER, q="image link persistent overridden unbroken line"))
    expect(screen.part("hit-7")).to_be_visible()
    expect(screen.page.get_by_text(f"<img src=//{HOST}/x>")).to_be_visible()
    _check(screen, NARROW, WIDE)
    screen.page.get_by_text("All of 31,200 characters").click()
    whole = screen.page.get_by_test_id("stCode").filter(has_text="unbroken" * 3_900)
    expect(whole).to_be_visible()
    _check(screen, NARROW, WIDE)
    screen.open_tab("Memories")
    screen.resize(NARROW)
    for number, text in enumerate(reversed(TEXTS)):
        screen.select_row(number, x=18)
        # The first row is that of the headings.
        row = screen.page.locator(f"[role=row][aria-rowindex='{number + 2}'][aria-selected=true]")
        expect(row).to_have_count(1)
        expect(screen.part("detail")).to_be_visible()
        # What is no wider than a phone could still be wider than what a window leaves to it.
        _check(screen, *((WIDE, NARROW) if text.startswith("unbroken") else (NARROW,)))
    screen.resize(WIDE)
    screen.save(TEXTS[0])
    expect(screen.part("saved")).to_contain_text(f"<img src=//{HOST}/x>")
    _check(screen, NARROW, WIDE)
