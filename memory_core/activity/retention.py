"""Old entries removed in whole segments; an anchor says so, and holds where the chain begins."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from ..errors import EntryExists
from .chain import (
    ANCHORS,
    LOG,
    Anchor,
    Chain,
    Segment,
    anchor_key,
    encode_anchor,
    log_key,
    newest_anchor,
    number_of,
)
from .pseudonyms import Names

_AT_ONCE: Final = 100


def remove_old(chain: Chain, names: Names, days: int) -> int:
    """Remove the segments of which every entry is older than `days`; return how many entries.

    The newest segment stays. First the anchor is written, then segments are removed: what a call
    that was cut off left behind is before the anchor, and removed by the next.
    """
    names.remove_older(timedelta(days=days))
    try:
        anchor = newest_anchor(chain.objects, chain.key)
    except (ValueError, KeyError, TypeError):
        # Somebody changed it: the check says so, and nothing more is removed over it.
        return 0
    first = anchor.number if anchor else 1
    last = chain.last()
    # By the log's own last time too: a clock that ran ahead does not empty it.
    newest = chain.segments([last]).get(last)
    until = min(datetime.now(UTC), newest.at if newest else datetime.now(UTC)) - timedelta(days)
    removed, old, number = 0, None, first
    while number < last:
        part = range(number, min(last, number + _AT_ONCE))
        segments = chain.segments(part)
        for number in part:
            segment = segments.get(number)
            if segment is None or segment.at >= until:
                break
            old, removed = segment, removed + len(segment.entries)
        else:
            number = part[-1] + 1
            continue
        break
    if old:
        _anchor_after(chain, old, (anchor.removed if anchor else 0) + removed)
        first = old.number + 1
    _delete_before(chain, first)
    return removed


def _anchor_after(chain: Chain, last: Segment, removed: int) -> None:
    anchor = Anchor(last.number + 1, last.digest, removed, last.at)
    # Another process may have removed the same.
    with suppress(EntryExists):
        data = encode_anchor(anchor, chain.key)
        chain.objects.put_if_absent(anchor_key(anchor.number), data)


def _delete_before(chain: Chain, first: int) -> None:
    """Delete what is before the anchor: segments, and older anchors."""
    keys = []
    for name, make in ((LOG, log_key), (ANCHORS, anchor_key)):
        for key in chain.objects.list(name):
            number = number_of(key)
            if number is not None and number >= first:
                break
            if number is not None and key == make(number):
                keys.append(key)
    chain.objects.delete(keys)
