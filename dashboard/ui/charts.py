"""Charts, each with a sentence that says the same."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

from memory_core import ServiceStart
from memory_core.model.counting import counted
from memory_core.model.records import Kind, UserSummary
from memory_core.model.user_id import UserId

from . import tables, text
from .text import chart_label, one_line

TOP_USERS: Final = 20
FEW_DAYS: Final = 3
"""Below so many days an area would be a line or a dot; bars are drawn instead."""

_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 500, 1_000)
"""Most memories counted by each bar of the distribution; a last bar has the rest."""

_DAY_MS: Final = 24 * 3600 * 1000
CONFIG: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}

# Fixed, because a backend has the same colour everywhere; at least 3:1 on both grounds.
BACKEND_COLOURS: Final = {"s3_vectors": "#0F766E", "chroma": "#D97706", "ledger": "#64807B"}


@dataclass(frozen=True)
class Chart:
    """A figure and the sentence that stands for it."""

    figure: go.Figure
    alt: str


def per_user(users: Sequence[UserSummary]) -> Chart:
    """Draw the users with most memories, the others as one bar."""
    top, rest = users[:TOP_USERS], users[TOP_USERS:]
    labels = [chart_label(user.user_id) for user in top]
    counts = [user.memories for user in top]
    ids: list[str | None] = [user.user_id for user in top]
    if rest:
        labels.append(counted(len(rest), "more user"))
        counts.append(sum(user.memories for user in rest))
        ids.append(None)
    # Positions, not names, on the axis: two shortened names may be equal.
    positions = list(range(len(labels)))
    bars = go.Bar(
        x=counts,
        y=positions,
        orientation="h",
        customdata=ids,
        text=counts,
        cliponaxis=False,
        textposition="outside",
        hovertext=labels,
        hovertemplate="%{hovertext}: %{x:,}<extra></extra>",
    )
    figure = fix(go.Figure(bars), height=max(160, 26 * len(labels) + 24))
    figure.update_yaxes(tickvals=positions, ticktext=labels, autorange="reversed", showgrid=False)
    figure.update_xaxes(visible=False, range=[0, max(counts, default=1) * 1.12])
    return Chart(
        figure,
        f"{counted(sum(counts), 'memory')} of {counted(len(users), 'user')}; "
        f"{one_line(users[0].user_id, 60)} has the most, {users[0].memories:,}.",
    )


def per_day(days: Mapping[dt.date, int], height: int) -> Chart:
    """Draw how many of the present memories were saved on each UTC day."""
    first, last = min(days), max(days)
    dates = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    counts = [days.get(date, 0) for date in dates]
    hover = "%{x|%-d %b %Y}: %{y:,}<extra></extra>"
    figure = go.Figure()
    if len(dates) < FEW_DAYS:
        figure.add_bar(x=dates, y=counts, hovertemplate=hover, width=_DAY_MS / 2)
        margin = dt.timedelta(days=FEW_DAYS)
        figure.update_xaxes(range=[first - margin, last + margin], dtick=_DAY_MS)
    else:
        figure.add_scatter(x=dates, y=counts, fill="tozeroy", mode="lines", hovertemplate=hover)
        figure.update_xaxes(nticks=6)
    fix(figure, height)
    figure.update_yaxes(rangemode="tozero", tickformat=",d", nticks=5)
    figure.update_xaxes(tickformat="%-d %b\n%Y", showgrid=False)
    return Chart(figure, f"Memories by the day they were saved, {_busiest(days)}")


def events(days: Mapping[dt.date, Mapping[Kind, int]], height: int) -> Chart:
    """Draw a user's events by UTC day, a colour for each kind."""
    figure = go.Figure()
    for kind in Kind:
        counts = {day: by_kind[kind] for day, by_kind in days.items() if by_kind.get(kind)}
        if counts:
            word = tables.kind_word(kind)
            figure.add_bar(
                x=list(counts),
                y=list(counts.values()),
                name=f"{word}: {sum(counts.values()):,}",
                width=_DAY_MS * 0.8,
                hovertemplate="%{x|%-d %b %Y}: %{y:,} " + word.lower() + "<extra></extra>",
            )
    _stack(fix(figure, height), margin=32, legend_at=1.02)
    margin = dt.timedelta(days=max(1, FEW_DAYS - len(days)))
    figure.update_xaxes(range=[min(days) - margin, max(days) + margin], tickformat="%-d %b\n%Y")
    figure.update_xaxes(nticks=6, showgrid=False)
    figure.update_yaxes(rangemode="tozero", tickformat=",d", nticks=4)
    totals = {day: sum(by_kind.values()) for day, by_kind in days.items()}
    return Chart(figure, f"Events by day, {_busiest(totals)}")


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
        text=[f"{count:,}" if count else "" for count in counts],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{x} memories: %{y:,} users<extra></extra>",
    )
    figure = fix(go.Figure(bars), height=240)
    figure.update_xaxes(type="category", showgrid=False, title_text="memories")
    figure.update_yaxes(visible=False, range=[0, max(counts, default=1) * 1.15])
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


def stored_where(counts: Mapping[str, int]) -> Chart:
    """Draw one bar of all memories, divided by backend."""
    figure = go.Figure()
    for name, count in counts.items():
        if count:
            figure.add_bar(
                x=[count],
                y=[""],
                orientation="h",
                hovertemplate="%{fullData.name}<extra></extra>",
                name=f"{text.backend_name(name)}: {count:,}",
                marker_color=BACKEND_COLOURS.get(name, BACKEND_COLOURS["ledger"]),
            )
    _stack(fix(figure, height=84), margin=44, legend_at=1.15)
    figure.update_layout(
        bargap=0,
        legend={"traceorder": "normal", "itemclick": False, "itemdoubleclick": False},
    )
    figure.update_xaxes(visible=False, range=[0, sum(counts.values())])
    figure.update_yaxes(visible=False)
    parts = ", ".join(f"{text.backend_name(name)} {count:,}" for name, count in counts.items())
    return Chart(figure, f"Memories by where they are stored: {parts}.")


def storage_strip(starts: Sequence[ServiceStart]) -> Chart:
    """Draw which storage each start used until the next, oldest first, marked where it changed."""
    ends = [*(start.at for start in starts[1:]), dt.datetime.now(dt.UTC)]
    figure = go.Figure()
    for name in dict.fromkeys(start.backend for start in starts):
        spans = [span for span in zip(starts, ends, strict=True) if span[0].backend == name]
        figure.add_bar(
            base=[start.at for start, _ in spans],
            x=[(end - start.at).total_seconds() * 1000 for start, end in spans],
            y=["storage"] * len(spans),
            orientation="h",
            name=text.backend_name(name),
            marker={"color": BACKEND_COLOURS.get(name, BACKEND_COLOURS["ledger"])},
            hovertext=[
                chart_label(" ".join((text.utc(start.at), start.commit[:8], start.instance)), 80)
                for start, _ in spans
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    fix(figure, height=120)
    figure.update_layout(barmode="overlay", showlegend=True, xaxis_type="date")
    figure.update_yaxes(visible=False)
    names = dict.fromkeys(text.backend_name(start.backend) for start in starts)
    since = text.utc(starts[0].at)
    return Chart(
        figure, f"{counted(len(starts), 'start')} since {since}, on {' and then '.join(names)}."
    )


def clicked_user(event: Any) -> UserId | None:
    """Return the user whose bar was clicked, None for no bar or that of the others."""
    points = event.selection.points if event else []
    chosen = points[0].get("customdata") if points else None
    if isinstance(chosen, list):
        chosen = chosen[0] if chosen else None
    return UserId(chosen) if isinstance(chosen, str) else None


def fix(figure: go.Figure, height: int) -> go.Figure:
    """Give a figure its size, and disable zooming and dragging."""
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        dragmode=False,
        bargap=0.35,
        showlegend=False,
        clickmode="event+select",
    )
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True)
    return figure


def _stack(figure: go.Figure, margin: int, legend_at: float) -> None:
    """Stack the bars, with a legend above them."""
    figure.update_layout(
        barmode="stack",
        margin_t=margin,
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": legend_at, "yanchor": "bottom"},
    )


def _busiest(days: Mapping[dt.date, int]) -> str:
    busiest = max(days, key=lambda day: days[day])
    return (
        f"{text.day(min(days))} to {text.day(max(days))}; "
        f"most on {text.day(busiest)}, {days[busiest]:,}."
    )
