"""No check can stop the others, and what waits for one is not taken for a fault of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError
from itertools import pairwise
from threading import Event
from typing import Any

import pytest

from memory_core.doctor import (
    CHECKS,
    KINDS,
    Check,
    CheckState,
    Finding,
    FindingKind,
    Fix,
    Level,
    diagnose,
)
from memory_core.doctor.context import Context
from memory_core.doctor.findings import KIND, choose, in_order
from memory_core.doctor.run import CheckResult, run_checks
from memory_core.errors import UnknownCheck
from memory_core.settings import survey

BAD = FindingKind("test.E001", "Something is bad", "Customers wait.", (Fix("Mend it"),))
ODD = FindingKind("test.W001", "Something is odd", "Customers wonder.", (Fix("Look at it"),))
NOTE = FindingKind("test.I001", "Something is noted", "Nothing.")
SECRET = "a-secret-of-the-environment"


def check(name: str, look: Any, *needs: str, **more: Any) -> Check:
    finds = " ".join(kind.id for kind in (BAD, ODD, NOTE))
    return Check(name, f"Title of {name}", look, finds, needs=needs, **more)


def finds(kind: FindingKind) -> Any:
    def look(context: Context) -> Iterator[Finding]:
        yield kind.finding(f"{kind.title}.")

    return look


def well(context: Context) -> Iterator[Finding]:
    return iter(())


def broken(context: Context) -> Iterator[Finding]:
    yield NOTE.finding("Before the fault.")
    raise ZeroDivisionError(f"division by {SECRET}")


def leaves(context: Context) -> Iterator[Finding]:
    raise SystemExit(3)


def run(*checks: Check) -> dict[str, CheckResult]:
    context = Context(survey({"TEST_TOKEN": SECRET}))
    return {one.run.name: one for one in run_checks(checks, context)}


def test_what_needs_a_failed_check_is_skipped_because_of_it_down_to_the_last() -> None:
    found = run(
        check("a.bad", finds(BAD)),
        check("a.odd", finds(ODD)),
        check("b.waits", well, "a.bad"),
        check("c.waits", finds(BAD), "b.waits"),
        check("d.goes", well, "a.odd"),
    )
    states = {name: one.run.state for name, one in found.items()}
    assert states == {
        "a.bad": CheckState.FOUND,
        "a.odd": CheckState.FOUND,
        "b.waits": CheckState.SKIPPED,
        "c.waits": CheckState.SKIPPED,
        "d.goes": CheckState.OK,
    }
    assert {one.run.because for one in found.values()} == {"", "a.bad"}
    assert "a.bad" in found["c.waits"].run.reason
    assert found["c.waits"].findings == ()
    assert found["c.waits"].run.ms is None


@pytest.mark.parametrize("look", [broken, leaves])
def test_a_check_that_crashes_says_why_and_the_others_go_on(look: Any) -> None:
    found = run(check("a.broken", look), check("b.waits", well, "a.broken"), check("c.goes", well))
    crashed = found["a.broken"]
    assert crashed.run.state is CheckState.CRASHED
    assert [one.id for one in crashed.findings] == ["doctor.E001"]
    assert type(crashed.run.reason) is str
    assert re.search(
        r"(ZeroDivisionError|SystemExit): .* at test_runner\.py:\d+", crashed.run.reason
    )
    assert SECRET not in repr(crashed)
    assert found["b.waits"].run.because == "a.broken"
    assert found["c.goes"].run.state is CheckState.OK


def test_a_slow_check_is_cut_off_and_the_others_go_on() -> None:
    released = Event()

    def slow(context: Context) -> Iterator[Finding]:
        released.wait(10)
        yield BAD.finding("Too late.")

    found = run(
        check("a.slow", slow, limit_s=0.05),
        check("b.waits", well, "a.slow"),
        check("c.goes", finds(ODD)),
    )
    released.set()
    assert found["a.slow"].run.state is CheckState.CUT_OFF
    assert "0.05 s" in found["a.slow"].run.reason
    assert [one.id for one in found["a.slow"].findings] == ["doctor.W001"]
    assert (found["a.slow"].run.ms or 0) >= 50
    assert found["b.waits"].run.state is CheckState.SKIPPED
    assert [one.id for one in found["c.goes"].findings] == ["test.W001"]


def test_progress_is_told_before_each_check_and_at_the_end() -> None:
    told: list[tuple[int, int, str]] = []
    checks = [check("a.one", well), check("b.two", well)]
    context = Context(survey({}))
    assert len(list(run_checks(checks, context, lambda *step: told.append(step)))) == 2
    assert told == [(0, 2, "Title of a.one"), (1, 2, "Title of b.two"), (2, 2, "")]


def test_findings_are_values_that_can_be_compared() -> None:
    assert BAD.finding("It is.") == BAD.finding("It is.")
    assert BAD.finding("It is.") != BAD.finding("It was.")
    assert hash(BAD.finding("It is.")) == hash(BAD.finding("It is."))
    assert (BAD.level, ODD.level, NOTE.level) == (Level.ERROR, Level.WARNING, Level.INFO)
    assert BAD.finding("It is.").hint == "Mend it"
    with pytest.raises(AttributeError):
        BAD.finding("It is.").id = "other"  # type: ignore[misc]


def test_every_check_comes_after_what_it_needs_and_has_a_name_of_its_own() -> None:
    names = [one.name for one in CHECKS]
    assert len(set(names)) == len(names)
    for at, one in enumerate(CHECKS):
        assert set(one.needs) <= set(names[:at]), one.name
        assert one.ids
        assert re.fullmatch(r"[a-z]+\.[a-z0-9]+", one.name)


def test_the_order_follows_from_needs_and_otherwise_from_how_checks_are_given() -> None:
    given = [
        check("c.last", well, "b.next", "a.first"),
        check("b.next", well, "a.first"),
        check("z.alone", well),
        check("b.other", well, "a.first"),
        check("a.first", well),
    ]
    names = [one.name for one in in_order(given)]
    assert names == ["z.alone", "a.first", "b.next", "b.other", "c.last"]
    with pytest.raises(CycleError):
        in_order([check("a.one", well, "b.two"), check("b.two", well, "a.one")])
    with pytest.raises(KeyError, match=r"b\.two"):
        in_order([check("a.one", well, "b.two")])


def test_every_kind_has_an_id_a_short_title_and_what_to_do() -> None:
    assert {one.id for one in KINDS} == KIND.keys()
    for one in KINDS:
        assert re.fullmatch(r"[a-z]+\.[EWI]\d{3}", one.id)
        assert 0 < len(one.title) < 80
        assert one.consequence.endswith(".")
        assert bool(one.fixes) == (one.level is not Level.INFO), one.id


def test_the_numbers_of_a_subject_have_no_gaps() -> None:
    groups: dict[str, list[int]] = {}
    for one in KINDS:
        groups.setdefault(one.id[:-3], []).append(int(one.id[-3:]))
    for name, numbers in groups.items():
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), name


def test_without_a_tag_nothing_that_bears_one_is_run() -> None:
    plain, _ = choose(CHECKS, (), ())
    assert not any(one.tags for one in plain)
    for tag in ("live", "data", "deep"):
        more, _ = choose(CHECKS, (tag,), ())
        assert {one.name for one in more} > {one.name for one in plain}
        assert all(tag in one.tags for one in more if one.tags)
    assert {len(one.needs) for one, _ in pairwise(plain)} > {0}


@pytest.mark.parametrize("only", ["index.E004", "index.age"])
def test_one_check_runs_with_all_that_it_needs(only: str) -> None:
    checks, asked = choose(CHECKS, (), (only,))
    assert asked == {"index.age"}
    assert {"index.fits", "bucket.there", "settings.values"} <= {one.name for one in checks}
    assert "probe.roundtrip" not in {one.name for one in checks}


def test_of_one_check_nothing_else_is_told_but_what_it_waits_for() -> None:
    told = diagnose({"MEMORY_BACKEND": "s4"}, only=["disk.W001"])
    assert [one.name for one in told.checks] == ["settings.values", "disk.kept"]
    assert [one.id for one in told.findings] == ["settings.E001"]
    told = diagnose({"TZ": "Mars/Olympus", "MEMORY_INDEX": ""}, only=["environment"])
    assert {one.subject for one in told.findings} == {"environment"}


def test_a_finding_is_silenced_with_a_reason_and_counted() -> None:
    silenced = {"settings.I001": "a template sets it", "settings.E002": "not there anyway"}
    told = diagnose({"MEMORY_INDEX": ""}, only=["settings.names"], silenced=silenced)
    assert told.findings == ()
    assert [(one.id, one.reason) for one in told.silenced] == [
        ("settings.I001", "a template sets it")
    ]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"only": ["nix"]}, "no check, finding or subject 'nix'"),
        ({"only": ["settings.E999"]}, "settings.E999"),
        ({"tags": ["everything"]}, "no tag 'everything'; use live, data, deep"),
        ({"silenced": {"nix.E001": "so"}}, "no finding 'nix.E001'"),
        ({"silenced": {"disk.W001": " "}}, "disk.W001 is silenced without a reason"),
    ],
)
def test_what_does_not_exist_is_refused(options: Any, match: str) -> None:
    with pytest.raises(UnknownCheck, match=match):
        diagnose({}, **options)
