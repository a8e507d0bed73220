"""Overview in a real browser: clicks on charts."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.screen import OpenScreen


def test_a_click_on_a_bar_opens_the_user(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address)
    expect(screen.page).to_have_title("Overview · Holdfast")
    screen.part("per-user").locator(".point").first.click(force=True)
    expect(screen.page).to_have_title("Memories · Holdfast")
    user = screen.part("canonical").get_by_text("@").first
    expect(user).to_be_visible()
    screen.settle()
    first = user.inner_text()
    screen.page.get_by_role("link", name="Overview").click()
    expect(screen.page).to_have_title("Overview · Holdfast")
    expect(screen.part("per-user").locator(".point").nth(1)).to_be_visible()
    screen.settle()
    screen.part("per-user").locator(".point").nth(1).click(force=True)
    expect(screen.page).to_have_title("Memories · Holdfast")
    expect(user).to_be_visible()
    expect(user).not_to_have_text(first)
