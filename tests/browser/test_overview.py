"""Overview in a real browser: clicks on charts. On a stand-in it is in test_deployment.py."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import expect

from tests.support.screen import OpenScreen


def test_the_story_is_above_the_fold_and_a_click_on_a_bar_opens_the_user(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, size=(1440, 900))
    expect(screen.page).to_have_title("Overview · Holdfast")
    screen.expect_story_above_the_fold()
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


def test_scripts_and_styles_are_sent_compressed(address: str) -> None:
    """Most of a first visit; Streamlit itself leaves them as they are."""
    page = httpx.get(address, timeout=60).text
    script = re.search(r'src="\./(static/js/[^"]+)"', page)
    assert script
    sent = httpx.get(f"{address}/{script[1]}", headers={"Accept-Encoding": "gzip"}, timeout=60)
    assert sent.headers["content-encoding"] == "gzip"
