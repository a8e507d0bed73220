"""Saved under one id and asked for under another, and users whose saves are not found."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import LOOK_ALIKE_REASONS, IdIndex
from ..identity import UserId, describe_changes
from .lines import KnownLines, by_user, canonical
from .tallies import Tallies, Tally, comes_after
from .values import FoundNothing, OtherId, Seen, Span

MOST_COMPARED = 2_000
"""Ids for which nothing was found that are compared with all that were saved under."""

_MOST_CLOSE = 5
_OTHER_FORM = "the same id in another form: "


def other_ids(lines: KnownLines, *, backwards: bool) -> tuple[OtherId, ...]:
    """Return ids that were asked for in vain while others that are close were saved under."""
    saved = _merged(lines.saved)
    found = {user_id for user_id, _, _ in by_user(lines.asked)}
    empty = _merged(lines.empty)
    pairs = list(_other_forms(lines, backwards))
    index = IdIndex().holding(saved.keys())
    lost = [one for one in empty if one not in saved and one not in found]
    for asked in lost[:MOST_COMPARED]:
        close = index.close_to(asked, [asked])
        for other, reasons in sorted(close.items())[:_MOST_CLOSE]:
            if other in saved and reasons and not _counted_on(asked, other):
                sure = bool(set(reasons) & LOOK_ALIKE_REASONS)
                asks, saves = (
                    one.seen(backwards=backwards) for one in (empty[asked], saved[other])
                )
                pairs.append(OtherId(asked, other, reasons, asks, saves, sure))
    return tuple(sorted(pairs, key=lambda one: (not one.sure, -one.asks.count, one.asked)))


def found_nothing(
    lines: KnownLines, spans: tuple[Span, ...], *, backwards: bool
) -> tuple[FoundNothing, ...]:
    """Return users for whom nothing was found after something was saved."""
    found = []
    for raw, empty in lines.empty.of.items():
        user_id, saves = canonical(raw), lines.saved.of.get(raw)
        if user_id is None or saves is None:
            continue
        has, asked = saves.seen(backwards=backwards), empty.seen(backwards=backwards)
        if comes_after(asked.last, has.first, backwards=backwards):
            after = _span_of(has, spans, backwards) != _span_of(asked, spans, backwards, last=True)
            found.append(FoundNothing(user_id, has, asked, after))
    return tuple(sorted(found, key=lambda one: (-one.empty.count, one.user_id)))


def _other_forms(lines: KnownLines, backwards: bool) -> Iterator[OtherId]:
    """Yield ids that stand in the log in two forms which today's programs bring to one."""
    saved: dict[UserId, dict[str, Tally]] = {}
    for user_id, raw, tally in by_user(lines.saved):
        saved.setdefault(user_id, {})[raw] = tally
    for user_id, raw, tally in by_user(lines.empty):
        forms = saved.get(user_id, {})
        if forms and raw not in forms:
            other, saves = max(forms.items(), key=lambda one: one[1].count)
            changes = describe_changes(raw) or describe_changes(other)
            yield OtherId(
                raw, other, (_OTHER_FORM + "; ".join(changes),),
                tally.seen(backwards=backwards), saves.seen(backwards=backwards), True,
            )  # fmt: skip


def _merged(tallies: Tallies[str]) -> dict[UserId, Tally]:
    """Return the tallies by canonical id."""
    merged: dict[UserId, Tally] = {}
    for user_id, _, tally in by_user(tallies):
        known = merged.get(user_id)
        if known is None:
            merged[user_id] = Tally(tally.first, tally.last, tally.count)
        else:
            known.count += tally.count
            known.first = min(known.first, tally.first, key=lambda one: one.line)
            known.last = max(known.last, tally.last, key=lambda one: one.line)
    return merged


def _counted_on(one: str, other: str) -> bool:
    """Say whether ids differ in digits alone, as those that a program numbers."""
    letters = [[char for char in text if not char.isdigit()] for text in (one, other)]
    return letters[0] == letters[1]


def _span_of(seen: Seen, spans: tuple[Span, ...], backwards: bool, *, last: bool = False) -> int:
    """Return the number of the span in which something was seen first, or last."""
    spot = seen.last if last else seen.first
    began = [comes_after(spot, one.seen.first, backwards=backwards) for one in spans]
    return sum(began)
