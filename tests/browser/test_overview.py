"""Overview in a real browser: clicks on charts. On a stand-in it is in test_deployment.py."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import expect

from tests.support.screen import OpenScreen
from tests.support.waiting import wait_for


def test_the_story_is_above_the_fold_and_a_click_on_a_bar_opens_the_user(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, size=(1440, 900))
    expect(screen.page).to_have_title("Overview · Holdfast")
    screen.expect_story_above_the_fold()
    screen.resize((1100, 900))
    drawn, frame = (
        screen.part("per-user").locator(part) for part in (".main-svg", "[role=figure]")
    )
    wait_for(
        "the chart to be as wide as its place",
        lambda: drawn.first.bounding_box()["width"] == frame.bounding_box()["width"],  # type: ignore[index]
    )
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
    screen.page.go_back()
    expect(screen.page).to_have_title("Overview · Holdfast")
    screen.part("per-day").locator(".point").last.click(force=True)
    expect(screen.page).to_have_title("Users · Holdfast")
    expect(screen.part("distribution").locator(".main-svg").first).to_be_visible()


def test_a_chart_that_cannot_be_drawn_is_a_sentence(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address, "/users")
    expect(screen.page).to_have_title("Users · Holdfast")
    screen.forgive("plotly")
    screen.page.route("**/plotly*", lambda route: route.abort())
    screen.page.reload()
    expect(screen.part("distribution").get_by_role("figure")).to_have_text(
        re.compile("^Users by their number of memories, half of them up to")
    )


def test_scripts_and_styles_are_sent_compressed(address: str) -> None:
    """Most of a first visit; Streamlit itself leaves them as they are."""
    page = httpx.get(address, timeout=60).text
    script = re.search(r'src="\./(static/js/[^"]+)"', page)
    assert script
    sent = httpx.get(f"{address}/{script[1]}", headers={"Accept-Encoding": "gzip"}, timeout=60)
    assert sent.headers["content-encoding"] == "gzip"
