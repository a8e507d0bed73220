"""The demo director: breaks things on purpose, to show how they are found and repaired.

It works on the embedded default without AWS credentials and on the stand-in, and nowhere else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

import numpy as np
from filelock import FileLock, Timeout

from ..activity import recording, unnoted
from ..errors import DemoRefused
from ..model.counting import Progress, Steps
from ..model.encoder import decode, encode
from ..model.user_id import normalize_user_id
from ..settings import Settings
from ..storage.objects import LocalObjects
from ..storage.objects.local import make_private_folder
from ..storage.vectors import Vector
from .findings import Tag

if TYPE_CHECKING:
    from ..service import MemoryService

    Open = Callable[[], AbstractContextManager[MemoryService]]

PEOPLE: Final = Path(__file__).parents[2] / "examples" / "memories" / "people"
_ACTION: Final = "demo"
_WIPE: Final = "wipe"
_KEPT: Final = ".demo-kept"
"""Suffix of a folder that a scene has wiped, until it is put back."""
_LOST: Final = 3
_WAIT_S: Final = 5.0
_STRAYS: Final = {
    "other-form": "Prefers to be called before noon.",
    "second-program": "Asked for the new catalogue in print.",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A failure from real life, staged on purpose."""

    name: str
    title: str
    effect: str
    """What happens, in a sentence."""
    finding: str
    """The id of the doctor's finding, empty where nothing is lost."""
    tags: tuple[Tag, ...] = ()
    """The tags with which the doctor finds it."""
    fault: str = ""
    """The fault that the stand-in injects; a scene with one needs the stand-in."""


SCENES: Final = (
    Scene(_WIPE, "A deployment wipes the disk",
          "The local disk is emptied, as when Render deploys. On S3 nothing is lost.",
          "index.I001", ("data",)),
    Scene("other-form", "The same person under another form",
          "Another program stores a memory of the first person, with capitals in the id.",
          "identity.E001", ("data",)),
    Scene("lost-vectors", "Three vectors are lost",
          "The index forgets three memories that are on record.", "records.E001", ("data",)),
    Scene("second-program", "A second program writes beside us",
          "A program without a record stores a memory of the first person in the same index.",
          "records.W001", ("deep",)),
    Scene("other-embedder", "The embedder is swapped",
          "The vectors come from another model, so answers are no better than chance.",
          "embedder.E003", ("data",)),
    Scene("wrong-region", "The wrong region", "Requests are signed for a region that is not the "
          "bucket's.", "region.E002", fault="wrong_region"),
    Scene("expired", "Expired credentials", "The credentials have expired.", "credentials.E003",
          fault="expired"),
    Scene("throttling", "Throttling", "S3 Vectors refuses requests because there are too many.",
          "bucket.E006", fault="throttle"),
)  # fmt: skip
"""All scenes, in the order of the talk in docs/demo.md."""


@dataclass(frozen=True, slots=True)
class DemoState:
    """What a demo has created and not yet removed."""

    people: tuple[str, ...] = ()
    """Users that the demo has loaded."""
    scenes: tuple[str, ...] = ()
    """Scenes under way, in the order in which they began."""
    strays: tuple[str, ...] = ()
    """Ids of memories that the scenes have put into the index."""


class DemoDirector:
    """Directs one place. Raises DemoRefused where real memories could be reached."""

    def __init__(self, settings: Settings) -> None:
        self.stand_in = _stand_in(settings)
        """The address of the stand-in, None on the embedded default."""
        if self.stand_in is None and (
            settings.bucket or settings.aws_access_key_id or settings.aws_profile
        ):
            raise DemoRefused(
                "a demo breaks things on purpose, and AWS is set up here; "
                "use the embedded default or `make demo`"
            )
        self._folder, self._chroma = settings.data_dir.absolute(), settings.chroma_path.absolute()
        self._lock = FileLock(self._folder / "demo.lock", timeout=0)
        self._files = LocalObjects(self._folder)
        # What was loaded into one place must never be removed from another.
        self._file = f"demo-{settings.bucket}.json" if settings.bucket else "demo.json"

    @property
    def state(self) -> DemoState:
        """What the demo has created here so far."""
        state = decode(DemoState, json.loads(self._files.get(self._file) or "{}"))
        # The disk is wiped for every place.
        wiped = _WIPE not in state.scenes and self._kept()
        return replace(state, scenes=(*state.scenes, _WIPE)) if wiped else state

    def scenes(self) -> tuple[Scene, ...]:
        """Return the scenes that can be played here."""
        return tuple(scene for scene in SCENES if self.stand_in or not scene.fault)

    def load(self, service: MemoryService, on_progress: Progress | None = None) -> tuple[str, ...]:
        """Load the invented people, except users with a history; return all that were loaded.

        Raises:
            DemoRefused: their files are missing.
        """
        files = sorted(PEOPLE.glob("*.jsonl"))
        if not files:
            raise DemoRefused("the invented people are not part of the package; use a checkout")
        steps = Steps(on_progress, len(files))
        with self._alone(), recording(service.activity, _ACTION) as operation:
            operation.detail = "load"
            for file in files:
                user_id = normalize_user_id(file.stem)
                # Deleted memories can be brought back: a reset must not erase them either.
                if user_id in self.state.people or not service.parts.ledger.view(user_id).all_ids:
                    # Noted first, so that a reset finds what an interrupted load has created.
                    self._note(people=(*dict.fromkeys((*self.state.people, user_id)),))
                    service.add_document(file.stem, file.name, file.read_bytes(), isolate=False)
                steps.advance(1)
        return self.state.people

    def begin(self, name: str, open_service: Open) -> Scene:
        """Stage a scene. Nothing may have the local disk open while it is wiped.

        Raises:
            DemoRefused: the scene is unknown here or under way, or nobody is loaded.
        """
        with self._alone():
            scene = self._scene(name)
            if name in self.state.scenes:
                raise DemoRefused(f"{scene.title!r} is under way; put it right first")
            if name != _WIPE and not scene.fault and not self.state.people:
                raise DemoRefused("no invented people are loaded; load them first")
            if name == _WIPE and self._folder.is_relative_to(self._chroma):
                raise DemoRefused("CHROMA_PATH contains MEMORY_DATA_DIR; give each its own folder")
            # Noted first, so that an interrupted scene can be put right as well.
            self._note(scenes=(*self.state.scenes, name))
            with open_service() as service, recording(service.activity, _ACTION) as operation:
                operation.detail = f"break {name}"
                if not scene.fault and name != _WIPE:
                    self._damage(name, service)
            if scene.fault:
                self._arm(scene)
            elif name == _WIPE:
                # Only our own folders: other programs may share this disk.
                for path in {*(path.parent for path in self._folder.glob("*/v1")), self._chroma}:
                    if path.exists():
                        path.rename(path.with_name(path.name + _KEPT))
            return scene

    def put_right(self, name: str, open_service: Open) -> Scene:
        """Undo a scene as a person would; raises the errors of `begin`."""
        with self._alone():
            scene = self._scene(name)
            if name not in self.state.scenes:
                raise DemoRefused(
                    f"{scene.title!r} is not under way; there is nothing to put right"
                )
            if scene.fault:
                self._control("clear_faults")
                for other in map(self._scene, self.state.scenes):
                    if other.fault and other != scene:
                        self._arm(other)
            while name == _WIPE and (kept := next(iter(self._kept()), None)):
                # What was saved in the meantime is in the way of the former folder.
                there = kept.with_name(kept.name.removesuffix(_KEPT))
                if there.exists():
                    shutil.rmtree(there)
                kept.rename(there)
            with open_service() as service, recording(service.activity, _ACTION) as operation:
                operation.detail = f"fix {name}"
                self._repair(name, service)
            self._note(scenes=tuple(other for other in self.state.scenes if other != name))
            return scene

    def reset(self, open_service: Open) -> DemoState:
        """Undo all scenes and remove what the demo has created; return what that was."""
        with self._alone():
            made = self.state
            with unnoted():
                for name in reversed(made.scenes):
                    self.put_right(name, open_service)
            with open_service() as service, recording(service.activity, _ACTION) as operation:
                operation.detail = "reset"
                service.parts.store.delete(made.strays)
                for user_id in made.people:
                    service.forget_user(user_id)
            self._files.delete([self._file])
            return made

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other demos out: two at once would mistake real memories for invented ones."""
        try:
            make_private_folder(self._folder)
            with self._lock:
                yield
        except Timeout as exc:
            raise DemoRefused("another demo is running here; try again once it has ended") from exc
        except OSError as exc:
            raise DemoRefused(
                f"the demo cannot change {str(exc.filename or self._folder)!r}: "
                f"{exc.strerror or exc}; let this user write there, or set MEMORY_DATA_DIR"
            ) from exc

    def _kept(self) -> list[Path]:
        """Return the folders of a wiped disk, under their temporary names."""
        folders = (self._folder, self._chroma.parent)
        return [path for folder in folders for path in folder.glob(f"*{_KEPT}")]

    def _scene(self, name: str) -> Scene:
        scenes = {scene.name: scene for scene in self.scenes()}
        if name not in scenes:
            raise DemoRefused(f"there is no scene {name!r} here; use one of {', '.join(scenes)}")
        return scenes[name]

    def _damage(self, name: str, service: MemoryService) -> None:
        people = self.state.people
        store, ids = service.parts.store, self._ids(service, people)
        if not ids:
            raise DemoRefused("the invented people have no memories now; load them again")
        if name == "lost-vectors":
            store.delete(ids[:_LOST])
        elif name == "other-embedder":
            vectors = store.get(ids, with_values=True).values()
            store.put([replace(vector, values=np.roll(_values(vector), 7)) for vector in vectors])
        else:
            vector = next(iter(store.get(ids[:1], with_values=True).values()))
            stray = f"demo-{name}"
            user_id = f"{people[0].title()} " if name == "other-form" else people[0]
            payload = {
                "data": _STRAYS[name],
                "user_id": user_id,
                "created_at": datetime.now(UTC).isoformat(),
            }
            self._note(strays=(*dict.fromkeys((*self.state.strays, stray)),))
            store.put([Vector(stray, payload, _values(vector))])

    def _repair(self, name: str, service: MemoryService) -> None:
        if name in _STRAYS:
            # Orphans of other users are left alone.
            service.take_up(self.state.people[0])
        elif name == "lost-vectors":
            service.audit(repair=True)
        elif name == "other-embedder":
            # Missing vectors are computed again.
            service.parts.store.delete(self._ids(service, self.state.people))
            service.audit(repair=True)

    def _ids(self, service: MemoryService, people: Sequence[str]) -> list[str]:
        return [record.id for user in people for record in service.list_memories(user)]

    def _note(self, **changes: Any) -> None:
        self._files.replace(self._file, json.dumps(encode(replace(self.state, **changes))).encode())

    def _arm(self, scene: Scene) -> None:
        # S3 Vectors is the first service to throttle an account.
        where = {"service": "s3vectors"} if scene.fault == "throttle" else {}
        self._control("add_fault", action=scene.fault, nth="every", **where)

    def _control(self, method: str, **arguments: Any) -> None:
        if self.stand_in is None or not _ask(self.stand_in, method, **arguments):
            raise DemoRefused("the stand-in does not answer; start it with `make demo`")


def _values(vector: Vector) -> Any:
    if vector.values is None:
        raise DemoRefused(f"memory {vector.key} has no vector; undo the scenes first")
    return vector.values


def _stand_in(settings: Settings) -> str | None:
    """Return the address of the stand-in that these settings lead to, if one answers."""
    urls = (settings.endpoint_s3, settings.endpoint_s3vectors)
    return urls[0] if all(url and _ask(url, "ping") for url in urls) else None


def _ask(url: str, method: str, **arguments: Any) -> bool:
    body = json.dumps(arguments).encode()
    try:
        with urlopen(Request(f"{url}/_standin/{method}", body), timeout=_WAIT_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
