"""Usable by everybody: axe, the keyboard alone, a narrow window, 200 % zoom."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.support.hostile import HOST
from tests.support.screen import OF_COLOURS, OpenScreen, Screen, link

BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(11, 21, 20)"}
# 640 px is a window of 1280 px at a zoom of 200 %; 390 px is a phone.
NARROW = [(640, 450), (390, 844)]
WIDE = (1280, 900)
QUESTION = "Which nuts does she have to avoid?"


def _show(screen: Screen, theme: str) -> None:
    screen.show(theme)
    expect(screen.page.get_by_test_id("stApp")).to_have_css("background-color", BACKGROUNDS[theme])


def _check(screen: Screen) -> None:
    """Look at the page as it is: light, dark, and in narrow windows; it is not drawn anew."""
    screen.expect_usable_by_all()
    _show(screen, "dark")
    screen.expect_usable_by_all(OF_COLOURS)
    _show(screen, "light")
    _check_narrow_windows(screen)
    screen.expect_nothing_to_lead_to(HOST)


def _check_narrow_windows(screen: Screen) -> None:
    for size in NARROW:
        screen.resize(size)
        screen.expect_to_fit()
    screen.resize(WIDE)


def test_in_any_theme_and_window(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address, size=WIDE)
    expect(screen.part("per-user").get_by_role("figure")).to_be_visible()
    _check(screen)
    screen.expect_to_fit()
    screen.go(link("Alice@Example.com", q=QUESTION))
    expect(screen.part("hit-1")).to_be_visible()
    _check(screen)
    screen.open_tab("Memories")
    screen.page.get_by_text("Save a memory").click()
    expect(screen.page.get_by_role("textbox", name="Text")).to_be_visible()
    _check(screen)
    screen.select_row(0)
    expect(screen.part("detail")).to_be_visible()
    _check(screen)
    screen.part("detail").get_by_role("button", name="Delete").click()
    expect(screen.page.get_by_role("dialog")).to_be_visible()
    _check(screen)
    screen.go("/users?who=Alice")
    expect(screen.page.get_by_text("Searched")).to_be_visible()
    _check(screen)
    screen.page.get_by_role("button", name="Open").first.click()
    expect(screen.part("canonical")).to_contain_text("alice@example.com")
    screen.open_tab("Timeline")
    for view in ("Similar ids", "Export and removal"):
        screen.expect_usable_by_all()
        screen.open_tab(view)
        tab = screen.page.get_by_role("tab", name=view)
        expect(tab).to_have_attribute("aria-selected", "true")
        if view == "Similar ids":
            _check_narrow_windows(screen)
    _check(screen)


def test_the_menu_on_a_phone(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address, "/memories", size=(390, 844), fresh=True)
    screen.expect_usable_by_all()
    screen.page.get_by_test_id("stExpandSidebarButton").click()
    expect(screen.page.get_by_role("link", name="Overview")).to_be_visible()
    screen.expect_usable_by_all()


def _tab_to(screen: Screen, wanted: Locator, at_most: int = 30) -> None:
    """Press Tab until the focus is on the element, or in it."""
    expect(wanted).to_be_visible()
    screen.settle()
    for _ in range(at_most):
        screen.page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element.contains(document.activeElement)"):
            return
    pytest.fail(f"{wanted} was not reached with the keyboard")


def test_the_keyboard_alone_is_enough(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address)
    page = screen.page
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("stSkipToContent")).to_be_focused()
    _tab_to(screen, page.get_by_role("link", name="Memories", exact=True))
    page.keyboard.press("Enter")
    expect(page).to_have_title("Memories · Holdfast")
    _tab_to(screen, page.get_by_label("Find a person"))
    page.keyboard.type("Keyboard@Example.com ")
    page.keyboard.press("Enter")
    _tab_to(screen, page.get_by_role("button", name="Save under this new id"))
    page.keyboard.press("Enter")
    expect(screen.part("canonical")).to_contain_text("keyboard@example.com")
    _tab_to(screen, page.get_by_role("tab", name="Memories"))
    _tab_to(screen, page.get_by_role("textbox", name="Text"))
    page.keyboard.type("Uses no mouse.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Stored 1 memory")).to_be_visible()
    screen.settle()
    page.get_by_role("tab", name="Memories").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Ask")).to_have_attribute("aria-selected", "true")
    _tab_to(screen, page.get_by_label("Question"))
    page.keyboard.type("Which device is not needed?")
    page.keyboard.press("Enter")
    expect(screen.part("hit-1")).to_contain_text("Uses no mouse.")


def test_a_result_is_brought_into_view_and_a_later_visit_begins_at_the_top(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, "/activity", size=(1440, 900))
    screen.page.get_by_role("button", name="Check the chain").click()
    expect(screen.part("checked")).to_be_in_viewport(ratio=1)
    screen.page.get_by_role("link", name="Proof").click()
    expect(screen.page).to_have_title("Proof · Holdfast")
    screen.page.get_by_role("link", name="Activity").click()
    expect(screen.part("checked")).to_be_attached()
    screen.settle()
    expect(screen.page.get_by_role("heading", name="Activity")).to_be_in_viewport(ratio=1)
