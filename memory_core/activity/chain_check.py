"""The whole chain read and compared: what is missing, changed or put in shows, and between what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ..model.records import Progress
from .chain import (
    LOG,
    Anchor,
    Chain,
    Segment,
    decode,
    digest_of,
    key_name,
    log_key,
    newest_anchor,
    number_of,
)
from .entries import ChainReport

_AT_ONCE: Final = 100
_MOST_PROBLEMS: Final = 50


@dataclass
class _ChainState:
    """What was seen so far, from the first segment on."""

    problems: list[str] = field(default_factory=list)
    segments: int = 0
    entries: int = 0
    oldest: datetime | None = None
    last: Segment | None = None
    broken: int | None = None
    """The number of the segment right before, where it could not be read."""
    sealed: bool = True
    keyed: bool = False


def check_chain(
    chain: Chain, known: tuple[int, str] | None, on_progress: Progress | None
) -> ChainReport:
    """Read all segments and say what is not as it was written."""
    as_of = datetime.now(UTC)
    found = _ChainState()
    anchor = _anchor(chain, found)
    written = chain.written
    first = anchor.number if anchor else 1
    expected, previous = first, anchor.previous if anchor else ""
    digests: dict[int, str] = {}
    asked = {head[0]: head[1] for head in (known, written) if head}
    for number, data in _contents(chain, first, on_progress):
        if number > expected:
            found.problems.append(_missing(found, expected, number, chain, data))
        segment = _read(chain, number, data, found)
        if number in asked:
            digests[number] = digest_of(data)
        if segment and number == expected and segment.previous != previous:
            found.problems.append(_not_linked(segment, found, is_first=number == first))
        expected, previous = number + 1, digest_of(data)
        if segment:
            found.segments += 1
            found.entries += len(segment.entries)
            found.last, found.broken = segment, None
            found.oldest = found.oldest or segment.at
        else:
            found.broken = number
    head = (expected - 1, previous)
    for number, digest in asked.items():
        _compare(found, number, digest, digests, head[0], anchor)
    if len(found.problems) > _MOST_PROBLEMS:
        rest = len(found.problems) - _MOST_PROBLEMS
        found.problems[_MOST_PROBLEMS:] = [f"{rest:,} more of these"]
    return ChainReport(
        segments=found.segments,
        entries=found.entries,
        oldest=found.oldest,
        newest=found.last.at if found.last else None,
        head=head,
        removed=anchor.removed if anchor else 0,
        removed_until=anchor.until if anchor else None,
        sealed=bool(key_name(chain.key)) and found.sealed,
        problems=tuple(found.problems),
        as_of=as_of,
    )


def _contents(
    chain: Chain, first: int, on_progress: Progress | None
) -> Iterator[tuple[int, bytes]]:
    """Yield every segment as it lies there, past all caches."""
    numbers = []
    for key in chain.objects.list(LOG, log_key(first - 1)):
        number = number_of(key)
        if number is not None:
            numbers.append(number)
    for at in range(0, len(numbers), _AT_ONCE):
        part = numbers[at : at + _AT_ONCE]
        if on_progress:
            on_progress(at, len(numbers))
        read = chain.objects.get_many(map(log_key, part))
        for number in part:
            if (data := read.get(log_key(number))) is not None:
                yield number, data


def _anchor(chain: Chain, found: _ChainState) -> Anchor | None:
    try:
        anchor = newest_anchor(chain.objects, chain.key)
    except (ValueError, KeyError, TypeError):
        found.problems.append(
            "the note of what retention removed cannot be read, so the beginning is not proven"
        )
        return None
    if anchor and anchor.seal_fits is not True:
        found.problems.append(f"the note of what retention removed {_why(anchor.seal_fits)}")
    return anchor


def _read(chain: Chain, number: int, data: bytes, found: _ChainState) -> Segment | None:
    try:
        segment = decode(data, chain.key)
    except (ValueError, KeyError, TypeError):
        found.problems.append(f"segment {number:,} was changed: it cannot be read{_after(found)}")
        return None
    if segment.number != number:
        found.problems.append(f"segment {number:,} was put there: it is segment {segment.number:,}")
    if segment.seal_fits is not True:
        found.problems.append(
            f"segment {number:,} with {len(segment.entries):,} entries, of {_utc(segment.at)}, "
            f"{_why(segment.seal_fits)}"
        )
    elif found.keyed and not segment.sealed_with:
        found.problems.append(
            f"segment {number:,}, of {_utc(segment.at)}, has no seal though earlier ones have"
        )
    found.keyed = found.keyed or bool(segment.sealed_with)
    found.sealed = found.sealed and bool(segment.sealed_with)
    return segment


def _why(fits: bool | None) -> str:
    if fits is None:
        return "was sealed with another key than MEMORY_ACTIVITY_KEY"
    return "was changed after it was written"


def _not_linked(segment: Segment, found: _ChainState, *, is_first: bool) -> str:
    if is_first:
        return (
            f"segment {segment.number:,} is not the first that was written; what was before it "
            "was removed, and not by retention"
        )
    if found.broken is not None:
        return f"segment {found.broken:,} was changed after it was written"
    before = segment.number - 1
    when = f", of {_utc(found.last.at)}," if found.last else ""
    return (
        f"segment {before:,}{when} was changed after it was written: segment {segment.number:,} "
        "links to another content"
    )


def _missing(found: _ChainState, expected: int, number: int, chain: Chain, data: bytes) -> str:
    try:
        upto = f" and {_utc(decode(data, chain.key).at)}"
    except (ValueError, KeyError, TypeError):
        upto = " and what cannot be read"
    one = f"segment {expected:,} is" if number - expected == 1 else (
        f"segments {expected:,} to {number - 1:,} are"
    )  # fmt: skip
    since = f"between {_utc(found.last.at)}" if found.last else "between the beginning"
    return f"{one} missing, {since}{upto}"


def _compare(
    found: _ChainState,
    number: int,
    digest: str,
    digests: dict[int, str],
    head: int,
    anchor: Anchor | None,
) -> None:
    """See that a head that is known from elsewhere is still in the chain."""
    if number > head:
        found.problems.append(
            f"the log went on to segment {number:,} and now ends at {head:,}: its end was removed"
        )
    elif number in digests and not digests[number].startswith(digest):
        found.problems.append(f"segment {number:,} is another one than was written")
    elif number not in digests and number and not (anchor and number < anchor.number):
        found.problems.append(f"segment {number:,}, which is known, is not there")


def _after(found: _ChainState) -> str:
    return f"; the one before is of {_utc(found.last.at)}" if found.last else ""


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
