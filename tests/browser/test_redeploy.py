"""Redeploy test in a real browser: simulated, and around real restarts of the server."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from memory_core import Settings, open_service
from tests.dashboard.redeploy_tests import keep_reports, make_report
from tests.s3_bench import open_bench

from .conftest import OpenScreen
from .screen import Screen
from .server import running_server

FIRST, NEXT = {"RENDER_GIT_COMMIT": "a" * 40}, {"RENDER_GIT_COMMIT": "b" * 40}


def _simulate(screen: Screen, probes: int) -> None:
    screen.page.get_by_role("spinbutton", name="Probes").fill(str(probes))
    screen.page.get_by_role("button", name="Run the test").click()
    expect(screen.part("run")).to_contain_text("Write the control")
    expect(screen.part("verdict")).to_be_visible()
    screen.settle()


def _begin(screen: Screen, probes: int) -> str:
    """Begin a test of a real deployment and return the link of its receipt."""
    screen.page.get_by_role("tab", name="Real deployment").click()
    screen.page.get_by_role("spinbutton", name="Probes").fill(str(probes))
    screen.page.get_by_role("button", name="Write the probes").click()
    expect(screen.part("receipt")).to_contain_text(f"{probes} of {probes} probes stored")
    return screen.part("receipt").get_by_test_id("stCode").first.inner_text().replace("\n", "")


def _serious(screen: Screen) -> list[str]:
    found = Axe().run(screen.page).response["violations"]
    return [one["id"] for one in found if one["impact"] in ("serious", "critical")]


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
        expect(card).to_contain_text("because ChromaDB was on a disk that goes with the deployment")
        expect(card).to_contain_text("Control: 2 of 2 lost, as it must be.")
        first = screen.page.url
        assert _serious(screen) == []
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
        assert _serious(phone) == []
        assert [*screen.close(), *phone.close()] == []


@pytest.fixture
def disks(tmp_path: Path) -> list[Path]:
    """The disks of two deployments."""
    disks = [tmp_path / "before", tmp_path / "after"]
    for disk in disks:
        disk.mkdir()
    return disks


def test_on_s3_the_next_deployment_passes_by_itself(
    disks: list[Path], open_screen: OpenScreen
) -> None:
    with open_bench() as bench:
        with running_server(disks[0], **bench.environ, **FIRST) as address:
            screen = open_screen(address, "/redeploy")
            _simulate(screen, 2)
            expect(screen.part("verdict")).to_contain_text("PASS")
            expect(screen.part("verdict")).to_contain_text("Survived: 2 of 2 probes.")
            _begin(screen, 3)
            test = screen.page.url.removeprefix(address)
            assert _serious(screen) == []
            assert screen.close() == []
        shutil.rmtree(disks[0])
        with running_server(disks[1], **bench.environ, **NEXT) as address:
            # Opened at once and not touched: the check begins and ends by itself.
            screen = open_screen(address, test)
            expect(screen.part("verdict")).to_contain_text("PASS")
            expect(screen.part("verdict")).to_contain_text("All 3 probes that were stored before")
            expect(screen.part("verdict")).to_contain_text("commit bbbbbbbb runs, it was aaaaaaaa")
            screen.settle()
            screen.page.get_by_role("link", name="Overview").click()
            screen.settle()
            expect(screen.part("key-figures")).to_contain_text("PASS")
            assert screen.close() == []


def test_the_code_alone_shows_the_loss_on_a_wiped_disk(
    disks: list[Path], open_screen: OpenScreen
) -> None:
    with running_server(disks[0], **FIRST) as address:
        screen = open_screen(address, "/redeploy")
        link = _begin(screen, 2).removeprefix(address)
        assert re.fullmatch(r"/redeploy\?receipt=[A-Z2-7-]+", link)
        assert screen.close() == []
    shutil.rmtree(disks[0])
    with running_server(disks[1], **NEXT) as address:
        screen = open_screen(address, link, size=(390, 844), fresh=True)
        expect(screen.part("offer")).to_contain_text("waiting for a deployment")
        assert screen.overflow() <= 0
        screen.page.get_by_role("button", name="Check what became of it").click()
        expect(screen.part("verdict")).to_contain_text("FAIL")
        expect(screen.part("verdict")).to_contain_text("2 of 2 are lost")
        screen.settle()
        assert screen.close() == []
