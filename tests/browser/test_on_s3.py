"""Memories on S3 Vectors in a real browser: there after the server and its disk are gone."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.s3_bench import open_bench

from .conftest import OpenScreen
from .screen import link
from .server import running_server

WANDA = "wanda@example.com"


def test_what_was_saved_is_there_after_a_deployment(
    tmp_path: Path, open_screen: OpenScreen
) -> None:
    disks = [tmp_path / "before", tmp_path / "after"]
    for disk in disks:
        disk.mkdir()
    with open_bench() as bench:
        with running_server(disks[0], **bench.environ) as address:
            screen = open_screen(address, "/memories")
            expect(screen.page.get_by_text("talks to a stand-in for Amazon S3")).to_be_visible()
            screen.choose_user("Wanda@Example.com ")
            screen.save("Cashews and pistachios give Wanda hives.")
            stored = re.compile("Stored 1 memory, verified, in [0-9,]+ ms")
            expect(screen.page.get_by_text(stored)).to_be_visible()
            assert screen.close() == []
        with running_server(disks[1], **bench.environ) as address:
            screen = open_screen(address, link(WANDA, q="Which nuts must she avoid?"))
            expect(screen.part("hit-1")).to_contain_text("Cashews and pistachios")
            screen.go("/")
            expect(screen.part("status-card")).to_contain_text("Persistent")
            expect(screen.part("status-card")).to_contain_text(bench.bucket)
            assert screen.close() == []
    assert not any((disk / "data").exists() for disk in disks)


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
