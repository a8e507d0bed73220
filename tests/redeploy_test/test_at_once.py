"""Two tests, two verifiers, tests that are cut off or ended: one report each, nothing left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from memory_core import MemoryService
from memory_core.errors import BackendError, NotIndexed
from memory_core.model.records import Receipt
from memory_core.redeploy_test import (
    ProbeState,
    RedeployReceipt,
    Verdict,
    abandon,
    begin,
    from_code,
    leftovers,
    pending,
    reports,
    to_code,
    verify,
)
from memory_core.redeploy_test.deployment import make_report, observe
from memory_core.redeploy_test.records import ROOT
from memory_core.redeploy_test.report import Control
from tests.support.installation import GoOn, Installation, MakeInstallation, hands


@pytest.fixture(params=["s3", "chroma"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_two_tests_at_once_do_not_disturb_each_other(install: MakeInstallation, kind: str) -> None:
    installation = install(kind)
    first, second = installation.begin(3), installation.begin(3)
    assert installation.look(first)[1] == [first.run, second.run]
    with hands(installation) as opened:
        opened.lose(first.probes[:1])
    installation.deploy()
    assert installation.verify(first).verdict is Verdict.FAIL
    assert installation.look(second) == ([], [second.run], [])
    assert installation.verify(second).verdict is Verdict.PASS
    assert installation.remains(first) == installation.remains(second) == []


def _begin(installation: Installation) -> RedeployReceipt:
    return installation.begin(3)


def test_verifying_again_gives_the_same_report(go_on: GoOn, kind: str) -> None:
    installation, receipt = go_on(kind, _begin)
    code = to_code(receipt, installation.settings)
    installation.deploy()
    if installation.standin:
        installation.standin.reset_requests()
    report = installation.verify(receipt)
    if installation.standin:
        assert sum(installation.standin.request_counts().values()) <= 7 * 3 + 60
    again = [
        installation.verify(receipt),
        installation.verify(from_code(code, installation.settings)),
    ]
    assert [replace(one, left_behind=0) for one in again] == [report, report]
    assert installation.look(receipt) == ([Verdict.PASS], [], [])


def test_two_verifiers_at_once_give_one_report(go_on: GoOn, kind: str) -> None:
    installation, receipt = go_on(kind, _begin)
    installation.deploy()
    settings = installation.settings
    with ThreadPoolExecutor(3) as threads:
        found = [threads.submit(verify, receipt, settings) for _ in range(3)]
        found_reports = [one.result() for one in found]
    assert {one.verdict for one in found_reports} == {Verdict.PASS}
    assert len({one.ended_at for one in found_reports}) == 1
    assert installation.look(receipt) == ([Verdict.PASS], [], [])
    assert installation.remains(receipt) == []
    with installation.open() as service:
        assert [one.left_behind for one in reports(service)] == [0]


def test_a_clean_up_that_fails_changes_no_verdict_and_is_made_up_for(go_on: GoOn) -> None:
    installation, receipt = go_on("s3", _begin)
    installation.deploy()
    assert installation.standin
    installation.standin.set_switches(deny_actions=("s3vectors:DeleteVectors",))
    report = installation.verify(receipt)
    assert (report.verdict, report.left_behind) == (Verdict.PASS, None)
    installation.standin.reset_switches()
    assert installation.look(receipt) == ([Verdict.PASS], [], [receipt.run])
    again = installation.verify(receipt)
    assert (again.verdict, again.left_behind) == (Verdict.PASS, 0)
    assert installation.remains(receipt) == []
    with installation.open() as service:
        assert [kept.left_behind for kept in reports(service)] == [0]


class Killed(BaseException):
    """The process dies here."""


def test_a_check_that_was_killed_is_repeated_and_says_what_it_left(
    install: MakeInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install("chroma")
    receipt = installation.begin(6)
    installation.deploy()
    forget, forgotten = MemoryService.forget_user, []

    def forget_once(service: MemoryService, user_id: str, **choices: bool) -> Receipt:
        if forgotten:
            raise Killed
        forgotten.append(user_id)
        return forget(service, user_id, **choices)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryService, "forget_user", forget_once)
        with pytest.raises(Killed):
            installation.verify(receipt)
    report = installation.verify(receipt)
    assert (report.verdict, report.left_behind) == (Verdict.PASS, 0)
    assert report.headlines == (
        "An earlier check was cut off, or is still running, and had left 1 entry and 1 object of "
        "the test; a recount after the clean-up finds 0 items.",
    )
    assert installation.remains(receipt) == []
    assert installation.verify(receipt).headlines == ()


def test_a_test_that_was_abandoned_is_not_called_a_loss(go_on: GoOn, kind: str) -> None:
    installation, receipt = go_on(kind, _begin)
    with installation.open() as service:
        assert abandon(service, receipt.run) == 0
    assert installation.remains(receipt) == []
    installation.deploy()
    report = installation.verify(receipt)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "removed on purpose" in report.reason
    assert installation.look(receipt) == ([], [], [])


def test_leftovers_are_tests_that_nobody_waits_for(install: MakeInstallation) -> None:
    installation = install("s3")
    receipt = installation.begin(2)
    with installation.open() as service:
        objects = service.parts.backend.objects
        objects.delete([f"{ROOT}{receipt.run}.begun.json"])
        assert leftovers(service) == [receipt.run]
        busy = f"{ROOT}{receipt.run}.busy.json"
        objects.put_if_absent(busy, b"{}")
        assert leftovers(service) == [], "somebody is at it"
        abandon(service, receipt.run)
        assert leftovers(service) == []
    assert installation.remains(receipt) == []


def test_a_test_that_is_being_written_is_not_left_over(install: MakeInstallation) -> None:
    seen: list[list[str]] = []
    with install("chroma").open() as service:
        begin(service, 2, on_receipt=lambda receipt: seen.append(leftovers(service)))
    assert seen == [[], [], []]


def test_receipts_of_others_and_broken_reports_stop_nobody(install: MakeInstallation) -> None:
    installation = install("chroma")
    receipt = installation.begin(1)
    own = dict(installation.environ)
    installation.environ["MEMORY_RECEIPT_KEY"] = "of another installation"
    other = installation.begin(1)
    installation.environ = own
    with installation.open() as service:
        service.parts.backend.objects.put_if_absent(f"{ROOT}0.report.json", b'{"run": 1')
        service.parts.backend.objects.put_if_absent(f"{ROOT}1.report.json", b'{"run": "1"}')
        assert [one.run for one in pending(service)] == [receipt.run]
        assert leftovers(service) == []
    installation.deploy()
    assert installation.verify(receipt).verdict is Verdict.PASS
    assert installation.look(receipt) == ([Verdict.PASS], [], [])
    assert installation.remains(other) != []


def test_what_was_never_acknowledged_is_no_loss(install: MakeInstallation) -> None:
    installation = install("s3")
    assert installation.standin
    states: list[RedeployReceipt] = []
    # From the third save on no vector is written, however often it is tried.
    installation.standin.add_fault(
        "error503", service="s3vectors", operation="PutVectors", nth=3, times=1000
    )
    with installation.open() as service:
        receipt = begin(service, 4, on_receipt=states.append)
    assert receipt.acknowledged == (1, 2)
    assert states[-1] == receipt
    installation.standin.clear_faults()
    with hands(installation) as opened:
        never = [one for one in receipt.probes if one.number not in receipt.acknowledged]
        opened.lose(never)
    installation.deploy()
    report = installation.verify(receipt)
    assert report.verdict is Verdict.DEGRADED, report.reason
    assert "only 2 of 4 probes could be stored" in report.reason
    assert {one.number for one in report.probes if one.state is ProbeState.NEVER} == {
        one.number for one in never
    }
    assert installation.remains(receipt) == []


def test_nothing_acknowledged_proves_nothing(install: MakeInstallation) -> None:
    installation = install("s3")
    assert installation.standin
    states: list[RedeployReceipt] = []
    with installation.open() as service:
        installation.standin.add_fault(
            "error503", service="s3vectors", operation="PutVectors", nth="every"
        )
        with pytest.raises((NotIndexed, BackendError)):
            begin(service, 5, on_receipt=states.append)
        installation.standin.clear_faults()
    installation.deploy()
    report = installation.verify(states[-1])
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "nothing to lose" in report.reason
    with installation.open() as service:
        abandon(service, states[-1].run)
    assert installation.remains(states[-1]) == []


@pytest.mark.parametrize(
    ("control", "words"),
    [
        (Control(3, 1), "1 of its 3 probes survived a wiped disk"),
        (Control(0, 0), "never stored"),
    ],
)
def test_a_control_that_was_not_lost_proves_nothing(
    install: MakeInstallation, control: Control, words: str
) -> None:
    installation = install("chroma")
    receipt = installation.begin(3)
    installation.deploy()
    with installation.open() as service:
        seen = observe(service, receipt)
    assert (
        make_report(receipt, seen, level="redeploy", control=Control(3, 0)).verdict is Verdict.PASS
    )
    report = make_report(receipt, seen, level="redeploy", control=control)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert words in report.reason
    unseen = make_report(
        receipt, replace(seen, results=()), level="redeploy", control=Control(3, 0)
    )
    assert unseen.verdict is Verdict.INCONCLUSIVE
