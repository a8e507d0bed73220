"""Usable by everybody: axe, the keyboard alone, a narrow window, 200 % zoom."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.screen import OpenScreen, Screen, link, serious

BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(11, 21, 20)"}
# 640 px is a window of 1280 px at a zoom of 200 %; 390 px is a phone.
NARROW = [(640, 450), (390, 844)]
QUESTION = "Which nuts does she have to avoid?"


def _check_both_themes(screen: Screen) -> None:
    for theme, background in BACKGROUNDS.items():
        screen.show(theme)
        expect(screen.page.get_by_test_id("stApp")).to_have_css("background-color", background)
        assert serious(screen) == [], theme


def test_axe_finds_nothing_serious(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address)
    _check_both_themes(screen)
    screen.go(link("Alice@Example.com", q=QUESTION))
    _check_both_themes(screen)
    screen.open_tab("Save")
    _check_both_themes(screen)
    screen.open_tab("Browse")
    screen.select_row(0)
    _check_both_themes(screen)
    screen.part("detail").get_by_role("button", name="Delete").click()
    screen.settle()
    _check_both_themes(screen)
    screen.go("/users?who=Alice")
    _check_both_themes(screen)
    screen.go("/user?user=Alice@Example.com&view=Timeline")
    for tab in ("What is remembered", "Reunite", "Export", "Remove"):
        assert serious(screen) == [], tab
        screen.open_tab(tab)
    _check_both_themes(screen)


def test_axe_finds_nothing_serious_on_a_phone(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address, "/memories", size=(390, 844), fresh=True)
    assert serious(screen) == []
    screen.page.get_by_test_id("stExpandSidebarButton").click()
    screen.settle()
    assert serious(screen) == []


def _check_narrow_windows(screen: Screen) -> None:
    for size in NARROW:
        screen.resize(size)
        assert screen.overflow() <= 0, size


def test_nothing_is_wider_than_the_window(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address, size=NARROW[0])
    _check_narrow_windows(screen)
    for path in ("/users?who=Alice", "/user?user=alice@example.com&view=Reunite"):
        screen.go(path)
        _check_narrow_windows(screen)
    screen.go(link("alice@example.com", q=QUESTION))
    _check_narrow_windows(screen)
    for tab in ("Save", "Browse"):
        screen.open_tab(tab)
        _check_narrow_windows(screen)


def _tab_to(screen: Screen, name: str, at_most: int = 30) -> None:
    """Press Tab until the focus is on the element of this name."""
    for _ in range(at_most):
        screen.page.keyboard.press("Tab")
        names = screen.page.evaluate(
            """() => {
                const at = document.activeElement
                const named = at.getAttribute('aria-labelledby')?.split(' ') ?? []
                return [at.getAttribute('aria-label'), at.labels?.[0]?.innerText,
                        ...named.map((id) => document.getElementById(id)?.innerText),
                        at.innerText?.split('\\n').at(-1)].map((text) => text?.trim())
            }"""
        )
        if name in names:
            return
    pytest.fail(f"{name!r} was not reached with the keyboard")


def test_the_keyboard_alone_is_enough(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address)
    screen.page.keyboard.press("Tab")
    expect(screen.page.get_by_test_id("stSkipToContent")).to_be_focused()
    _tab_to(screen, "Memories")
    screen.page.keyboard.press("Enter")
    expect(screen.page).to_have_title("Memories · Holdfast")
    screen.settle()
    _tab_to(screen, "User")
    screen.page.keyboard.type("Keyboard@Example.com ")
    screen.page.keyboard.press("Enter")
    expect(screen.part("canonical")).to_contain_text("keyboard@example.com")
    screen.settle()
    _tab_to(screen, "Save")
    _tab_to(screen, "Text")
    if screen.page.evaluate("() => document.activeElement.type") == "radio":
        _tab_to(screen, "Text")
    screen.page.keyboard.type("Uses no mouse.")
    screen.page.keyboard.press("Control+Enter")
    expect(screen.page.get_by_text("Stored 1 memory")).to_be_visible()
    screen.settle()
    screen.page.get_by_role("tab", name="Save").focus()
    screen.page.keyboard.press("ArrowRight")
    screen.settle()
    expect(screen.page.get_by_role("tab", name="Search")).to_have_attribute("aria-selected", "true")
    _tab_to(screen, "Question")
    screen.page.keyboard.type("Which device is not needed?")
    screen.page.keyboard.press("Enter")
    expect(screen.part("hit-1")).to_contain_text("Uses no mouse.")
