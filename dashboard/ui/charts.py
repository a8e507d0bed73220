"""Charts, each with a sentence that says the same."""

import bisect
import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, Final, get_args

import plotly.graph_objects as go

from memory_core import ServiceStart
from memory_core.ledger.entries import time_in
from memory_core.model.call_counts import CallCount, CallKind
from memory_core.model.census import Census, Origin, Placement
from memory_core.model.counting import counted
from memory_core.model.records import Kind, UserSummary
from memory_core.model.user_id import UserId
from memory_core.redeploy_test import Report

from .. import routes
from . import tables, text
from .text import chart_label, one_line

TOP_USERS: Final = 10
FEW_DAYS: Final = 3
"""Fewer days are drawn with a margin, so that a bar keeps its width."""

LONGEST: Final = 3_650
"""Days of which the growth is drawn; earlier ones count in the total."""

_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 500, 1_000)
"""Most memories counted by each bar of the distribution; a last bar has the rest."""

_DAY_MS: Final = 24 * 3600 * 1000

# The same in both modes, because a backend has one colour everywhere; at least 3:1 on both grounds.
BACKEND_COLOURS: Final = {"s3_vectors": "#0F766E", "chroma": "#D97706"}
_TEAL, _AMBER = BACKEND_COLOURS.values()
_GREY, _RED, _VIOLET, _BLUE = "#64807B", "#DC2626", "#7E5AED", "#3B82F6"
_ORIGIN_COLOURS: Final[Mapping[str, str]] = dict(
    zip(get_args(Origin), (_TEAL, _BLUE, _AMBER, _VIOLET, _GREY), strict=True)
)
_KIND_COLOURS: Final = dict(zip(Kind, (_TEAL, _BLUE, _AMBER, _RED, _VIOLET), strict=True))
_EDGE: Final = {"width": 2, "color": "#10201E"}
_FONT: Final = {"family": "Source Sans, sans-serif", "size": 12}
_CLEAR: Final = "rgba(0, 0, 0, 0)"
_MARKS: Final = {
    "deployment": "triangle-up",
    "redeploy test": "star",
    "migration": "diamond",
    "merge": "square",
    "import": "cross",
}
_VERDICTS: Final = {"PASS": ("✓", "#15803D"), "FAIL": ("✗", _RED)}


@dataclass(frozen=True)
class Chart:
    """A figure, its text alternative, and its numbers as columns of a table.

    The custom data of a point is the address that a click on it opens, relative to the page.
    """

    figure: go.Figure
    alt: str
    table: Mapping[str, Sequence[object]] = field(default_factory=dict)


def per_user(
    users: Sequence[UserSummary], recent: Mapping[UserId, int], differing: Collection[UserId]
) -> Chart:
    """Draw the users with most memories, and how many of these were created in seven days.

    Users with memories that are not where they should be have another colour.
    """
    top = users[:TOP_USERS]
    labels = [chart_label(user.user_id, 34) for user in top]
    counts = [user.memories for user in top]
    news = [recent.get(user.user_id, 0) for user in top]
    # Positions, not names, on the axis: two shortened names may be equal.
    positions = list(range(len(labels)))
    bars = go.Bar(
        x=counts,
        y=positions,
        orientation="h",
        customdata=[routes.address(routes.MEMORIES, user=user.user_id) for user in top],
        text=[
            f"{count:,}{f' (+{new:,})' if new else ''}"
            for count, new in zip(counts, news, strict=True)
        ],
        marker_color=[_RED if user.user_id in differing else _TEAL for user in top],
        cliponaxis=False,
        textposition="outside",
        hovertext=labels,
        hovertemplate="%{hovertext}: %{x:,}<extra></extra>",
    )
    wide = {"visible": False, "range": [0, max(counts, default=1) * 1.25]}
    names = {"tickvals": positions, "ticktext": labels, "autorange": "reversed", "showgrid": False}
    figure = _figure([bars], 21 * max(4, len(labels)) + 12, xaxis=wide, yaxis=names)
    wrong = f"; store and record differ for {counted(len(differing), 'user')}" if differing else ""
    return Chart(
        figure,
        f"{one_line(users[0].user_id, 60)} has the most of {counted(len(users), 'user')}, "
        f"{counted(users[0].memories, 'memory')}; created in seven days: "
        f"{sum(recent.values()):,}{wrong}.",
        {
            "User": [one_line(user.user_id) for user in top],
            "Memories": counts,
            "In 7 days": news,
            "In place": ["no" if user.user_id in differing else "yes" for user in top],
        },
    )


def growth(census: Census, days: int, *, total: bool, height: int) -> Chart:
    """Draw the memories by the UTC day of their creation, with a colour for each origin.

    Covers the last `days`, or `LONGEST` for 0; with `total`, counts all up to the end of a day.
    """
    today = census.as_of.date()
    first = today - dt.timedelta(days=(days or LONGEST) - 1)
    if not days:
        first = max(first, min(census.growth))
    dates = [first + dt.timedelta(days=n) for n in range((today - first).days + 1)]
    parts: dict[str, dict[dt.date, int]] = {}
    for origin in get_args(Origin):
        counts = [census.growth.get(date, {}).get(origin, 0) for date in dates]
        if total:
            before = [kinds.get(origin, 0) for day, kinds in census.growth.items() if day < first]
            counts = list(accumulate(counts, initial=sum(before)))[1:]
        if any(counts):
            parts[origin] = dict(zip(dates, counts, strict=True))
    colours = [_ORIGIN_COLOURS[origin] for origin in parts]
    margin = dt.timedelta(days=FEW_DAYS if len(dates) < FEW_DAYS else 1)
    period = [first - margin, today + margin]
    figure = _over_time(parts, height, _DAY_MS * 0.8, colours, total=total, range=period)
    shown = {day: count for day, count in census.days.items() if first <= day <= today}
    busiest = _busiest(shown) if shown else f"none since {text.day(first)}."
    return Chart(
        figure,
        f"{counted(sum(shown.values()), 'memory')} by the day of creation, {busiest}",
        {"Day": dates, **{name: list(counts.values()) for name, counts in parts.items()}},
    )


def marks(
    starts: Sequence[ServiceStart], reports: Sequence[Report], moves: Mapping[str, Origin]
) -> list[tuple[dt.datetime, str, str]]:
    """Return the time, kind and description of what happened around a user's memories."""
    judged = [(at, report) for report in reports if (at := text.parsed(report.ended_at))]
    return [
        *((start.at, "deployment", _start_words(start)) for start in _deployments(starts)),
        *((at, "redeploy test", report.verdict.value) for at, report in judged),
        *((time_in(event_id), origin, origin) for event_id, origin in moves.items()),
    ]


def timeline(
    days: Mapping[dt.date, Mapping[Kind, int]],
    marks: Sequence[tuple[dt.datetime, str, str]],
    chosen: dt.datetime,
    height: int,
    address: Callable[[str], str],
) -> Chart:
    """Draw a user's events by UTC day, a colour for each kind, marks above, and the chosen moment.

    A click opens the address of a moment in ISO 8601: of a mark its own, of a bar its day's end.
    """
    present = [kind for kind in Kind if any(kinds.get(kind) for kinds in days.values())]
    parts = {
        tables.KIND_WORDS[kind]: {
            day: kinds[kind] for day, kinds in days.items() if kinds.get(kind)
        }
        for kind in present
    }
    colours = [_KIND_COLOURS[kind] for kind in present]
    figure = _over_time(parts, height, _DAY_MS * 0.8, colours)
    margin = dt.timedelta(days=max(1, FEW_DAYS - len(days)))
    for bar in figure.data:
        bar.customdata = [address(f"{day}T23:59:59.999999") for day in bar.x]
    first = dt.datetime.combine(min(days) - margin, dt.time(), dt.UTC)
    shown = [mark for mark in marks if mark[0] >= first]
    for kind, symbol in _MARKS.items():
        own = [mark for mark in shown if mark[1] == kind]
        figure.add_scatter(
            x=[at for at, *_ in own],
            y=[1] * len(own),
            yaxis="y2",
            mode="markers",
            name=f"{kind}: {len(own):,}",
            showlegend=bool(own),
            marker={"symbol": symbol, "size": 11, "color": "#FFFFFF", "line": _EDGE},
            customdata=[address(at.isoformat()) for at, *_ in own],
            hovertext=[words for *_, words in own],
            hovertemplate="%{x|%-d %b %Y, %H:%M}, %{hovertext}<extra></extra>",
        )
    figure.add_vline(x=chosen, line={"color": _RED, "width": 2})
    figure.update_layout(yaxis2={"overlaying": "y", "visible": False, "range": [0, 1.08]})
    latest = max([max(days), *(at.date() for at, *_ in shown)])
    figure.update_xaxes(range=[min(days) - margin, latest + margin])
    totals = {day: sum(by_kind.values()) for day, by_kind in days.items()}
    counts = ", ".join(
        counted(n, kind) for kind, n in Counter(kind for _, kind, _ in shown).items()
    )
    said = f" Marks: {counts}." if counts else ""
    return Chart(figure, f"Events by day, {_busiest(totals)}{said}")


def distribution(users: Sequence[UserSummary]) -> Chart:
    """Draw how many users have how many memories."""
    lowest = [1, *(size + 1 for size in _SIZES)]
    labels = [
        f"{low:,}" if low == high else f"{low:,}–{high:,}"
        for low, high in zip(lowest, _SIZES, strict=False)
    ]
    labels.append(f"{lowest[-1]:,} or more")
    counts = [0] * len(labels)
    for user in users:
        counts[bisect.bisect_left(_SIZES, user.memories)] += 1
    while counts and not counts[-1]:
        counts.pop()
    labels = labels[: len(counts)]
    bars = go.Bar(
        x=labels,
        y=counts,
        marker_color=_TEAL,
        text=[f"{count:,}" if count else "" for count in counts],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{x} memories: %{y:,} users<extra></extra>",
    )
    sizes = {"type": "category", "showgrid": False, "title": {"text": "memories", "standoff": 14}}
    high = {"visible": False, "range": [0, max(counts, default=1) * 1.15]}
    figure = _figure([bars], 240, xaxis=sizes, yaxis=high)
    middle = sorted(user.memories for user in users)[len(users) // 2]
    parts = [
        f"{counted(count, 'user')} with {label}"
        for label, count in zip(labels, counts, strict=True)
        if count
    ]
    return Chart(
        figure,
        f"Users by their number of memories, half of them up to {middle:,}: {', '.join(parts)}.",
    )


def should_be(placement: Placement, elsewhere: int | None) -> Chart:
    """Draw one bar: memories on record and in the store, in only one of them, and elsewhere."""
    missing = sum(placement.missing.values())
    parts = {
        "in both": (placement.both, BACKEND_COLOURS[placement.backend]),
        "missing": (missing, _RED),
        "orphans": (placement.orphans, _VIOLET),
        "elsewhere": (elsewhere or 0, _GREY),
    }
    bars = []
    for name, (count, colour) in parts.items():
        label = "elsewhere: not checked" if name == "elsewhere" and elsewhere is None else ""
        bar = go.Bar(
            x=[count],
            y=[""],
            orientation="h",
            name=label or f"{name}: {count:,}",
            marker={"color": colour},
            hovertemplate="%{fullData.name}<extra></extra>",
        )
        bars.append(bar)
    whole = {"visible": False, "range": [0, max(1, sum(count for count, _ in parts.values()))]}
    hidden = {"visible": False}
    figure = _figure(bars, 32, barmode="stack", bargap=0, xaxis=whole, yaxis=hidden)
    said = ", ".join(f"{trace.name}" for trace in figure.data)
    return Chart(
        figure,
        f"Memories on record compared with {text.backend_name(placement.backend)}: {said}.",
        {"Where": list(parts), "Memories": [count for count, _ in parts.values()]},
    )


def storage_strip(
    starts: Sequence[ServiceStart],
    reports: Sequence[Report],
    days: Mapping[dt.date, int],
    since: dt.datetime,
    until: dt.datetime,
) -> Chart:
    """Draw which storage was in use over time, with starts, deployments, verdicts and memories.

    Before the first start on record, from `since`, the storage is unknown and grey.
    """
    judged = [(at, report) for report in reports if (at := text.parsed(report.ended_at))]
    since = min([since, *(start.at for start in starts), *(at for at, _ in judged)])
    traces, edges = [], [*(start.at for start in starts), until]
    spans = [("Not recorded", _GREY, since, edges[0])] + [
        (text.backend_name(start.backend), BACKEND_COLOURS.get(start.backend, _GREY), at, end)
        for start, (at, end) in zip(starts, pairwise(edges), strict=True)
    ]
    for name in dict.fromkeys(name for name, _, at, end in spans if end > at):
        own = [span for span in spans if span[0] == name]
        bar = go.Bar(
            base=[at for _, _, at, _ in own],
            x=[(end - at).total_seconds() * 1000 for _, _, at, end in own],
            y=["storage"] * len(own),
            orientation="h",
            name=name,
            marker={"color": own[0][1], "line": {"width": 0}},
            hovertemplate="%{base|%-d %b %Y, %H:%M}<extra>%{fullData.name}</extra>",
        )
        traces.append(bar)
    deployed = _deployments(starts)
    for name, symbol, marked in (
        ("start", "circle", [start for start in starts if start not in deployed]),
        ("deployment", "triangle-up", deployed),
    ):
        points = go.Scatter(
            x=[start.at for start in marked],
            y=["storage"] * len(marked),
            mode="markers",
            name=name,
            cliponaxis=False,
            marker={"symbol": symbol, "size": 11, "color": "#FFFFFF", "line": _EDGE},
            hovertext=[_start_words(start) for start in marked],
            hovertemplate="%{x|%-d %b %Y, %H:%M}, %{hovertext}<extra>%{fullData.name}</extra>",
        )
        traces.append(points)
    marks = [_VERDICTS.get(report.verdict.value, ("?", _GREY)) for _, report in judged]
    verdicts = go.Scatter(
        x=[at for at, _ in judged],
        y=["test"] * len(judged),
        mode="text",
        name="redeploy test",
        text=[mark for mark, _ in marks],
        textfont={"color": [colour for _, colour in marks], "size": 16},
        customdata=[routes.address(routes.REDEPLOY, test=report.run) for _, report in judged],
        hovertext=[report.verdict.value for _, report in judged],
        hovertemplate="%{x|%-d %b %Y, %H:%M}: %{hovertext}<extra></extra>",
    )
    midnights = [dt.datetime.combine(day, dt.time(), dt.UTC) for day in days]
    counts = list(accumulate(days.values()))
    line = go.Scatter(
        x=[*(min(max(at, since), until) for at in midnights), until],
        y=[*counts, *counts[-1:]],
        mode="lines",
        name="memories",
        line={"shape": "hv", "color": _GREY},
        yaxis="y2",
        hovertemplate="%{x|%-d %b %Y}: %{y:,} memories<extra></extra>",
    )
    figure = _figure(
        [*traces, verdicts, line],
        110,
        barmode="stack",
        xaxis={"type": "date", "range": [since, until], "nticks": 5, "showgrid": False},
        yaxis={"categoryarray": ["storage", "test"], "categoryorder": "array", "showgrid": False},
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "range": [0, 1.08 * max([1, *counts])],
            "tickvals": counts[-1:],
            "tickformat": ",d",
            "automargin": True,
            "zeroline": False,
        },
    )
    latest = f"{text.backend_name(starts[-1].backend)} now" if starts else "no start on record"
    return Chart(
        figure,
        f"Storage since {text.day(since)}: {latest}, {counted(len(starts), 'start')}, "
        f"{counted(len(deployed), 'deployment')}, {counted(len(judged), 'redeploy test')}.",
        {
            "When": [*(start.at for start in starts), *(at for at, _ in judged)],
            "What": [
                *("deployment" if start in deployed else "start" for start in starts),
                *(f"redeploy test {report.verdict.value}" for _, report in judged),
            ],
            "Detail": [*map(_start_words, starts), *("" for _ in judged)],
        },
    )


def answers(hours: Mapping[tuple[dt.datetime, CallKind], CallCount], height: int) -> Chart:
    """Draw questions by hour: answered, nothing found, failed; and saves that failed."""
    asked = {hour: count for (hour, kind), count in sorted(hours.items()) if kind == "search"}
    saved = {hour: count for (hour, kind), count in sorted(hours.items()) if kind == "save"}
    parts = {
        "answered": {at: count.calls - count.empty - count.failed for at, count in asked.items()},
        "nothing found": {at: count.empty for at, count in asked.items()},
        "failed": {at: count.failed for at, count in asked.items()},
        "saves that failed": {at: count.failed for at, count in saved.items()},
    }
    figure = _over_time(parts, height, _DAY_MS / 30, (_TEAL, _AMBER, _RED, _VIOLET))
    at = sorted({hour for hour, _ in hours})
    return Chart(
        figure,
        f"Questions and failures by hour: {', '.join(trace.name for trace in figure.data)}.",
        {
            "Hour (UTC)": at,
            **{name: [counts.get(hour, 0) for hour in at] for name, counts in parts.items()},
        },
    )


def _figure(traces: Sequence[Any], height: int, **layout: Any) -> go.Figure:
    """Build a figure that cannot be zoomed or dragged; at once, for updates of it are slow.

    Words and grid get the colour of the page's text from page.js, in either mode.
    """
    fixed = {"fixedrange": True, "automargin": True, "zeroline": False}
    layout = {
        "template": go.layout.Template(),
        "height": height,
        "margin": {"l": 0, "r": 8, "t": 26 if "legend" in layout else 8, "b": 0, "pad": 8},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": _FONT,
        "hoverlabel": {
            "bgcolor": "#10201E",
            "bordercolor": _GREY,
            "font": {**_FONT, "color": "#FFFFFF"},
        },
        "dragmode": False,
        "hovermode": "closest",
        "bargap": 0.35,
        "showlegend": False,
        **layout,
        **{axis: {**fixed, **layout.get(axis, {})} for axis in ("xaxis", "yaxis")},
    }
    return go.Figure({"data": traces, "layout": layout})


def _over_time(
    parts: Mapping[str, Mapping[Any, int]],
    height: int,
    width_ms: float,
    colours: Sequence[str],
    *,
    total: bool = False,
    **xaxis: Any,
) -> go.Figure:
    """Draw counts by day or hour: stacked bars of that width, or areas of a total."""
    traces = []
    for (name, counts), colour in zip(parts.items(), colours, strict=True):
        values = list(counts.values())
        words = f"%{{x|%-d %b %Y, %H:%M}}: %{{y:,}} {name.lower()}<extra></extra>"
        options = {"x": list(counts), "y": values, "hovertemplate": words}
        if total:
            area = {"stackgroup": "total", "mode": "lines", "line": {"color": colour}}
            traces.append(go.Scatter(name=name, **area, **options))
        else:
            options["name"] = f"{name}: {sum(values):,}"
            traces.append(go.Bar(width=width_ms, marker={"color": colour}, **options))
    return _figure(
        traces,
        height,
        barmode="stack",
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        xaxis={"type": "date", "nticks": 6, "showgrid": False, **xaxis},
        yaxis={"rangemode": "tozero", "tickformat": ",d", "nticks": 4},
    )


def _busiest(days: Mapping[dt.date, int]) -> str:
    busiest = max(days, key=lambda day: days[day])
    return (
        f"{text.day(min(days))} to {text.day(max(days))}; "
        f"most on {text.day(busiest)}, {days[busiest]:,}."
    )


def _deployments(starts: Sequence[ServiceStart]) -> list[ServiceStart]:
    """Return the starts of another commit, instance or disk than the start before."""
    return [
        start
        for before, start in pairwise(starts)
        if (start.commit, start.instance, start.disk)
        != (before.commit, before.instance, before.disk)
    ]


def _start_words(start: ServiceStart) -> str:
    commit = f"commit {chart_label(start.commit, 10)}, " if start.commit else ""
    return f"{text.backend_name(start.backend)}, {commit}instance {chart_label(start.instance)}"
