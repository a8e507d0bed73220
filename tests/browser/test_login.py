"""The login as a person meets it: form, page, sign-out."""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.screen import OpenScreen
from tests.support.server import running_server
from tests.support.staff import PASSWORD, SECRET, entries


def test_a_deep_link_leads_through_the_login_to_the_page_and_out_again(
    open_screen: OpenScreen, tmp_path: Path
) -> None:
    variables = {"DASHBOARD_USERS": entries(vera="viewer"), "DASHBOARD_SECRET": SECRET}
    with running_server(tmp_path, **variables) as address:
        screen = open_screen(address, None, fresh=True)
        page = screen.page
        page.goto(f"{address}/users?who=alice")
        expect(page).to_have_title("Sign in · Holdfast")
        found = Axe().run(page).response["violations"]
        assert [rule["id"] for rule in found] == []
        page.get_by_label("Name").fill("Vera")
        page.get_by_label("Password").fill("not the password")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("do not fit together")
        # Chromium notes the status of the refusal as an error.
        screen.forgive("status of 403")
        page.get_by_label("Name").fill("Vera")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{address}/users?who=alice")
        screen.settle()
        expect(page.get_by_text("Signed in as viewer")).to_be_visible()
        assert page.evaluate("document.cookie").find("holdfast") == -1
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_title("Sign in · Holdfast")
        page.goto(f"{address}/users")
        expect(page).to_have_title("Sign in · Holdfast")
