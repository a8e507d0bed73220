"""Overview in a real browser: clicks on charts."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from playwright.sync_api import expect

from memory_core import open_service
from tests.support.s3_bench import open_bench
from tests.support.screen import OpenScreen, Screen
from tests.support.server import running_server

FOLD_PX = 880
STORY = ("status-line", "key-figures", "per-user", "per-day", "should-be", "strip")


def test_the_story_is_above_the_fold_and_a_click_on_a_bar_opens_the_user(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, size=(1440, 900))
    expect(screen.page).to_have_title("Overview · Holdfast")
    _check_story(screen)
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


def test_the_story_is_above_the_fold_on_a_stand_in(tmp_path: Path, open_screen: OpenScreen) -> None:
    with open_bench() as bench:
        with open_service(bench.settings) as service:
            for number in range(12):
                service.add_text_memory(f"user{number}@example.com", "likes tea")
        with running_server(tmp_path, **bench.environ) as address:
            screen = open_screen(address, size=(1440, 900))
            _check_story(screen)
            # An open page would miss the server.
            screen.page.goto("about:blank")


def _check_story(screen: Screen) -> None:
    """From the state down all is above the fold, in this order, and the state is said once."""
    ends = []
    for key in STORY:
        expect(screen.part(key)).to_be_visible()
        box = screen.part(key).bounding_box()
        assert box
        ends.append(box["y"] + box["height"])
    assert ends == sorted(ends)
    assert ends[-1] <= FOLD_PX
    assert screen.page.get_by_test_id("stAlert").count() == 0
    assert screen.page.locator("[data-testid=stMain] .js-plotly-plot").count() >= 4


def test_scripts_and_styles_are_sent_compressed(address: str) -> None:
    """Most of a first visit; Streamlit itself leaves them as they are."""
    page = httpx.get(address, timeout=60).text
    script = re.search(r'src="\./(static/js/[^"]+)"', page)
    assert script
    sent = httpx.get(f"{address}/{script[1]}", headers={"Accept-Encoding": "gzip"}, timeout=60)
    assert sent.headers["content-encoding"] == "gzip"
