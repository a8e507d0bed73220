"""Overview in a real browser: clicks on charts, and a storage that cannot be used."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.support.screen import OpenScreen
from tests.support.server import running_server


def test_a_click_on_a_bar_opens_the_user(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address)
    expect(screen.page).to_have_title("Overview · Holdfast")
    screen.part("per-user").locator(".point").first.click(force=True)
    expect(screen.page).to_have_title("Memories · Holdfast")
    screen.settle()
    first = screen.part("canonical").inner_text()
    screen.page.get_by_role("link", name="Overview").click()
    expect(screen.page).to_have_title("Overview · Holdfast")
    screen.settle()
    screen.part("per-user").locator(".point").nth(1).click(force=True)
    expect(screen.page).to_have_title("Memories · Holdfast")
    screen.settle()
    assert screen.part("canonical").inner_text() != first


def test_a_broken_storage_is_a_card_and_no_traceback(
    tmp_path: Path, open_screen: OpenScreen
) -> None:
    with running_server(tmp_path, MEMORY_BACKEND="pinecone") as address:
        screen = open_screen(address, size=(390, 844), theme="dark")
        expect(screen.part("status-card")).to_contain_text("MEMORY_BACKEND is 'pinecone'")
        expect(screen.part("status-card").get_by_role("button", name="Try again")).to_be_visible()
        assert screen.overflow() <= 0
        screen.go("/memories")
        expect(screen.page.get_by_text("Memories cannot be shown or saved")).to_be_visible()
        assert "Traceback" not in screen.page.content()
        screen.page.get_by_role("link", name="Ask the doctor").click()
        screen.page.get_by_role("button", name="Run the checks").click()
        expect(screen.part("groups")).to_contain_text("MEMORY_BACKEND is 'pinecone'")
        # Away, before the server ends and the page would call for it.
        screen.page.goto("about:blank")
    # After the server has ended all of its log is there.
    log = (tmp_path / "server.log").read_text()
    assert f"Holdfast dashboard: {address}" in log
    assert "ERROR storage is not available: MEMORY_BACKEND is 'pinecone'" in log
