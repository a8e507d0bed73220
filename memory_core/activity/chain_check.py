"""Checking the chain: segments that are missing, changed or inserted, and between which times."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ..model.counting import Progress, Steps, batches, counted
from .chain import (
    UNREADABLE,
    Anchor,
    Chain,
    Segment,
    decode,
    digest_of,
    key_name,
    number_of,
)
from .entries import ChainReport

_AT_ONCE: Final = 100
_MOST_PROBLEMS: Final = 50


@dataclass
class _ChainState:
    """The state of the check, from the first segment on."""

    problems: list[str] = field(default_factory=list)
    segments: int = 0
    shared: int = 0
    entries: int = 0
    oldest: datetime | None = None
    last: Segment | None = None
    broken: int | None = None
    """The number of the segment right before, if it could not be read."""
    sealed: bool = True
    keyed: bool = False


def check_chain(
    chain: Chain, known: tuple[int, str] | None, on_progress: Progress | None
) -> ChainReport:
    """Read all segments and report those that are not as they were written."""
    as_of = datetime.now(UTC)
    state = _ChainState()
    anchor = _anchor(chain, state)
    written = chain.written
    first = anchor.number if anchor else 1
    current, previous, gap = first - 1, anchor.previous if anchor else "", False
    # The digests of the number before, and of this one: several writers may have taken the same.
    links, own = set[str](), set(previous.split()) or {""}
    digests: dict[int, str] = {}
    asked = {head[0]: head[1] for head in (known, written) if head}
    for number, data in _contents(chain, first, on_progress):
        state.shared += number == current
        if number > current:
            gap = number > current + 1
            if gap:
                state.problems.append(_missing(state, current + 1, number, chain, data))
            links, own, current = own, set(), number
        segment = _read(chain, number, data, state)
        previous = digest_of(data)
        own.add(previous)
        if number in asked and not digests.get(number, "").startswith(asked[number]):
            digests[number] = previous
        if segment and not gap and segment.previous not in links:
            state.problems.append(_not_linked(segment, state, is_first=number == first))
        if segment:
            state.segments += 1
            state.entries += len(segment.entries)
            state.last, state.broken = segment, None
            state.oldest = state.oldest or segment.at
        else:
            state.broken = number
    head = (current, previous)
    for number, digest in asked.items():
        _compare(state, number, digest, digests, head[0], anchor)
    if len(state.problems) > _MOST_PROBLEMS:
        rest = len(state.problems) - _MOST_PROBLEMS
        state.problems[_MOST_PROBLEMS:] = [f"{rest:,} more of these"]
    return ChainReport(
        segments=state.segments,
        entries=state.entries,
        oldest=state.oldest,
        newest=state.last.at if state.last else None,
        head=head,
        removed=anchor.removed if anchor else 0,
        removed_until=anchor.until if anchor else None,
        sealed=bool(key_name(chain.key)) and state.sealed,
        problems=tuple(state.problems),
        as_of=as_of,
        shared=state.shared,
    )


def _contents(
    chain: Chain, first: int, on_progress: Progress | None
) -> Iterator[tuple[int, bytes]]:
    """Yield every segment as stored, past all caches."""
    keys = chain.keys(first)
    steps = Steps(on_progress, len(keys))
    for part in batches(keys, _AT_ONCE):
        contents = chain.objects.get_many(part)
        for key in part:
            if (data := contents.get(key)) is not None:
                yield number_of(key) or 0, data
        steps.advance(len(part))


def _anchor(chain: Chain, state: _ChainState) -> Anchor | None:
    try:
        anchor = chain.anchor()
    except UNREADABLE:
        state.problems.append(
            "the note of what retention removed cannot be read, so the beginning is not proven"
        )
        return None
    if anchor and anchor.seal_fits is not True:
        state.problems.append(f"the note of what retention removed {_why(anchor.seal_fits)}")
    return anchor


def _read(chain: Chain, number: int, data: bytes, state: _ChainState) -> Segment | None:
    try:
        segment = decode(data, chain.key)
    except UNREADABLE:
        after = f"; the one before is of {_utc(state.last.at)}" if state.last else ""
        state.problems.append(f"segment {number:,} was changed: it cannot be read{after}")
        return None
    if segment.number != number:
        state.problems.append(f"segment {number:,} was replaced by segment {segment.number:,}")
    if segment.seal_fits is not True:
        state.problems.append(
            f"segment {number:,} with {counted(len(segment.entries), 'entry')}, "
            f"of {_utc(segment.at)}, {_why(segment.seal_fits)}"
        )
    elif state.keyed and not segment.sealed_with:
        state.problems.append(
            f"segment {number:,}, of {_utc(segment.at)}, has no seal though earlier ones have"
        )
    state.keyed = state.keyed or bool(segment.sealed_with)
    state.sealed = state.sealed and bool(segment.sealed_with)
    return segment


def _why(fits: bool | None) -> str:
    if fits is None:
        return "was sealed with another key than MEMORY_ACTIVITY_KEY"
    return "was changed after it was written"


def _not_linked(segment: Segment, state: _ChainState, *, is_first: bool) -> str:
    if is_first:
        return (
            f"segment {segment.number:,} is not the first that was written; the segments before it "
            "were removed, and not by retention"
        )
    if state.broken is not None:
        return f"segment {state.broken:,} was changed after it was written"
    before = segment.number - 1
    when = f", of {_utc(state.last.at)}," if state.last else ""
    return (
        f"segment {before:,}{when} was changed after it was written: segment {segment.number:,} "
        "links to another content"
    )


def _missing(state: _ChainState, expected: int, number: int, chain: Chain, data: bytes) -> str:
    try:
        upto = f" and {_utc(decode(data, chain.key).at)}"
    except UNREADABLE:
        upto = " and what cannot be read"
    single = number - expected == 1
    which = f"segment {expected:,} is" if single else f"segments {expected:,} to {number - 1:,} are"
    since = f"between {_utc(state.last.at)}" if state.last else "between the beginning"
    return f"{which} missing, {since}{upto}"


def _compare(
    state: _ChainState,
    number: int,
    digest: str,
    digests: dict[int, str],
    head: int,
    anchor: Anchor | None,
) -> None:
    """Check that a head noted earlier is still in the chain."""
    if number > head:
        state.problems.append(
            f"the log went on to segment {number:,} and now ends at {head:,}: its end was removed"
        )
    elif number in digests and not digests[number].startswith(digest):
        state.problems.append(f"segment {number:,} is not the one that was written")
    elif number not in digests and number and not (anchor and number < anchor.number):
        state.problems.append(f"segment {number:,}, noted earlier, is missing")


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
