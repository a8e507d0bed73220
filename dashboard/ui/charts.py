"""Charts, each with a sentence that says the same."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

from memory_core.model.records import Kind, UserId, UserSummary

from . import tables, text
from .text import chart_label, one_line

TOP_USERS: Final = 20
FEW_DAYS: Final = 3
"""Below so many days an area would be a line or a dot; bars say more."""

_MANY: Final = 10**12
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 500, 1_000, _MANY)
"""The most memories that each bar of the distribution stands for."""

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
    """Draw the users with most memories, the rest as one bar."""
    top, rest = users[:TOP_USERS], users[TOP_USERS:]
    labels = [chart_label(user.user_id) for user in top]
    counts = [user.memories for user in top]
    ids: list[str | None] = [user.user_id for user in top]
    if rest:
        labels.append(text.counted(len(rest), "more user"))
        counts.append(sum(user.memories for user in rest))
        ids.append(None)
    # Positions, not names, on the axis: two shortened names may be equal.
    places = list(range(len(labels)))
    bars = go.Bar(
        x=counts,
        y=places,
        orientation="h",
        customdata=ids,
        text=counts,
        cliponaxis=False,
        textposition="outside",
        hovertext=labels,
        hovertemplate="%{hovertext}: %{x:,}<extra></extra>",
    )
    figure = fix(go.Figure(bars), height=max(160, 26 * len(labels) + 24))
    figure.update_yaxes(tickvals=places, ticktext=labels, autorange="reversed", showgrid=False)
    figure.update_xaxes(visible=False, range=[0, max(counts, default=1) * 1.12])
    return Chart(figure, _per_user_sentence(users))


def per_day(days: Mapping[dt.date, int], height: int) -> Chart:
    """Draw how many of the present memories were saved on each UTC day."""
    dates, counts = _without_gaps(days)
    hover = "%{x|%-d %b %Y}: %{y:,}<extra></extra>"
    figure = go.Figure()
    if len(dates) < FEW_DAYS:
        figure.add_bar(x=dates, y=counts, hovertemplate=hover, width=_DAY_MS / 2)
        margin = dt.timedelta(days=FEW_DAYS)
        figure.update_xaxes(range=[dates[0] - margin, dates[-1] + margin], dtick=_DAY_MS)
    else:
        figure.add_scatter(x=dates, y=counts, fill="tozeroy", mode="lines", hovertemplate=hover)
        figure.update_xaxes(nticks=6)
    fix(figure, height)
    figure.update_yaxes(rangemode="tozero", tickformat=",d", nticks=5)
    figure.update_xaxes(tickformat="%-d %b\n%Y", showgrid=False)
    return Chart(figure, _per_day_sentence(days))


def events(days: Mapping[dt.date, Mapping[Kind, int]], height: int) -> Chart:
    """Draw a user's events by UTC day, a colour a kind."""
    figure = go.Figure()
    for kind in Kind:
        counted = {day: found[kind] for day, found in days.items() if found.get(kind)}
        if counted:
            word = tables.kind_word(kind)
            figure.add_bar(
                x=list(counted),
                y=list(counted.values()),
                name=f"{word}: {sum(counted.values()):,}",
                width=_DAY_MS * 0.8,
                hovertemplate="%{x|%-d %b %Y}: %{y:,} " + word.lower() + "<extra></extra>",
            )
    fix(figure, height)
    figure.update_layout(
        barmode="stack",
        showlegend=True,
        margin_t=32,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )
    margin = dt.timedelta(days=max(1, FEW_DAYS - len(days)))
    figure.update_xaxes(range=[min(days) - margin, max(days) + margin], tickformat="%-d %b\n%Y")
    figure.update_xaxes(nticks=6, showgrid=False)
    figure.update_yaxes(rangemode="tozero", tickformat=",d", nticks=4)
    busiest = max(days, key=lambda day: sum(days[day].values()))
    return Chart(
        figure,
        f"Events by day, {text.day(min(days))} to {text.day(max(days))}; most on "
        f"{text.day(busiest)}, {sum(days[busiest].values()):,}.",
    )


def distribution(users: Sequence[UserSummary]) -> Chart:
    """Draw how many users have how many memories."""
    counts = [0] * len(_SIZES)
    for user in users:
        counts[bisect.bisect_left(_SIZES, user.memories)] += 1
    while counts and not counts[-1]:
        counts.pop()
    labels = _size_labels()[: len(counts)]
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
    return Chart(figure, _distribution_sentence(users, labels, counts))


def stored_where(counts: Mapping[str, int]) -> Chart:
    """Draw one bar split by where memories lie."""
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
    figure = fix(figure, height=84)
    figure.update_layout(
        barmode="stack",
        bargap=0,
        margin_t=44,
        showlegend=True,
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.15,
            "yanchor": "bottom",
            "traceorder": "normal",
            "itemclick": False,
            "itemdoubleclick": False,
        },
    )
    figure.update_xaxes(visible=False, range=[0, sum(counts.values())])
    figure.update_yaxes(visible=False)
    parts = ", ".join(f"{text.backend_name(name)} {count:,}" for name, count in counts.items())
    return Chart(figure, f"Memories by where they are stored: {parts}.")


def _size_labels() -> list[str]:
    lowest = [1, *(size + 1 for size in _SIZES[:-1])]
    return [
        f"{low:,}" if low == high else f"{low:,}–{high:,}" if high < _MANY else f"{low:,} or more"
        for low, high in zip(lowest, _SIZES, strict=True)
    ]


def _distribution_sentence(
    users: Sequence[UserSummary], labels: Sequence[str], counts: Sequence[int]
) -> str:
    middle = sorted(user.memories for user in users)[len(users) // 2]
    parts = [
        f"{text.counted(count, 'user')} with {label}"
        for label, count in zip(labels, counts, strict=True)
        if count
    ]
    return f"Users by their number of memories, half of them up to {middle:,}: {', '.join(parts)}."


def clicked_user(event: Any) -> UserId | None:
    """Return the user whose bar was clicked, None for no bar or the bar of the rest."""
    points = event.selection.points if event else []
    chosen = points[0].get("customdata") if points else None
    if isinstance(chosen, list):
        chosen = chosen[0] if chosen else None
    return UserId(chosen) if isinstance(chosen, str) else None


def fix(figure: go.Figure, height: int) -> go.Figure:
    """Give a figure its size and take away what moves it."""
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


def _without_gaps(days: Mapping[dt.date, int]) -> tuple[list[dt.date], list[int]]:
    first, last = min(days), max(days)
    dates = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    return dates, [days.get(date, 0) for date in dates]


def _per_user_sentence(users: Sequence[UserSummary]) -> str:
    total = text.counted(sum(user.memories for user in users), "memory")
    most = users[0]
    return (
        f"{total} of {text.counted(len(users), 'user')}; "
        f"{one_line(most.user_id, 60)} has the most, {most.memories:,}."
    )


def _per_day_sentence(days: Mapping[dt.date, int]) -> str:
    busiest = max(days, key=lambda date: days[date])
    return (
        f"Memories by the day they were saved, {text.day(min(days))} to {text.day(max(days))}; "
        f"most on {text.day(busiest)}, {days[busiest]:,}."
    )
