"""Memories on S3 Vectors in a real browser, when AWS refuses."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.support.s3_bench import open_bench
from tests.support.screen import OpenScreen, link
from tests.support.server import running_server

WANDA = "wanda@example.com"


def test_an_outage_is_a_sentence_and_nothing_typed_is_lost(
    tmp_path: Path, open_screen: OpenScreen
) -> None:
    with open_bench() as bench, running_server(tmp_path, **bench.environ) as address:
        screen = open_screen(address, link(WANDA))
        screen.save("Prefers tea.")
        bench.standin.set_switches(deny_actions=["s3:PutObject"])
        screen.save("Her sister lives in Lisbon.")
        expect(screen.page.get_by_text("AWS refused s3:PutObject on")).to_be_visible()
        box = screen.page.get_by_role("textbox", name="Text")
        expect(box).to_have_value("Her sister lives in Lisbon.")
        bench.standin.reset_switches()
        screen.page.get_by_role("button", name="Save", exact=True).click()
        expect(screen.page.get_by_text(re.compile("Stored 1 memory, verified"))).to_be_visible()
        assert screen.close() == []
