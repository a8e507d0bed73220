"""Charts say in a sentence what they show, and hold no markup of others."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest

from dashboard.ui import charts
from memory_core.model.records import UserId, UserSummary

NOW = dt.datetime(2025, 11, 12, tzinfo=dt.UTC)


def _users(count: int) -> list[UserSummary]:
    return [
        UserSummary(UserId(f"user{number}@example.com"), count - number, NOW, NOW)
        for number in range(count)
    ]


def test_beyond_the_top_the_users_share_one_bar() -> None:
    bars = charts.per_user(_users(54)).figure.data[0]
    assert len(bars.x) == charts.TOP_USERS + 1
    assert bars.hovertext[-1] == "34 more users"
    assert sum(bars.x) == sum(range(1, 55))


def test_few_users_have_a_bar_each() -> None:
    chart = charts.per_user(_users(3))
    assert list(chart.figure.data[0].x) == [3, 2, 1]
    assert chart.alt == "6 memories of 3 users; user0@example.com has the most, 3."


def test_equal_short_names_stay_two_bars() -> None:
    long = "a" * 60
    users = [UserSummary(UserId(f"{long}{n}"), 1, NOW, NOW) for n in range(2)]
    bars = charts.per_user(users).figure.data[0]
    assert list(bars.y) == [0, 1]
    assert list(bars.customdata) == [f"{long}0", f"{long}1"]


def test_labels_are_escaped() -> None:
    hostile = [UserSummary(UserId('<a href="//evil.example">x</a>'), 1, NOW, NOW)]
    figure = charts.per_user(hostile).figure
    assert "<a" not in str(figure.layout) + str(figure.data[0].hovertext)


def test_the_distribution_counts_every_user_once() -> None:
    sizes = (1, 1, 2, 3, 5, 6, 1_000, 1_001, 90_000)
    users = [UserSummary(UserId(f"u{n}"), size, NOW, NOW) for n, size in enumerate(sizes)]
    chart = charts.distribution(users)
    bars = dict(zip(chart.figure.data[0].x, chart.figure.data[0].y, strict=True))
    assert {label: count for label, count in bars.items() if count} == {
        "1": 2, "2": 1, "3–5": 2, "6–10": 1, "501–1,000": 1, "1,001 or more": 2,
    }  # fmt: skip
    assert chart.alt.startswith("Users by their number of memories, half of them up to 5: 2 users")


def test_days_without_memories_are_zero() -> None:
    days = {dt.date(2025, 1, 1): 2, dt.date(2025, 1, 4): 5}
    chart = charts.per_day(days, height=200)
    assert list(chart.figure.data[0].y) == [2, 0, 0, 5]
    assert chart.figure.data[0].fill == "tozeroy"
    assert "1 Jan 2025 to 4 Jan 2025; most on 4 Jan 2025, 5." in chart.alt


def test_a_single_day_is_a_bar() -> None:
    chart = charts.per_day({dt.date(2025, 1, 1): 2}, height=200)
    assert chart.figure.data[0].type == "bar"


def test_backends_keep_their_colours() -> None:
    figure = charts.stored_where({"s3_vectors": 3, "chroma": 2, "ledger": 0}).figure
    assert [bar.marker.color for bar in figure.data] == ["#0F766E", "#D97706"]
    assert figure.data[0].name == "Amazon S3 Vectors: 3"


@pytest.mark.parametrize(
    ("points", "chosen"),
    [
        ([], None),
        ([{"customdata": "bob@example.com"}], "bob@example.com"),
        ([{"customdata": ["bob@example.com"]}], "bob@example.com"),
        ([{"customdata": None}], None),
        ([{"customdata": []}], None),
        ([{}], None),
    ],
)
def test_the_clicked_user_is_read_from_the_bar(points: list[object], chosen: str | None) -> None:
    event = SimpleNamespace(selection=SimpleNamespace(points=points))
    assert charts.clicked_user(event) == chosen
