"""Probes: derived from the test's id, written, acknowledged, and looked for again."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..embedders.base import embed_question
from ..errors import LedgerCorrupt, MemoryNotFound
from ..ledger import ALL, UserView
from ..memories.audit import Auditor, Difference
from ..memories.writer import memory_id
from ..model.records import Kind, MemoryRecord, Scope
from ..model.user_id import PROBE_DOMAIN, UserId, normalize_user_id
from ..service import MemoryService
from .report import Probe, ProbeResult, ProbeState

DEFAULT_PROBES = 12
MOST = 200
KINDS = ("short", "long", "non-ASCII", "agent", "run", "id with capitals and spaces")
_COLOURS = (
    "amber azure beige black brown coral cyan green grey indigo".split()
    + ("ivory khaki lilac maroon olive orange pink purple scarlet teal").split()
)
_THINGS = (
    "anchor anvil basket beacon candle compass copper drum engine feather".split()
    + ("hammer kettle ladder lantern mirror needle parrot pillow violin window").split()
)
# Synonyms that share no word with a text, so that only the meaning leads to it.
_OTHER_COLOURS = (
    "golden-yellow|sky blue|sandy|ebony|chocolate|salmon|aqua|emerald|silvery|navy|creamy"
    "|dusty tan|lavender|burgundy|drab|tangerine|rosy|violet|crimson|turquoise"
).split("|")
_OTHER_THINGS = (
    "ship mooring|blacksmith block|wicker container|lighthouse signal|wax taper"
    "|magnetic north finder|reddish metal|percussion instrument|motor|bird plume|mallet|teapot"
    "|climbing rungs|lamp|looking-glass|sewing pin|macaw|bed headrest|fiddle|glass pane"
).split("|")
_PLACES = "Aarhus Bergen Cadiz Dover Essen Faro Ghent Hobart Izmir Jaipur".split()
_LONG_LINES = 300
_FOUND_AMONG = 3
_MESSY = "\u200b"
_ALL = 1_000
_ROUNDING = 0.02
_REMOVING = (Kind.DELETE, Kind.FORGET)


def make_probes(run: str, count: int) -> list[Probe]:
    """Return the probes of a test: distinct, in order, of every kind in turn."""
    offset = int.from_bytes(hashlib.sha256(run.encode()).digest()[:4], "big")
    return [_make(run, number, offset + number) for number in range(1, count + 1)]


def probe_users(run: str) -> list[UserId]:
    """Return the reserved users of a test."""
    return [UserId(f"{run.lower()}.{name}@{PROBE_DOMAIN}") for name in ("a", "b")]


def write(service: MemoryService, probe: Probe) -> bool:
    """Save a probe and read it by id, list and question; return True if each finds it."""
    (record,) = service.add_text_memory(
        probe.raw_user_id,
        probe.text,
        metadata={"probe": probe.number},
        agent_id=probe.agent_id,
        run_id=probe.run_id,
        verify=True,
    )
    return record.id == probe.id and look(service, [probe])[0].state is ProbeState.OK


def look(service: MemoryService, probes: Sequence[Probe]) -> list[ProbeResult]:
    """Look for each probe, compare its record, vector and text, and return their states."""
    users = {UserId(probe.user_id) for probe in probes}
    seen = {user_id: _read(service, user_id, probes) for user_id in users}
    return [
        ProbeResult(
            probe.number,
            probe.kind,
            probe.id,
            probe.user_id,
            *_state(service, probe, seen[UserId(probe.user_id)]),
        )
        for probe in probes
    ]


def unexpected(service: MemoryService, run: str, probes: Sequence[Probe]) -> list[ProbeResult]:
    """Return the memories of the test's users that are not probes."""
    known = {(probe.user_id, probe.id) for probe in probes}
    texts = {(probe.user_id, probe.text) for probe in probes}
    return [
        ProbeResult(0, "", memory.id, user_id, ProbeState.UNEXPECTED, "not a probe of this user")
        for user_id in probe_users(run)
        for memory in _list(service, user_id)[0]
        if (user_id, memory.id) not in known and (user_id, memory.memory) not in texts
    ]


def _list(service: MemoryService, user_id: str) -> tuple[list[MemoryRecord], str]:
    """Return the memories, or none and the reason why they cannot be read."""
    try:
        return service.list_memories(user_id), ""
    except LedgerCorrupt as exc:
        return [], str(exc)


def _make(run: str, number: int, at: int) -> Probe:
    kind = KINDS[(number - 1) % len(KINDS)]
    colour = _COLOURS[at % len(_COLOURS)]
    thing = _THINGS[at // len(_COLOURS) % len(_THINGS)]
    place = _PLACES[at % len(_PLACES)]
    text = f"Probe {number}: the {colour} {thing} waits in {place}."
    if kind == "long":
        text += "".join(f"\nLine {line} of the {colour} {thing}." for line in range(_LONG_LINES))
    elif kind == "non-ASCII":
        text += " Größe, żółw, 東京, שלום, e\u0301, 🐢"
    first, second = probe_users(run)
    user_id = second if number % 5 == 0 else first
    agent_id = "redeploy-test" if kind == "agent" else None
    scope = Scope(user_id, agent_id, run if kind == "run" else None)
    return Probe(
        number=number,
        kind=kind,
        id=memory_id(scope, text),
        raw_user_id=f" {user_id.upper()}{_MESSY} "
        if kind == "id with capitals and spaces"
        else user_id,
        user_id=normalize_user_id(user_id),
        text=text,
        question=f"Probe {number}: where does the {colour} {thing} wait?",
        in_other_words=f"Whereabouts: {_OTHER_COLOURS[_COLOURS.index(colour)]} "
        f"{_OTHER_THINGS[_THINGS.index(thing)]}?",
        agent_id=scope.agent_id,
        run_id=scope.run_id,
    )


class _Seen(NamedTuple):
    """The state of one reserved user; `damage` says why the list cannot be read."""

    view: UserView
    listed: Sequence[MemoryRecord]
    damage: str
    differences: Mapping[str, Difference]


def _read(service: MemoryService, user_id: UserId, probes: Sequence[Probe]) -> _Seen:
    _, embedder, ledger, store = service.parts
    pairs = [(user_id, probe.id) for probe in probes if probe.user_id == user_id]
    differences = Auditor(ledger, store, embedder).compare(pairs)
    return _Seen(
        ledger.view(user_id), *_list(service, user_id), {each.pair[1]: each for each in differences}
    )


def _state(service: MemoryService, probe: Probe, seen: _Seen) -> tuple[ProbeState, str]:
    own = [record for record in seen.listed if record.id == probe.id or record.memory == probe.text]
    difference, live = seen.differences.get(probe.id), seen.view.live.get(probe.id)
    removed = any(
        entry.kind in _REMOVING and entry.memory_id in (probe.id, ALL)
        for entry in seen.view.entries
    )
    if live is None and removed:
        if difference:
            return ProbeState.STALE, "deleted on purpose, but still in the vector store"
        return ProbeState.ENDED, "deleted on purpose"
    if live and live.updated:
        return ProbeState.ENDED, "changed on purpose"
    if difference and difference.kind == "damaged":
        held = probe.id in service.parts.store.get([probe.id])
        rest = "only its vector still has the text" if held else "it is not in the store"
        state = ProbeState.ALTERED if held else ProbeState.LOST
        return state, f"its record is damaged, and {rest}"
    if not own and not (seen.damage and live):
        return ProbeState.LOST, seen.damage or _trace(service, probe)
    if len(own) > 1:
        return ProbeState.DUPLICATED, f"number of copies: {len(own)}"
    if own and (changes := list(_changes(own[0], probe))):
        return ProbeState.ALTERED, f"{' and '.join(changes)} changed"
    if difference:
        altered = difference.kind == "altered" and not difference.older
        return ProbeState.ALTERED if altered else ProbeState.STALE, difference.detail
    if seen.damage:
        return ProbeState.STALE, f"there, but the list of its user cannot be read: {seen.damage}"
    if missed := list(_missed(service, probe)):
        return ProbeState.STALE, f"listed, but not found by {' or '.join(missed)}"
    return ProbeState.OK, ""


def _changes(record: MemoryRecord, probe: Probe) -> Iterator[str]:
    if record.memory != probe.text:
        yield "its text"
    if (record.agent_id, record.run_id) != (probe.agent_id, probe.run_id):
        yield "its scope"
    if dict(record.metadata) != {"probe": probe.number}:
        yield "its metadata"
    if record.expires:
        yield "its expiry date"
    if record.id != probe.id:
        yield "its id"


def _missed(service: MemoryService, probe: Probe) -> Iterator[str]:
    """Yield the ways of reading that do not find a probe that is listed."""
    try:
        service.get_memory(probe.user_id, probe.id)
    except MemoryNotFound:
        yield "its id"
    hits = service.query_memories(probe.user_id, probe.question, limit=_FOUND_AMONG)
    if probe.id not in [hit.memory.id for hit in hits]:
        yield "a question"
    # No word leads to the probe: only the nearness of the meaning counts.
    embedder = service.parts.embedder
    near = embed_question(embedder, probe.in_other_words) @ embedder.embed([probe.text])[0]
    hits = service.query_memories(probe.user_id, probe.in_other_words, limit=_ALL)
    cosine = next((hit.cosine for hit in hits if hit.memory.id == probe.id), -1.0)
    if abs(cosine - max(0.0, float(near))) > _ROUNDING:
        yield "a question in other words"


def _trace(service: MemoryService, probe: Probe) -> str:
    """Describe what remains of a probe that its user has lost."""
    vector = service.parts.store.get([probe.id]).get(probe.id)
    if vector is None:
        return "missing"
    holder = (vector.payload or {}).get("user_id")
    if holder != probe.user_id:
        return f"its vector belongs to {holder!r} now"
    return "its vector is there, but no record of it"
