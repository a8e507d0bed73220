"""Probes: made from the test's id alone, written, acknowledged, and looked for again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..embedders.base import embed_question
from ..errors import LedgerCorrupt, MemoryNotFound
from ..ledger import ALL, UserView
from ..memories.audit import expected_entry
from ..memories.continuity import continuations
from ..memories.ranking import Ranker
from ..memories.writer import memory_id
from ..model.payload import differing
from ..model.records import Kind, MemoryRecord, Scope
from ..model.user_id import PROBE_DOMAIN, UserId, normalize_user_id
from ..service import MemoryService
from ..storage.vectors import Vector
from .report import Probe, ProbeResult, ProbeState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 200
SAME_MEANING = 0.99
"""The least cosine of a vector to its own text embedded again; services round a little."""
KINDS = ("short", "long", "non-ASCII", "agent", "run", "messy id")
_COLOURS = (
    "amber azure beige black brown coral cyan green grey indigo".split()
    + ("ivory khaki lilac maroon olive orange pink purple scarlet teal").split()
)
_THINGS = (
    "anchor anvil basket beacon candle compass copper drum engine feather".split()
    + ("hammer kettle ladder lantern mirror needle parrot pillow violin window").split()
)
# The same without a word that a text has, so that the meaning alone leads to it.
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
_CHANGED = "changed on purpose"
_REMOVING = (Kind.DELETE, Kind.FORGET)


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


def look(
    service: MemoryService, probes: Sequence[Probe], *, compare: bool = False
) -> list[ProbeResult]:
    """Look for each probe, and return their states.

    With `compare` its record and its vector are read as well, its text is embedded again, and it
    is asked for in other words.

    Raises:
        BackendError: the storage or the embedder did not answer.
    """
    seen = {
        user_id: _read(
            service,
            UserId(user_id),
            [probe for probe in probes if compare and probe.user_id == user_id],
        )
        for user_id in {probe.user_id for probe in probes}
    }
    return [
        ProbeResult(
            probe.number,
            probe.kind,
            probe.id,
            probe.user_id,
            *_state(service, probe, seen[probe.user_id], compare=compare),
        )
        for probe in probes
    ]


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
        in_other_words=f"Whereabouts: {_OTHER_COLOURS[_COLOURS.index(colour)]} "
        f"{_OTHER_THINGS[_THINGS.index(thing)]}?",
        agent_id=scope.agent_id,
        run_id=scope.run_id,
    )


class _Seen(NamedTuple):
    """What is there of one reserved user; of what is compared, by the id of the probe.

    `damage` is the reason why the list cannot be read. `recorded` has the payloads as the store
    has to hold them, `meanings` the vectors of all texts, embedded again, and `ranker` ranks the
    list by these, oldest first.
    """

    view: UserView
    listed: Sequence[MemoryRecord]
    damage: str
    recorded: Mapping[str, Mapping[str, Any]]
    stored: Mapping[str, Vector]
    meanings: Mapping[str, NDArray[np.float32]]
    ranker: Ranker | None


def _read(service: MemoryService, user_id: UserId, compared: Sequence[Probe]) -> _Seen:
    _, embedder, recorded_in, store = service.parts
    listed, damage = _list(service, user_id)
    ledger, ids = recorded_in.tolerant(), [probe.id for probe in compared]
    view = ledger.view(user_id)
    stored = store.get(ids, with_values=True) if ids else {}
    entries = {key: expected_entry(view, key, stored.get(key)) for key in ids if key in view.live}
    payloads = ledger.payloads(entries.values())
    texts = [probe.text for probe in compared]
    texts += {record.memory for record in listed if compared} - set(texts)
    meanings = dict(zip(texts, embedder.embed(texts), strict=True)) if texts else {}
    return _Seen(
        view,
        listed,
        damage,
        {
            key: {**payloads[entry], "revision": entry.ulid}
            for key, entry in entries.items()
            if entry in payloads
        },
        stored,
        meanings,
        _ranker(listed, meanings) if listed and texts else None,
    )


def _ranker(listed: Sequence[MemoryRecord], meanings: Mapping[str, NDArray[np.float32]]) -> Ranker:
    """Return what ranks the memories as a question does, had they the vectors of their texts."""
    import numpy as np

    texts = [record.memory for record in reversed(listed)]
    made = [
        {
            "created_at": record.created_at.isoformat(),
            "agent_id": record.agent_id,
            "run_id": record.run_id,
        }
        for record in reversed(listed)
    ]
    return Ranker(texts, np.stack([meanings[text] for text in texts]), continuations(made))


def _state(
    service: MemoryService, probe: Probe, seen: _Seen, *, compare: bool
) -> tuple[ProbeState, str]:
    own = [record for record in seen.listed if record.id == probe.id or record.memory == probe.text]
    if purpose := _on_purpose(seen.view, probe.id):
        if purpose != _CHANGED and probe.id in seen.stored:
            return ProbeState.STALE, f"{purpose}, but still in the vector store"
        return ProbeState.ENDED, purpose
    if not own and not (seen.damage and compare and probe.id in seen.view.live):
        return ProbeState.LOST, seen.damage or _trace(service, probe)
    if len(own) > 1:
        return ProbeState.DUPLICATED, f"there are {len(own)} of it"
    if own and (changes := list(_changes(own[0], probe))):
        return ProbeState.ALTERED, f"{' and '.join(changes)} changed"
    if compare and (difference := _difference(probe, seen)):
        return difference
    if own and not own[0].indexed:
        return ProbeState.STALE, "on record, but the vector store has not this state of it"
    if seen.damage:
        return ProbeState.STALE, f"there, but the list of its user cannot be read: {seen.damage}"
    if missed := list(_missed(service, probe, seen)):
        return ProbeState.STALE, f"listed, but not found by {' or '.join(missed)}"
    return ProbeState.OK, ""


def _on_purpose(view: UserView, key: str) -> str:
    """Return how a probe was ended by a call that is on record, or an empty string."""
    own = [entry for entry in view.entries if entry.memory_id in (key, ALL)]
    if key not in view.live:
        return "deleted on purpose" if any(entry.kind in _REMOVING for entry in own) else ""
    return _CHANGED if view.live[key].updated else ""


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


def _difference(probe: Probe, seen: _Seen) -> tuple[ProbeState, str] | None:
    """Compare record and vector with what was written; None where both are as they were."""
    record, vector = seen.recorded.get(probe.id), seen.stored.get(probe.id)
    payload = (vector.payload or {}) if vector else {}
    if record is None:
        if vector is None:
            return ProbeState.LOST, "its record is damaged, and the vector store has nothing of it"
        return ProbeState.ALTERED, "its record is damaged; its vector alone still has the text"
    written = {"data": probe.text, "user_id": probe.user_id, "probe": probe.number,
               "agent_id": probe.agent_id, "run_id": probe.run_id}  # fmt: skip
    if keys := differing(written, {name: record.get(name) for name in written}):
        return ProbeState.ALTERED, f"{', '.join(keys)} changed in its record"
    if vector is None:
        return ProbeState.STALE, "on record, but not in the vector store"
    if payload.get("user_id") != probe.user_id:
        return ProbeState.ALTERED, f"its vector belongs to {payload.get('user_id')!r} now"
    if payload.get("data") != probe.text:
        return ProbeState.ALTERED, "its text changed in the vector store"
    if payload.get("revision") != record["revision"]:
        return ProbeState.STALE, "on record, but the vector store has another state of it"
    if keys := differing(record, payload):
        return ProbeState.ALTERED, f"{', '.join(keys)} changed in the vector store"
    if not is_meant(vector.values, seen.meanings[probe.text]):
        return ProbeState.STALE, "its vector does not have the meaning of its text"
    return None


def is_meant(values: NDArray[np.float32] | None, meaning: NDArray[np.float32]) -> bool:
    """Tell if a stored vector is that of a text, which was embedded again."""
    import numpy as np

    length = float(np.linalg.norm(values)) if values is not None else 0.0
    return values is not None and length > 0 and bool(values @ meaning >= SAME_MEANING * length)


def _missed(service: MemoryService, probe: Probe, seen: _Seen) -> Iterator[str]:
    """Yield the ways of reading that do not find a probe that is listed."""
    try:
        service.get_memory(probe.user_id, probe.id)
    except MemoryNotFound:
        yield "its id"
    if not _is_found(service, probe, probe.question, _FOUND_AMONG):
        yield "a question"
    if seen.ranker is None:
        return
    # As far ahead as the same texts, embedded again, put it.
    asked = embed_question(service.parts.embedder, probe.in_other_words)
    ranked = seen.ranker.rank(probe.in_other_words, asked, len(seen.listed))
    ids = [record.id for record in reversed(seen.listed)]
    place = [ids[rank.position] for rank in ranked].index(probe.id)
    if not _is_found(service, probe, probe.in_other_words, place + _FOUND_AMONG):
        yield "a question in other words"


def _is_found(service: MemoryService, probe: Probe, question: str, limit: int) -> bool:
    hits = service.query_memories(probe.user_id, question, limit=limit)
    return probe.id in [hit.memory.id for hit in hits]


def _trace(service: MemoryService, probe: Probe) -> str:
    """Return what remains of a probe that its user has lost."""
    vector = service.parts.store.get([probe.id]).get(probe.id)
    if vector is None:
        return "nothing of it is there"
    holder = (vector.payload or {}).get("user_id")
    if holder != probe.user_id:
        return f"its vector belongs to {holder!r} now"
    return "its vector is there, but no record of it"
