"""What lies in another place than the one in use, compared by the ids of memories; reads only.

A service that once ran without its AWS variables has written to the local disk, and one that lost
them since has left its memories on S3. Nothing is made or changed in the other place: no folder,
no lock, no index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import filterfalse
from typing import Any

from ..errors import BackendError, LedgerError, SettingsError
from ..ledger import ROOT, Ledger
from ..model.batches import batches
from ..model.census import ElsewhereUser, OtherPlace, OtherPlaces
from ..model.payload import owner
from ..model.progress import Steps
from ..model.records import Progress
from ..model.user_id import UserId, is_probe
from ..settings import Settings
from ..storage.backend import Backend, select_backend
from ..storage.objects import LocalObjects
from ..storage.vectors.chroma_files import ChromaReader, Collection, is_chroma
from .repository import Here

_WHOSE = ("user_id", "agent_id", "run_id")
_BATCH = 1_000
_S3 = "Amazon S3 Vectors"
_AWS_STEPS = frozenset({"AWS credentials", "AWS_S3_BUCKET", "AWS_REGION"})


@dataclass(slots=True)
class _There:
    """The memories of another place: each id once, with the form of its user's id."""

    forms: dict[str, str | None] = field(default_factory=dict)

    def note(self, one: str, raw: Any) -> None:
        """Keep an id; who is named by one of several copies owns it."""
        if isinstance(raw, str) or one not in self.forms:
            self.forms[one] = raw if isinstance(raw, str) else None


@dataclass(slots=True)
class _Known:
    """The ids that are here, and those that were here once."""

    live: set[str]
    once: set[str]


def look_elsewhere(settings: Settings, here: Here, on_progress: Progress | None) -> OtherPlaces:
    """Return every other place that the settings lead to, and what is only there.

    A failure of the other place is told in its note; one of the place in use is raised.
    """
    as_of = datetime.now(UTC)
    steps = Steps(on_progress)
    if here.backend.name == "s3_vectors":
        places = [*_local(settings, here, steps)]
    else:
        places = [*_other_collections(settings, here, steps), *_remote(settings, here, steps)]
    return OtherPlaces(here.backend.name, tuple(places), as_of)


def _local(settings: Settings, here: Here, steps: Steps) -> Iterator[OtherPlace]:
    """Yield the local disk: what a service without S3 has written, or plain mem0 before it."""
    folder, objects = settings.chroma_path, LocalObjects(settings.data_dir)
    where = f"the local folder {folder}"
    has_ledger = next(objects.list(ROOT), None) is not None
    if not has_ledger and not is_chroma(folder):
        return
    there = _There()
    try:
        if has_ledger:
            where = f"the local folders {settings.data_dir / 'ledger'} and {folder}"
            _read_ledger(Ledger(objects), there, steps)
        if is_chroma(folder):
            with ChromaReader(folder) as reader:
                for collection in reader.collections():
                    _read_collection(reader, collection, there, steps)
    except (BackendError, LedgerError) as exc:
        yield OtherPlace("chroma", where, False, str(exc))
        return
    yield _compare("chroma", where, there, here)


def _other_collections(settings: Settings, here: Here, steps: Steps) -> Iterator[OtherPlace]:
    """Yield what other embedders, or plain mem0, have put into the folder that is in use."""
    folder = settings.chroma_path
    if not is_chroma(folder):
        return
    ours = here.backend.location.get("collection")
    try:
        with ChromaReader(folder) as reader:
            for collection in reader.collections():
                there = _There()
                if collection.name != ours:
                    _read_collection(reader, collection, there, steps)
                if there.forms:
                    where = f"collection {collection.name!r} of {folder}"
                    yield _compare("chroma", where, there, here)
    except BackendError as exc:
        yield OtherPlace("chroma", f"the folder {folder}", False, str(exc))


def _remote(settings: Settings, here: Here, steps: Steps) -> Iterator[OtherPlace]:
    """Yield S3, where anything of it is configured."""
    wanted = [one for one in here.backend.steps if one.name in _AWS_STEPS]
    if not any(one.ok for one in wanted):
        return
    try:
        other = select_backend(replace(settings, backend="s3_vectors"), here.embedder)
    except SettingsError as exc:
        yield OtherPlace(
            "s3_vectors", _S3, False, f"what lies on S3 cannot be read from here: {exc}"
        )
        return
    where = f"bucket {other.location['bucket']} and index {other.location['index']}"
    there, note = _There(), ""
    try:
        _read_ledger(Ledger(other.objects), there, steps)
        try:
            _read_index(other, there, steps)
        except BackendError as exc:
            # What is on record is known without the index.
            note = f"only its record was read: {exc}"
    except (BackendError, LedgerError) as exc:
        yield OtherPlace("s3_vectors", where, False, str(exc))
        return
    yield replace(_compare("s3_vectors", where, there, here), note=note)


def _read_ledger(ledger: Ledger, there: _There, steps: Steps) -> None:
    for view in ledger.users():
        for one in view.live:
            there.note(one, view.user_id)
        steps.total += len(view.live)
        steps.advance(len(view.live))


def _read_collection(
    reader: ChromaReader, collection: Collection, there: _There, steps: Steps
) -> None:
    for batch in batches(reader.memories(collection, _WHOSE), _BATCH):
        for one in batch:
            there.note(one.id, one.payload.get("user_id"))
        steps.total += len(batch)
        steps.advance(len(batch))


def _read_index(other: Backend, there: _There, steps: Steps) -> None:
    """Note what the index holds and its ledger does not know; no payload of others is read."""
    store = other.open_store(False)
    try:
        strays = [*filterfalse(there.forms.__contains__, store.keys())]
        steps.total += len(strays)
        for batch in batches(strays, _BATCH):
            for key, vector in store.get(batch).items():
                there.note(key, (vector.payload or {}).get("user_id"))
            steps.advance(len(batch))
    finally:
        store.close()


def _compare(backend: str, where: str, there: _There, here: Here) -> OtherPlace:
    """Compare by id with what is here: on record, or in the store though never recorded."""
    known = _known(here)
    candidates = [one for one in there.forms if one not in known.live]
    found = {key for batch in batches(candidates, _BATCH) for key in here.store.get(batch)}
    grouped: dict[UserId | None, list[str]] = {}
    for one, raw in there.forms.items():
        user_id = owner({"user_id": raw}) if raw else None
        if user_id is None or not is_probe(user_id):
            grouped.setdefault(user_id, []).append(one)
    users = [
        _user(user_id, ids, there.forms, known, found - known.once)
        for user_id, ids in grouped.items()
    ]
    users.sort(key=lambda one: (-one.missing, -one.memories, one.user_id or ""))
    return OtherPlace(backend, where, True, "", tuple(users))


def _known(here: Here) -> _Known:
    known = _Known(set(), set())
    for view in here.ledger.users():
        known.live.update(view.live)
        known.once |= view.all_ids
    return known


def _user(
    user_id: UserId | None,
    ids: list[str],
    forms: Mapping[str, str | None],
    known: _Known,
    stored: set[str],
) -> ElsewhereUser:
    missing = [one for one in ids if one not in known.live and one not in stored]
    return ElsewhereUser(
        user_id=user_id,
        forms=tuple(sorted({raw for one in ids if (raw := forms[one])})),
        memories=len(ids),
        missing=len(missing),
        deleted=sum(one in known.once for one in missing),
    )
