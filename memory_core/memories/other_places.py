"""Places besides the one in use, compared with it by the ids of memories; read only.

A service that once ran without its AWS variables has written to the local disk, and one that lost
them since has left its memories on S3. Nothing is made or changed in the other place: no folder,
no lock, no index.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import filterfalse
from typing import Any

from ..errors import BackendError, LedgerError, SettingsError
from ..ledger import ROOT, Ledger
from ..model.census import OtherPlace, OtherPlaces, OtherPlaceUser
from ..model.counting import Progress, Steps, batches
from ..model.payload import owner
from ..model.user_id import UserId, is_probe
from ..settings import Settings
from ..storage.backend import Backend, select_backend
from ..storage.objects import LocalObjects
from ..storage.vectors.chroma_readonly import ChromaReader, Collection, is_chroma
from .repository import Repository

_WHOSE = ("user_id", "agent_id", "run_id")
_BATCH = 1_000
_S3 = "Amazon S3 Vectors"
_AWS_STEPS = frozenset({"AWS credentials", "AWS_S3_BUCKET", "AWS_REGION"})

_Forms = dict[str, str | None]
"""The memories of another place: each id once, with its user's id as it is written there."""


def compare_places(
    settings: Settings, here: Repository, on_progress: Progress | None
) -> OtherPlaces:
    """Return every other place that the settings lead to, and what is only there.

    A failure of another place is reported in its note; one of the place in use is raised.
    """
    as_of = datetime.now(UTC)
    comparison = _PlaceComparison(settings, here, Steps(on_progress))
    if here.backend.name == "s3_vectors":
        places = [*comparison.local()]
    else:
        places = [*comparison.collections(), *comparison.remote()]
    return OtherPlaces(here.backend.name, tuple(places), as_of)


class _PlaceComparison:
    def __init__(self, settings: Settings, here: Repository, steps: Steps) -> None:
        self._settings = settings
        self._here = here
        self._steps = steps

    def local(self) -> Iterator[OtherPlace]:
        """Yield the local disk: what a service without S3 has written, or plain mem0 before it."""
        folder, data_dir = self._settings.chroma_path, self._settings.data_dir
        objects = LocalObjects(data_dir)
        where = f"the local folder {folder}"
        has_ledger = next(objects.list(ROOT), None) is not None
        if not has_ledger and not is_chroma(folder):
            return
        forms: _Forms = {}
        try:
            if has_ledger:
                where = f"the local folders {data_dir / 'ledger'} and {folder}"
                self._read_ledger(Ledger(objects), forms)
            if is_chroma(folder):
                with ChromaReader(folder) as reader:
                    for collection in reader.collections():
                        self._read_collection(reader, collection, forms)
        except (BackendError, LedgerError) as exc:
            yield OtherPlace("chroma", where, False, str(exc))
            return
        yield self._compare("chroma", where, forms)

    def collections(self) -> Iterator[OtherPlace]:
        """Yield the collections that other embedders, or plain mem0, keep in the folder in use."""
        folder = self._settings.chroma_path
        if not is_chroma(folder):
            return
        try:
            with ChromaReader(folder) as reader:
                for collection in reader.collections():
                    forms: _Forms = {}
                    if collection.name != self._here.backend.location.get("collection"):
                        self._read_collection(reader, collection, forms)
                    if forms:
                        where = f"collection {collection.name!r} of {folder}"
                        yield self._compare("chroma", where, forms)
        except BackendError as exc:
            yield OtherPlace("chroma", f"the folder {folder}", False, str(exc))

    def remote(self) -> Iterator[OtherPlace]:
        """Yield S3, if any part of it is configured."""
        if not any(step.ok for step in self._here.backend.steps if step.name in _AWS_STEPS):
            return
        try:
            settings = replace(self._settings, backend="s3_vectors")
            other = select_backend(settings, self._here.embedder)
        except SettingsError as exc:
            note = f"memories on S3 cannot be read from here: {exc}"
            yield OtherPlace("s3_vectors", _S3, False, note)
            return
        where = f"bucket {other.location['bucket']} and index {other.location['index']}"
        forms: _Forms = {}
        note = ""
        try:
            self._read_ledger(Ledger(other.objects), forms)
            try:
                self._read_index(other, forms)
            except BackendError as exc:
                # What is on record is known without the index.
                note = f"only its record was read: {exc}"
        except (BackendError, LedgerError) as exc:
            yield OtherPlace("s3_vectors", where, False, str(exc))
            return
        yield replace(self._compare("s3_vectors", where, forms), note=note)

    def _read_ledger(self, ledger: Ledger, forms: _Forms) -> None:
        for view in ledger.users():
            self._note(forms, ((memory_id, view.user_id) for memory_id in view.live))

    def _read_collection(self, reader: ChromaReader, collection: Collection, forms: _Forms) -> None:
        for batch in batches(reader.memories(collection, _WHOSE), _BATCH):
            self._note(forms, ((memory.id, memory.payload.get("user_id")) for memory in batch))

    def _read_index(self, other: Backend, forms: _Forms) -> None:
        """Note what the index holds and its ledger does not know; no other payload is read."""
        with closing(other.open_store(False)) as store:
            orphans = [*filterfalse(forms.__contains__, store.keys())]
            self._steps.total += len(orphans)
            for batch in batches(orphans, _BATCH):
                vectors = store.get(batch).values()
                named = ((vector.key, (vector.payload or {}).get("user_id")) for vector in vectors)
                self._note(forms, named)

    def _note(self, forms: _Forms, named: Iterable[tuple[str, Any]]) -> None:
        """Keep each id with its user; of several copies, one that names a user counts."""
        count = 0
        for memory_id, raw in named:
            count += 1
            if isinstance(raw, str) or memory_id not in forms:
                forms[memory_id] = raw if isinstance(raw, str) else None
        self._steps.advance(count)

    @cached_property
    def _known(self) -> tuple[set[str], set[str]]:
        """The ids that are on record here, and those that ever were."""
        live: set[str] = set()
        ever: set[str] = set()
        for view in self._here.ledger.users():
            live.update(view.live)
            ever |= view.all_ids
        return live, ever

    def _compare(self, backend: str, where: str, forms: _Forms) -> OtherPlace:
        """Compare by id with the place in use: its record, and the orphans in its store."""
        live, ever = self._known
        absent = {memory_id for memory_id in forms if memory_id not in live}
        for batch in batches(sorted(absent), _BATCH):
            absent -= self._here.store.get(batch).keys() - ever
        users: defaultdict[UserId | None, list[str]] = defaultdict(list)
        for memory_id, raw in forms.items():
            user_id = owner({"user_id": raw}) if raw else None
            if user_id is None or not is_probe(user_id):
                users[user_id].append(memory_id)
        compared = [
            OtherPlaceUser(
                user_id=user_id,
                forms=tuple(sorted({raw for memory_id in ids if (raw := forms[memory_id])})),
                memories=len(ids),
                missing=len(absent.intersection(ids)),
                deleted=len(absent.intersection(ids) & ever),
            )
            for user_id, ids in users.items()
        ]
        compared.sort(key=lambda user: (-user.missing, -user.memories, user.user_id or ""))
        return OtherPlace(backend, where, True, "", tuple(compared))
