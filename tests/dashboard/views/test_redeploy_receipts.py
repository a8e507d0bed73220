"""A test around a real deployment: begun, waited for, checked by whom and with what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.connection import connection
from dashboard.services import memory_calls
from dashboard.services import redeploy as work
from dashboard.services.redeploy import leftover_tests, waiting_tests
from memory_core import MemoryService, redeploy_test
from memory_core.redeploy_test import Level, Report, Verdict
from standin.httpd import HttpServer, Request, Response
from tests.support.app_test import text_of
from tests.support.redeploy_reports import (
    PAGE,
    TIMEOUT_S,
    deploy,
    finish,
    make_report,
    press,
    wait_for_jobs,
)


@pytest.fixture
def begun(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page on which a test of two probes was begun."""
    monkeypatch.setenv("RENDER_GIT_COMMIT", "a" * 40)
    app.switch_page(PAGE).run()
    app.number_input(key="redeploy.begin-count").set_value(2)
    page = press(app, "redeploy.begin")
    assert not page.error, text_of(page)
    return page


def _receipt() -> redeploy_test.RedeployReceipt:
    (receipt,) = waiting_tests()
    return receipt


def _follow(app: AppTest, **parameters: str) -> AppTest:
    app.query_params.clear()
    for name, value in parameters.items():
        app.query_params[name] = value
    return app.run()


def test_a_begun_test_gives_its_receipt_and_waits(begun: AppTest) -> None:
    assert not begun.exception
    words, code = text_of(begun), redeploy_test.to_code(_receipt(), memory_calls.settings())
    assert "2 of 2 probes stored and read back" in words
    assert code in [one.value for one in begun.code]
    assert f"/redeploy?receipt={code}" in words
    assert "**waiting for a deployment, begun just now, 2 probes**" in words
    assert [one.proto.label for one in begun.get("download_button")] == ["Receipt file"]
    assert begun.query_params["test"] == _receipt().run


def test_overview_says_that_a_test_waits(begun: AppTest) -> None:
    begun.switch_page("../pages/overview.py").run()
    labels = [link.proto.label for link in begun.get("page_link")]
    assert "A redeploy test is waiting for a deployment, begun just now, 2 probes" in labels


def test_without_a_deployment_nothing_is_proven_and_the_test_goes_on(begun: AppTest) -> None:
    run = _receipt().run
    page = press(begun, f"redeploy.check-{run}")
    words = text_of(page)
    assert "INCONCLUSIVE]" in words
    assert "the same deployment is still running" in words
    assert "waiting for a deployment" in words
    assert work.past_reports() == []


@pytest.mark.usefixtures("backend")
def test_the_next_deployment_checks_by_itself(
    begun: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = _receipt()
    deploy(monkeypatch, "b" * 40)
    work.check_waiting()
    page = finish(_follow(begun, test=receipt.run))
    assert not page.exception
    assert waiting_tests() == []
    assert "Cleaned up: a recount finds 0 of the probes." in text_of(page.run())
    (report,) = work.past_reports()
    assert (report.run, report.survived) == (receipt.run, 2)
    words = text_of(page)
    # The disk stayed, so that ChromaDB kept what it had.
    assert "PASS]" in words
    assert "waiting for" not in words


def test_a_start_of_the_same_deployment_leaves_the_test_waiting(begun: AppTest) -> None:
    work.check_waiting()
    finish(begun)
    assert len(waiting_tests()) == 1
    assert work.past_reports() == []


def test_a_link_with_the_code_alone_looks_only_when_asked_to_and_finds_the_loss(
    app: AppTest, data_dir: Path, shared: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_GIT_COMMIT", "a" * 40)
    code = redeploy_test.to_code(redeploy_test.begin(shared, 2), shared.settings)
    deploy(monkeypatch, "b" * 40, wiped=data_dir)
    app.switch_page(PAGE)
    _follow(app, receipt=code)
    assert not app.exception
    assert "A receipt came with the link" in text_of(app)
    assert work.past_reports() == []
    page = press(app, "redeploy.check")
    words = text_of(page)
    assert "FAIL]" in words
    assert "2 of 2 are lost" in words
    assert [report.verdict for report in work.past_reports()] == [Verdict.FAIL]
    _follow(page, receipt=code)
    assert "This receipt was checked already" in text_of(page)


def test_the_file_alone_is_enough(
    app: AppTest, data_dir: Path, shared: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = redeploy_test.to_file(redeploy_test.begin(shared, 2), shared.settings)
    deploy(monkeypatch, "b" * 40, wiped=data_dir)
    app.switch_page(PAGE).run()
    app.file_uploader(key="redeploy.file").upload("receipt.json", content)
    page = press(app, "redeploy.check")
    assert "FAIL]" in text_of(page)


@pytest.mark.parametrize(
    ("code", "said"),
    [("", "neither a code nor a file"), ("ABC-DEF", "this is not the code of a redeploy test")],
)
def test_an_invalid_code_is_a_sentence(app: AppTest, code: str, said: str) -> None:
    app.switch_page(PAGE).run()
    app.text_input(key="redeploy.code").set_value(code)
    page = press(app, "redeploy.check")
    assert "This receipt cannot be used" in page.error[0].value
    assert said.lower() in text_of(page).lower()


def test_an_invalid_link_or_file_is_a_sentence(app: AppTest) -> None:
    app.switch_page(PAGE)
    _follow(app, receipt="![x](https://evil.example)")
    assert "This receipt cannot be used" in app.error[0].value
    app.file_uploader(key="redeploy.file").upload("receipt.json", b'{"a": 1}')
    page = press(app, "redeploy.check")
    assert "This file is not a receipt of a redeploy test" in text_of(page)


def test_a_test_can_be_ended_without_a_verdict(begun: AppTest, shared: MemoryService) -> None:
    page = press(begun, f"redeploy.end-{_receipt().run}")
    assert "Ended without a verdict; a recount finds 0 probes." in text_of(page)
    assert waiting_tests() == []
    assert redeploy_test.leftovers(connection().service()) == []


def test_what_earlier_tests_left_behind_is_cleaned_up(begun: AppTest) -> None:
    service = connection().service()
    service.parts.backend.objects.delete([f"redeploy/v1/{_receipt().run}.begun.json"])
    memory_calls.try_again()
    begun.run()
    assert "1 earlier test did not end" in text_of(begun)
    page = press(begun, "redeploy.clean-up")
    assert "Cleaned up after 1 earlier test; a recount finds 0 of the probes." in text_of(page)
    assert leftover_tests() == []


def test_the_hook_starts_a_deployment_after_a_second_press(
    app: AppTest, shared: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.method)
        return Response(200, (), b"{}")

    receipt = redeploy_test.begin(shared, 1)
    server = HttpServer(answer)
    server.start()
    try:
        monkeypatch.setenv("RENDER_DEPLOY_HOOK_URL", f"{server.url}/deploy/secret-key")
        deploy(monkeypatch, "a" * 40)
        app.switch_page(PAGE).run()
        assert asked == []
        page = press(app, f"redeploy.deploy-{receipt.run}")
    finally:
        server.stop()
    assert asked == ["POST"]
    assert "The host has accepted the deployment" in text_of(page)
    assert "secret-key" not in text_of(page)


def test_a_second_click_finds_the_simulation_of_the_first(
    shared: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = [], threading.Event()

    def simulate(level: Level, count: int, *, on_step: Callable[..., None]) -> Report:
        begun.append((level, count))
        go_on.wait(TIMEOUT_S)
        return make_report()

    monkeypatch.setattr(redeploy_test, "simulate", simulate)
    first, second, other = (work.run_simulation("redeploy", count) for count in (1, 1, 2))
    assert first == second != other
    go_on.set()
    wait_for_jobs()
    assert sorted(begun) == [("redeploy", 1), ("redeploy", 2)]
