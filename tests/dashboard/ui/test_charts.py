"""Charts say in a sentence what they show, and hold no markup of others."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace

from plotly.offline import get_plotlyjs_version

from dashboard import routes
from dashboard.ui import charts
from memory_core import ServiceStart
from memory_core.ledger.entries import next_ulid
from memory_core.model.call_counts import CallCount
from memory_core.model.census import Census, Origin, Placement
from memory_core.model.records import Kind, UserId, UserSummary
from tests.support.redeploy_reports import make_report

NOW = dt.datetime(2025, 11, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=9)


def _users(count: int) -> list[UserSummary]:
    return [
        UserSummary(UserId(f"user{number}@example.com"), count - number, NOW, NOW)
        for number in range(count)
    ]


def test_the_top_ten_have_a_bar_each_and_the_rest_none() -> None:
    chart = charts.per_user(_users(9_990), {UserId("user1@example.com"): 4}, {"user2@example.com"})
    bars = chart.figure.data[0]
    assert list(bars.x) == list(range(9_990, 9_980, -1))
    assert list(bars.text)[:3] == ["9,990", "9,989 (+4)", "9,988"]
    assert len({*bars.marker.color}) == 2
    assert chart.alt == (
        "user0@example.com has the most of 9,990 users, 9,990 memories; created in seven days: "
        "4; store and record differ for 1 user."
    )


def test_equal_short_names_stay_two_bars() -> None:
    long = "a" * 60
    users = [UserSummary(UserId(f"{long}{n}"), 1, NOW, NOW) for n in range(2)]
    bars = charts.per_user(users, {}, ()).figure.data[0]
    assert list(bars.y) == [0, 1]
    assert list(bars.customdata) == [f"./memories?user={long}0", f"./memories?user={long}1"]


def test_labels_are_escaped() -> None:
    hostile = '<a href="//evil.example">x</a>'
    figure = charts.per_user([UserSummary(UserId(hostile), 1, NOW, NOW)], {}, ()).figure
    assert "<a" not in str(figure)
    start = ServiceStart(NOW, "chroma", "", hostile, hostile, "")
    strip = charts.storage_strip([start], [], {}, NOW, LATER)
    assert "<a" not in str(strip.figure)


def test_the_distribution_counts_every_user_once() -> None:
    sizes = (1, 1, 2, 3, 5, 6, 1_000, 1_001, 90_000)
    users = [UserSummary(UserId(f"u{n}"), size, NOW, NOW) for n, size in enumerate(sizes)]
    chart = charts.distribution(users)
    bars = dict(zip(chart.figure.data[0].x, chart.figure.data[0].y, strict=True))
    assert {label: count for label, count in bars.items() if count} == {
        "1": 2, "2": 1, "3–5": 2, "6–10": 1, "501–1,000": 1, "1,001 or more": 2,
    }  # fmt: skip
    assert chart.alt.startswith("Users by their number of memories, half of them up to 5: 2 users")


def _census(growth: dict[dt.date, dict[Origin, int]]) -> Census:
    return Census((), (), 7, growth, {}, NOW)


GROWTH: dict[dt.date, dict[Origin, int]] = {
    dt.date(2024, 3, 1): {"import": 5},
    dt.date(2025, 11, 11): {"saved": 2, "document": 3},
}


def test_growth_goes_by_day_and_source_and_days_without_memories_are_zero() -> None:
    chart = charts.growth(_census(GROWTH), 3, total=False, height=200)
    assert {bars.name: list(bars.y) for bars in chart.figure.data} == {
        "saved: 2": [0, 2, 0],
        "document: 3": [0, 3, 0],
    }
    assert chart.alt.startswith("5 memories by the day of creation, 11 Nov 2025")
    whole = charts.growth(_census(GROWTH), 0, total=False, height=200)
    assert whole.alt.startswith("10 memories by the day of creation, 1 Mar 2024 to 11 Nov 2025")


def test_a_memory_from_before_all_and_one_from_the_future_do_not_stretch_the_growth() -> None:
    odd: dict[dt.date, dict[Origin, int]] = {dt.date(1, 1, 1): {"import": 1}}
    chart = charts.growth(
        _census({**odd, dt.date(9999, 1, 1): {"import": 1}}), 0, total=True, height=90
    )
    assert len(chart.table["Day"]) == charts.LONGEST
    assert {*chart.figure.data[0].y} == {1}


def test_the_total_of_a_period_begins_with_what_was_there_before() -> None:
    chart = charts.growth(_census(GROWTH), 3, total=True, height=200)
    assert {line.name: list(line.y) for line in chart.figure.data} == {
        "saved": [0, 2, 2],
        "document": [0, 3, 3],
        "import": [5, 5, 5],
    }


def test_a_period_without_memories_says_so() -> None:
    chart = charts.growth(_census({dt.date(2024, 3, 1): {"saved": 1}}), 30, total=False, height=200)
    assert chart.alt == "0 memories by the day of creation, none since 14 Oct 2025."


def test_the_parts_of_what_should_be_and_is() -> None:
    placement = Placement("s3_vectors", 3, {UserId("ann"): 2}, 1, NOW)
    chart = charts.should_be(placement, None)
    assert chart.figure.data[0].marker.color == charts.BACKEND_COLOURS["s3_vectors"]
    assert chart.alt == (
        "Memories on record compared with S3 Vectors: in both: 3, missing: 2, orphans: 1, "
        "elsewhere: not checked."
    )
    assert list(charts.should_be(placement, 4).table["Memories"]) == [3, 2, 1, 4]


def test_the_strip_shows_storage_deployments_and_verdicts() -> None:
    day = dt.timedelta(days=1)
    first = ServiceStart(NOW, "chroma", "", "c1", "i1", "d1")
    starts = [first, replace(first, at=NOW + day), replace(first, at=NOW + 2 * day, commit="c2")]
    starts.append(replace(starts[-1], at=NOW + 3 * day, backend="s3_vectors"))
    report = replace(make_report(), ended_at=(NOW + day).isoformat())
    days = {NOW.date(): 2, (NOW + day).date(): 3}
    chart = charts.storage_strip(starts, [report], days, NOW - day, NOW + 4 * day)
    traces = {trace.name: trace for trace in chart.figure.data}
    assert [len(traces[name].x) for name in ("Not recorded", "ChromaDB", "S3 Vectors")] == [
        1, 3, 1,
    ]  # fmt: skip
    assert (len(traces["start"].x), len(traces["deployment"].x)) == (3, 1)
    assert list(traces["redeploy test"].customdata) == [f"./redeploy?test={report.run}"]
    assert list(traces["memories"].y) == [2, 5, 5]
    assert chart.alt == (
        "Storage since 11 Nov 2025: S3 Vectors now, 4 starts, 1 deployment, 1 redeploy test."
    )


def test_a_place_of_last_year_without_a_recorded_start_is_grey_until_now() -> None:
    chart = charts.storage_strip([], [], {NOW.date(): 1}, NOW, LATER)
    assert chart.figure.data[0].name == "Not recorded"
    assert "no start on record" in chart.alt


def test_questions_are_answered_find_nothing_or_fail() -> None:
    count = CallCount(calls=5, empty=1, errors=Counter(BackendError=1))
    chart = charts.answers({(NOW, "search"): count, (NOW, "save"): CallCount(calls=3)}, 170)
    assert chart.alt == (
        "Questions and failures by hour: answered: 3, nothing found: 1, failed: 1, "
        "saves that failed: 0."
    )
    assert list(chart.table["answered"]) == [3]


def test_what_draws_them_is_of_the_version_that_describes_them() -> None:
    assert routes.PLOTLY.name == f"plotly-basic-{get_plotlyjs_version()}.min.js"
    assert f"(basic - minified) v{get_plotlyjs_version()}\n" in routes.PLOTLY.read_text("utf-8")
    assert f"'./{routes.PLOTLY.name}'" in (routes.PLOTLY.parent / "page.js").read_text("utf-8")


def test_the_line_of_a_user_has_marks_that_lead_to_their_moment() -> None:
    starts = [
        ServiceStart(NOW + dt.timedelta(hours=hour), "chroma", "", commit, "web", "")
        for hour, commit in enumerate(("aaaaaaa", "bbbbbbb"))
    ]
    merge = next_ulid("", NOW + dt.timedelta(hours=3))
    marks = charts.marks(starts, [make_report()], {merge: "merge"})
    assert [kind for _, kind, _ in marks] == ["deployment", "redeploy test", "merge"]
    chart = charts.timeline({NOW.date(): {Kind.ADD: 2}}, marks, NOW, 200, "at {}".format)
    assert "1 deployment, 1 merge" in chart.alt.replace("1 redeploy test, ", "")
    points = {trace.name: list(trace.customdata) for trace in chart.figure.data}
    assert points["Saved: 2"] == ["at 2025-11-12T23:59:59.999999"]
    assert points["deployment: 1"] == [f"at {starts[1].at.isoformat()}"]
    assert points["merge: 1"] == [f"at {(NOW + dt.timedelta(hours=3)).isoformat()}"]
