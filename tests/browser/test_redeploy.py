"""Redeploy test in a real browser, simulated; a real deployment is in test_deployment.py."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from memory_core import Settings, open_service
from tests.support.redeploy_reports import keep_reports, make_report
from tests.support.screen import OpenScreen, Screen, serious
from tests.support.server import running_server


def _simulate(screen: Screen, probes: int) -> None:
    screen.page.get_by_role("spinbutton", name="Probes").fill(str(probes))
    screen.page.get_by_role("button", name="Run the test").click()
    expect(screen.part("run")).to_contain_text("Write the control")
    expect(screen.part("verdict")).to_be_visible()
    screen.settle()


def test_on_chroma_the_simulation_fails_and_says_why(
    tmp_path: Path, open_screen: OpenScreen
) -> None:
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(tmp_path / "data")})) as service:
        keep_reports(service, make_report())
    with running_server(tmp_path) as address:
        screen = open_screen(address, "/redeploy")
        expect(screen.page).to_have_title("Redeploy test · Holdfast")
        expect(screen.part("verdict")).to_contain_text("PASS")
        _simulate(screen, 2)
        card = screen.part("verdict")
        expect(card).to_contain_text("FAIL")
        expect(card).to_contain_text("2 of 2 are lost")
        expect(card).to_contain_text("because ChromaDB was on a disk that goes with the deployment")
        expect(card).to_contain_text("Control: 2 of 2 lost, as it must be.")
        first = screen.page.url
        assert serious(screen) == []
        with screen.page.expect_download() as download:
            card.get_by_role("button", name="Report as Markdown").click()
        assert "FAIL" in Path(download.value.path()).read_text()

        # Each run has a bar for what was stored and one for what survived; PASS comes first.
        screen.page.locator("[data-testid=stPlotlyChart] .point").first.click(force=True)
        expect(screen.part("verdict")).to_contain_text("PASS")
        assert screen.page.url != first
        screen.settle()
        screen.page.get_by_text("As a table").click()
        screen.settle()
        screen.select_row(0, table=2)
        expect(screen.page).to_have_url(first)
        phone = open_screen(address, first.removeprefix(address), size=(390, 844), theme="dark")
        expect(phone.part("verdict")).to_contain_text("Survived: 0 of 2 probes.")
        assert phone.overflow() <= 0
        assert serious(phone) == []
        assert [*screen.close(), *phone.close()] == []
