"""Redeploy test in a real browser, simulated; a real deployment is in test_deployment.py."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.support.screen import OpenScreen, Screen

# A dozen processes begin and end meanwhile.
SIMULATED_WITHIN_MS = 180_000
CHECKED_WITHIN_MS = 60_000


def _simulate(screen: Screen, probes: int) -> None:
    screen.page.get_by_role("spinbutton", name="Probes").fill(str(probes))
    screen.page.get_by_role("button", name="Run the test").click()
    expect(screen.part("verdict")).to_contain_text("FAIL", timeout=SIMULATED_WITHIN_MS)


def test_on_chroma_the_simulation_fails_and_says_why(address: str, open_screen: OpenScreen) -> None:
    screen = open_screen(address, "/redeploy")
    expect(screen.page).to_have_title("Redeploy test · Holdfast")
    card = screen.part("verdict")
    expect(card).to_contain_text("PASS")
    _simulate(screen, 2)
    expect(card).to_contain_text("2 of 2 are lost")
    expect(card).to_contain_text("because ChromaDB was on a disk that a deployment wipes")
    expect(card).to_contain_text("Control: 2 of 2 lost, as expected.")
    screen.expect_usable_by_all()
    first = screen.page.url
    with screen.page.expect_download() as download:
        card.get_by_role("button", name="Report as Markdown").click()
    assert "FAIL" in Path(download.value.path()).read_text()

    screen.page.get_by_role("link", name="Earlier tests, and the standing proof").click()
    expect(screen.page).to_have_title("Proof · Holdfast")
    screen.page.get_by_role("button", name="Check now").click()
    expect(screen.part("proof")).to_contain_text("Proven", timeout=CHECKED_WITHIN_MS)
    screen.settle()
    screen.expect_usable_by_all()
    screen.resize((390, 844))
    screen.expect_to_fit()
    screen.resize((1440, 900))
    screen.select_row(0, table=0)
    expect(screen.page).to_have_url(first)
    phone = open_screen(address, first.removeprefix(address), size=(390, 844), theme="dark")
    expect(phone.part("verdict")).to_contain_text("0 of 2 probes survived")
    phone.expect_to_fit()
    phone.expect_usable_by_all()
