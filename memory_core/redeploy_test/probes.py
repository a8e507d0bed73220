"""Probes: made from the test's id alone, written, acknowledged, and looked for again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from ..errors import LedgerCorrupt, MemoryNotFound
from ..memories.writer import memory_id
from ..model.records import MemoryRecord, Scope
from ..model.user_id import PROBE_DOMAIN, UserId, normalize_user_id
from ..service import MemoryService
from .report import Probe, ProbeResult, ProbeState

MOST = 200
KINDS = ("short", "long", "non-ASCII", "agent", "run", "messy id")
_COLOURS = (
    "amber azure beige black brown coral cyan green grey indigo".split()
    + ("ivory khaki lilac maroon olive orange pink purple scarlet teal").split()
)
_THINGS = (
    "anchor anvil basket beacon candle compass copper drum engine feather".split()
    + ("hammer kettle ladder lantern mirror needle parrot pillow violin window").split()
)
_PLACES = "Aarhus Bergen Cadiz Dover Essen Faro Ghent Hobart Izmir Jaipur".split()
_LONG_LINES = 300
_FOUND_AMONG = 3
_MESSY = "\u200b"


def make_probes(run: str, count: int) -> list[Probe]:
    """Return the probes of a test: distinct, in order, of every kind in turn."""
    offset = int.from_bytes(hashlib.sha256(run.encode()).digest()[:4], "big")
    return [_make(run, number, offset + number) for number in range(1, count + 1)]


def probe_users(run: str) -> list[UserId]:
    """Return the reserved users of a test."""
    return [UserId(f"{run.lower()}.{name}@{PROBE_DOMAIN}") for name in ("a", "b")]


def run_of(user_id: str) -> str:
    """Return the test that a reserved user belongs to."""
    return user_id.partition(".")[0].upper()


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
    """Look for each probe, and return their states."""
    users = {probe.user_id for probe in probes}
    lists = {user_id: _list(service, user_id) for user_id in users}
    return [_look_for(service, probe, lists[probe.user_id]) for probe in probes]


def unexpected(service: MemoryService, run: str, probes: Sequence[Probe]) -> list[ProbeResult]:
    """Return the memories of the test's users that are no probes."""
    known = {(probe.user_id, probe.id) for probe in probes}
    texts = {(probe.user_id, probe.text) for probe in probes}
    return [
        ProbeResult(0, "", memory.id, user_id, ProbeState.UNEXPECTED, "no probe of this user")
        for user_id in probe_users(run)
        for memory in _list(service, user_id)[0]
        if (user_id, memory.id) not in known and (user_id, memory.memory) not in texts
    ]


def _list(service: MemoryService, user_id: str) -> tuple[list[MemoryRecord], str]:
    """Return the memories and the reason why they cannot be read: damaged ones count as lost."""
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
        raw_user_id=f" {user_id.upper()}{_MESSY} " if kind == "messy id" else user_id,
        user_id=normalize_user_id(user_id),
        text=text,
        question=f"Probe {number}: where does the {colour} {thing} wait?",
        agent_id=scope.agent_id,
        run_id=scope.run_id,
    )


def _look_for(
    service: MemoryService, probe: Probe, listed: tuple[list[MemoryRecord], str]
) -> ProbeResult:
    records, damage = listed
    own = [record for record in records if record.id == probe.id or record.memory == probe.text]
    state, detail = ProbeState.OK, ""
    if not own:
        state, detail = ProbeState.LOST, damage or _trace(service, probe)
    elif len(own) > 1:
        state, detail = ProbeState.DUPLICATED, f"there are {len(own)} of it"
    elif changes := list(_changes(own[0], probe)):
        state, detail = ProbeState.ALTERED, f"{' and '.join(changes)} changed"
    elif not own[0].indexed:
        state, detail = _compare_vector(service, probe)
    elif missed := list(_missed(service, probe)):
        state, detail = ProbeState.STALE, f"listed, but not found by {' or '.join(missed)}"
    return ProbeResult(probe.number, probe.kind, probe.id, probe.user_id, state, detail)


def _changes(record: MemoryRecord, probe: Probe) -> Iterator[str]:
    if record.memory != probe.text:
        yield "its text"
    if (record.agent_id, record.run_id) != (probe.agent_id, probe.run_id):
        yield "its scope"
    if dict(record.metadata) != {"probe": probe.number}:
        yield "its metadata"
    if record.id != probe.id:
        yield "its id"


def _compare_vector(service: MemoryService, probe: Probe) -> tuple[ProbeState, str]:
    """Return the state of a probe on record by its vector."""
    vector = service.parts.store.get([probe.id]).get(probe.id)
    if vector is None:
        return ProbeState.STALE, "on record, but not in the vector store"
    payload = vector.payload or {}
    if payload.get("user_id") != probe.user_id:
        return ProbeState.ALTERED, f"its vector belongs to {payload.get('user_id')!r} now"
    if payload.get("data") != probe.text:
        return ProbeState.ALTERED, "its text changed in the vector store"
    return ProbeState.STALE, "on record, but the vector store has another state of it"


def _missed(service: MemoryService, probe: Probe) -> Iterator[str]:
    """Yield the ways of reading that do not find a probe that is listed."""
    try:
        service.get_memory(probe.user_id, probe.id)
    except MemoryNotFound:
        yield "its id"
    hits = service.query_memories(probe.user_id, probe.question, limit=_FOUND_AMONG)
    if probe.id not in [hit.memory.id for hit in hits]:
        yield "a question"


def _trace(service: MemoryService, probe: Probe) -> str:
    """Return what remains of a probe that its user has lost."""
    vector = service.parts.store.get([probe.id]).get(probe.id)
    if vector is None:
        return "nothing of it is there"
    holder = (vector.payload or {}).get("user_id")
    if holder != probe.user_id:
        return f"its vector belongs to {holder!r} now"
    return "its vector is there, but no record of it"
