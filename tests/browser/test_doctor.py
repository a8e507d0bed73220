"""Doctor in a real browser: a run, the bundle, and a log that is uploaded."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.support.log_texts import LOG
from tests.support.screen import OF_COLOURS, OpenScreen


def test_the_doctor_is_asked_and_reads_a_log(
    address: str, open_screen: OpenScreen, tmp_path: Path
) -> None:
    screen = open_screen(address, "/doctor")
    expect(screen.page).to_have_title("Doctor · Holdfast")
    screen.page.get_by_role("button", name="Run the checks").click()
    # A problem where the tests' folders lie in memory, which no deployment survives.
    expect(screen.part("doctor-sentence")).to_contain_text(re.compile("1 (thing|problem)"))
    screen.expect_usable_by_all()
    screen.page.get_by_role("button", name="Support bundle").click()
    with screen.page.expect_download() as download:
        screen.page.get_by_role("button", name="Download the bundle").click()
    bundle = Path(download.value.path()).read_text()
    assert json.loads(bundle)["findings"]
    assert "@example.com" not in bundle
    screen.page.keyboard.press("Escape")

    log = tmp_path / "backend.log"
    log.write_text(LOG)
    screen.page.get_by_role("tab", name="Logs").click()
    screen.show("dark")
    screen.expect_usable_by_all(OF_COLOURS)
    screen.show("light")
    screen.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(log)
    screen.page.get_by_role("button", name="Read the log").click()
    expect(screen.part("log-sentence")).to_contain_text("problems in this log.")
    screen.expect_usable_by_all()
    # The address leads back to it, and each problem to what the doctor says.
    read = screen.page.url.removeprefix(address)
    phone = open_screen(address, read, size=(390, 844), theme="dark")
    expect(phone.part("log-sentence")).to_contain_text("problems in this log.")
    phone.expect_to_fit()
    phone.page.get_by_text("What to do: disk.E001").click()
    expect(phone.page.get_by_test_id("stMain")).to_contain_text("Memories are on a disk that")
    phone.expect_usable_by_all()
