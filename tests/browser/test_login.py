"""The login as a person meets it: form, page, sign-out; also where the storage is broken."""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.screen import OpenScreen, Screen
from tests.support.server import running_server
from tests.support.staff import PASSWORD, SECRET, entries
from tests.support.waiting import wait_for

SIGN_IN = "Sign in · Holdfast"


def _sign_in(screen: Screen) -> None:
    page = screen.page
    expect(page).to_have_title(SIGN_IN)
    found = Axe().run(page).response["violations"]
    assert [rule["id"] for rule in found] == []
    # Chromium notes the status of the refusal as an error.
    screen.forgive("status of 403")
    page.get_by_label("Name").fill("Olaf")
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Wrong name or password")
    page.get_by_label("Name").fill("Olaf")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def _sign_out(screen: Screen) -> None:
    screen.page.get_by_role("button", name="Sign out").click()
    expect(screen.page).to_have_title(SIGN_IN)


def _check_that_the_storage_is_said_to_be_broken(screen: Screen) -> None:
    screen.resize((390, 844))
    screen.show("dark")
    screen.go("/")
    card = screen.part("status-card")
    expect(card).to_contain_text("MEMORY_BACKEND is 'pinecone'")
    expect(card.get_by_role("button", name="Try again")).to_be_visible()
    screen.expect_to_fit()
    screen.go("/memories")
    expect(screen.page.get_by_text("Memories cannot be shown or saved")).to_be_visible()
    assert "Traceback" not in screen.page.content()
    screen.page.get_by_role("link", name="Ask the doctor").click()
    screen.page.get_by_role("button", name="Run the checks").click()
    expect(screen.part("groups")).to_contain_text("MEMORY_BACKEND is 'pinecone'")
    screen.resize((1280, 900))


def test_a_deep_link_leads_through_the_login_to_pages_that_say_what_is_broken_and_out_again(
    open_screen: OpenScreen, tmp_path: Path
) -> None:
    variables = {"DASHBOARD_USERS": entries(olaf="operator"), "DASHBOARD_SECRET": SECRET}
    with running_server(tmp_path, MEMORY_BACKEND="pinecone", **variables) as address:
        screen = open_screen(address, None, fresh=True)
        page = screen.page
        page.goto(f"{address}/users?who=alice")
        _sign_in(screen)
        page.wait_for_url(f"{address}/users?who=alice")
        expect(page.get_by_text("Signed in as operator")).to_be_visible()
        assert page.evaluate("document.cookie").find("holdfast") == -1
        _check_that_the_storage_is_said_to_be_broken(screen)
        page.goto(f"{address}/users")
        _sign_out(screen)
        page.goto(f"{address}/users")
        expect(page).to_have_title(SIGN_IN)
    log = tmp_path / "server.log"
    for line in (
        f"Holdfast dashboard: {address}",
        "ERROR storage is not available: MEMORY_BACKEND is 'pinecone'",
    ):
        wait_for(f"{line!r} in the log", lambda line=line: line in log.read_text())
