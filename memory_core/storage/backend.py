"""The choice of a backend: made once when opening, and recorded step by step."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..embedders import Embedder
from ..errors import BackendError, IndexMismatch, SettingsError
from ..model.records import Step
from ..model.server_card import ServerCard, ServerManners
from ..settings import Settings
from .aws import Aws
from .aws.client import credentials_source
from .aws.endpoint import Endpoint
from .objects import LocalObjects, ObjectStore, S3Objects
from .server_cards import CardKeeper
from .vectors import VectorStore
from .vectors.s3_index import IndexName, describe_index
from .vectors.s3_tie import IndexTie, RecordedElsewhere, ledger_name

LOG_S3_READY = "[Mem0] OK Mem0 service initialized with S3 (persistent) storage"
LOG_S3_USED = "[Mem0] Using S3 vectors for persistent storage"
LOG_CHROMA_READY = "[Mem0] OK Mem0 service initialized with ChromaDB (local) storage"
LOG_CHROMA_LOST = "[Mem0] WARNING: Local ChromaDB will be lost on deployment"

_NONE_FOUND = "none found"
_NOT_SET = "not set"
# By boto3's name of the source of credentials; other sources keep that name.
_SOURCES = {
    "env": "from the environment",
    "shared-credentials-file": "from the AWS credentials file",
    "config-file": "from the AWS configuration file",
    "iam-role": "from the role of the instance",
    "container-role": "from the role of the container",
    "assume-role": "from an assumed role",
    "assume-role-with-web-identity": "from a web identity role",
    "sso": "from AWS single sign-on",
    "login": "from `aws login`",
}
_INDEX_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_COLLECTION_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")
_VECTOR_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_PREFIX = "memory/"
_LEDGER = "ledger/"
_LONGEST_INDEX = 63
_logger = logging.getLogger("memory_core")

# Mount points of every computer: folders directly on them are not on a disk of their own.
_ORDINARY_MOUNTS = frozenset(
    map(Path, ("/", "/home", "/opt", "/private", "/root", "/tmp", "/usr", "/Users", "/var"))
) | {Path("/System/Volumes/Data")}
_PASSING_FILESYSTEMS = frozenset(
    "aufs cgroup cgroup2 devpts devtmpfs overlay proc ramfs squashfs sysfs tmpfs".split()
)


@dataclass(frozen=True, slots=True)
class Backend:
    """The chosen backend, and how to open it.

    `open_store(create)` makes a missing index only if `create`; `tie(store, elsewhere)` ties an
    index that names no ledger yet to that of the backend, `drop_damaged()` removes unreadable files
    of the index, and `log_lines` are logged once it is open. `aws` and `cards` belong to Amazon, or
    to a server in its place.
    """

    name: str
    persistent: bool
    why: str
    steps: tuple[Step, ...]
    location: Mapping[str, str]
    log_lines: tuple[str, ...]
    objects: ObjectStore
    open_store: Callable[[bool], VectorStore]
    tie: Callable[[VectorStore, RecordedElsewhere], None] = lambda store, elsewhere: None
    drop_damaged: Callable[[], object] = lambda: None
    aws: Aws | None = None
    cards: CardKeeper | None = None

    @property
    def reason(self) -> str:
        """The consequence of the choice, with the name of a server in Amazon's place."""
        if self.server is None:
            return self.why
        return f"memories are on {self.server}, and last as long as it keeps them"

    @property
    def server(self) -> str | None:
        """A server in Amazon's place in words, with its address; None on Amazon."""
        if self._foreign is None:
            return None
        return self.card.server if self.card else self._foreign.place

    @property
    def stand_in(self) -> str | None:
        """The address of our own stand-in, once it has answered; else None."""
        return self._foreign.url if self._foreign and self._foreign.stand_in else None

    @property
    def card(self) -> ServerCard | None:
        """The card of a server in Amazon's place, None if it was not tried."""
        return self.cards.card if self.cards else None

    @property
    def _foreign(self) -> Endpoint | None:
        places = [self.aws.endpoint("s3vectors"), self.aws.endpoint("s3")] if self.aws else []
        return next((place for place in places if place.foreign), None)

    def announce(self) -> None:
        """Log that the backend is in use."""
        for line in self.log_lines:
            _logger.log(logging.WARNING if "WARNING" in line else logging.INFO, line)


def select_backend(settings: Settings, embedder: Embedder, aws: Aws | None = None) -> Backend:
    """Choose the backend of these settings; nothing is opened or written.

    If the index is named after the ledger, AWS is asked (through `aws` or a new client) whether
    this installation has an index of its earlier name.

    Raises:
        SettingsError: a persistent backend is required and this is not one, S3 Vectors is forced
            without its configuration, a key for it was copied with blanks or line breaks, or the
            name of an index or vector bucket is not allowed.
    """
    forced = settings.backend != "auto"
    detail = f"set to {settings.backend}" if forced else "not set, so the configuration decides"
    steps = [
        Step("MEMORY_BACKEND", True, detail, deciding=forced),
        _credentials_step(settings),
        Step("AWS_S3_BUCKET", settings.bucket is not None, settings.bucket or _NOT_SET),
        Step("AWS_REGION", settings.region is not None, settings.region or _NOT_SET),
    ]
    if settings.spoiled_keys and (settings.bucket or forced) and settings.backend != "chroma":
        raise SettingsError(steps[1].detail)
    if settings.backend == "s3_vectors" or (
        settings.backend == "auto" and all(step.ok for step in steps[1:])
    ):
        return _s3_vectors(settings, embedder, steps, aws)
    return _chroma(settings, embedder, steps)


def disk_step(settings: Settings) -> Step:
    """Check that both local folders are on a mounted disk."""
    for path in (settings.chroma_path, settings.data_dir):
        mount = _mount_point(path)
        filesystem = _filesystem(mount)
        if mount in _ORDINARY_MOUNTS or filesystem in _PASSING_FILESYSTEMS:
            detail = f"{path} is on {mount} ({filesystem or 'system disk'}), not on a mounted disk"
            return Step("disk", False, detail)
    return Step("disk", True, f"{settings.data_dir} is on {mount}, a mounted disk of its own")


def _credentials_step(settings: Settings) -> Step:
    name = "AWS credentials"
    if settings.spoiled_keys:
        detail = (
            "a space, a line break, a quotation mark or another character that no key has is in "
            f"{' and in '.join(settings.spoiled_keys)}, so AWS would refuse every request; copy "
            "exactly what AWS shows"
        )
        return Step(name, False, detail)
    if settings.bucket and settings.region:
        try:
            source = credentials_source(settings)
        except SettingsError as exc:
            return Step(name, False, str(exc))
        return Step(name, source is not None, _SOURCES.get(source or "", source) or _NONE_FOUND)
    if settings.aws_access_key_id:
        return Step(name, True, "AWS_ACCESS_KEY_ID")
    if settings.aws_profile:
        return Step(name, True, f"profile {settings.aws_profile}")
    return Step(name, False, _NONE_FOUND)


def _s3_vectors(
    settings: Settings, embedder: Embedder, steps: list[Step], look: Aws | None
) -> Backend:
    if not all(step.ok for step in steps[1:]) or not settings.bucket or not settings.region:
        raise SettingsError(
            f"MEMORY_BACKEND is s3_vectors but {_gaps(steps)}; complete it, or set "
            "MEMORY_BACKEND=auto"
        )
    vector_bucket = _vector_bucket(settings.vector_bucket, settings.bucket)
    index = _index_name(
        settings, embedder, _INDEX_NAME, "cannot name an index; use 3 to 63 of a-z, 0-9, . and -"
    )
    aws = Aws(settings)
    objects = S3Objects(aws, settings.bucket, settings.prefix)
    ledger = ledger_name(settings.bucket, settings.prefix)
    if not settings.index and (vector_bucket, settings.prefix) != (settings.bucket, _PREFIX):
        # Neither the vector bucket nor the index would distinguish this ledger from others.
        own = f"{index[: _LONGEST_INDEX - 9]}-{hashlib.sha256(ledger.encode()).hexdigest()[:8]}"
        earlier = _uses(look or aws, IndexName(vector_bucket, index), own, objects, ledger)
        index = index if earlier else own

    def open_store(create: bool) -> VectorStore:
        from .vectors.s3 import open_s3_vectors

        if create:
            objects.check_region()
        manners = cards.find_or_make() if aws.on_own_server else ServerManners()
        objects.manners = lambda: manners
        where = IndexName(vector_bucket, index)
        return open_s3_vectors(
            aws, where, embedder.dimensions, manners, create=create, ledger=ledger
        )

    def tie(store: VectorStore, elsewhere: RecordedElsewhere) -> None:
        from .vectors.s3 import S3VectorStore

        if not isinstance(store, S3VectorStore) or store.is_tied:
            return
        # If a vector names the ledger, the first one of the index has to be a memory.
        if store.tie.has_tags or any(objects.list(_LEDGER)):
            store.tie.check_vectors(ledger, store.sample(), elsewhere)
            store.tie.make(ledger)

    def probe() -> ServerCard:
        from .server_probe import probe_server

        return probe_server(settings, location["bucket"], vector_bucket)

    endpoint = settings.endpoint_s3vectors or settings.endpoint_s3
    cards = CardKeeper(objects, endpoint or "", probe)
    objects.manners = lambda: cards.known() if aws.on_own_server else ServerManners()
    forced = settings.backend == "s3_vectors"
    detail = "forced by MEMORY_BACKEND" if forced else "credentials, bucket and region are set"
    location = {
        "bucket": settings.bucket,
        "vector bucket": vector_bucket,
        "index": index,
        "region": settings.region,
        "prefix": settings.prefix,
    }
    if settings.endpoint_s3vectors:
        location["endpoint"] = settings.endpoint_s3vectors
    return Backend(
        name="s3_vectors",
        persistent=True,
        why="memories are on Amazon S3 Vectors and survive deployments",
        steps=(*steps, Step("S3 Vectors", True, detail, deciding=not forced)),
        location=location,
        log_lines=(LOG_S3_READY, LOG_S3_USED),
        objects=objects,
        open_store=open_store,
        aws=aws,
        cards=cards,
        tie=tie,
    )


def _uses(aws: Aws, earlier: IndexName, own: str, objects: ObjectStore, ledger: str) -> bool:
    """Return whether this installation has the index of the name that earlier releases gave it.

    False if AWS does not answer: opening the index will raise the error.
    """
    try:
        with suppress(IndexMismatch):
            describe_index(aws, earlier._replace(name=own))
            return False
        tied_to = IndexTie(aws, earlier, describe_index(aws, earlier)).read()
        return tied_to == ledger or (not tied_to and any(objects.list(_LEDGER)))
    except (BackendError, SettingsError):
        return False


def _vector_bucket(given: str | None, bucket: str) -> str:
    """Return the name of the vector bucket, which, unlike others, has no capitals, `_` or `.`."""
    name = given or re.sub(r"[^a-z0-9-]", "-", bucket.lower())[:63].strip("-")
    if not _VECTOR_BUCKET_NAME.fullmatch(name):
        raise SettingsError(
            f"MEMORY_VECTOR_BUCKET is {given!r}, which cannot name a vector bucket; use 3 to 63 of "
            "a-z, 0-9 and -"
            if given
            else f"AWS_S3_BUCKET is {bucket!r}, from which no name for a vector bucket can be "
            "made; set MEMORY_VECTOR_BUCKET to 3 to 63 of a-z, 0-9 and -"
        )
    return name


def _index_name(settings: Settings, embedder: Embedder, allowed: re.Pattern[str], rule: str) -> str:
    name = settings.index or f"mem0-{embedder.slug}-{embedder.dimensions}"
    if not allowed.fullmatch(name):
        raise SettingsError(
            f"MEMORY_INDEX is {name!r}, which {rule}, a letter or digit at both ends"
        )
    return name


def _chroma(settings: Settings, embedder: Embedder, steps: list[Step]) -> Backend:
    disk = disk_step(settings)
    if settings.require_persistent and not disk.ok:
        raise SettingsError(
            "MEMORY_REQUIRE_PERSISTENT is set, but memories would be on this machine's disk and be "
            "lost on the next deployment; set AWS_S3_BUCKET, AWS_REGION and credentials, or put "
            "MEMORY_DATA_DIR on a mounted disk"
        )
    name = _index_name(
        settings,
        embedder,
        _COLLECTION_NAME,
        "cannot name a ChromaDB collection; use 3 to 512 of a-z, A-Z, 0-9, . _ and -",
    )

    def open_store(create: bool) -> VectorStore:
        from .vectors.chroma import open_chroma

        return open_chroma(settings.chroma_path, name, embedder.dimensions, create=create)

    def drop_damaged() -> None:
        from .vectors.chroma import open_folder

        open_folder(settings.chroma_path).remove_damaged(name)

    forced = settings.backend == "chroma"
    missing = "AWS is not configured" if _nothing_of_aws(steps) else _gaps(steps)
    choice = f"{missing}, so the embedded default is used"
    decision = Step("ChromaDB", True, "forced by MEMORY_BACKEND" if forced else choice, not forced)
    return Backend(
        name="chroma",
        persistent=disk.ok,
        why=_chroma_reason(settings, steps, disk),
        steps=(*steps, disk, decision),
        location={
            "folder": str(settings.chroma_path),
            "collection": name,
            "ledger": str(settings.data_dir / "ledger"),
        },
        log_lines=(LOG_CHROMA_READY,) if disk.ok else (LOG_CHROMA_READY, LOG_CHROMA_LOST),
        objects=LocalObjects(settings.data_dir),
        open_store=open_store,
        drop_damaged=drop_damaged,
    )


def _chroma_reason(settings: Settings, steps: list[Step], disk: Step) -> str:
    if disk.ok:
        return f"memories are in ChromaDB on a disk that is kept: {disk.detail}"
    if settings.backend == "chroma":
        remedy = "set MEMORY_BACKEND=auto and configure AWS to keep them"
    elif _nothing_of_aws(steps):
        remedy = "set AWS_S3_BUCKET, AWS_REGION and AWS credentials to keep them"
    else:
        remedy = f"AWS is only half configured: {_gaps(steps)}"
    return "memories are on this machine's disk and will be lost on the next deployment; " + remedy


def _nothing_of_aws(steps: list[Step]) -> bool:
    return not any(step.ok for step in steps[1:])


def _gaps(steps: list[Step]) -> str:
    """Name the parts of the AWS configuration that are missing or wrong."""
    failed = [step for step in steps[1:] if not step.ok]
    names = [step.name for step in failed if step.detail in (_NONE_FOUND, _NOT_SET)]
    wrong = [step.detail for step in failed if step.detail not in (_NONE_FOUND, _NOT_SET)]
    verb = "is" if len(names) == 1 and not names[0].endswith("s") else "are"
    return ", ".join([*wrong, *([f"{' and '.join(names)} {verb} missing"] if names else [])])


def _mount_point(path: Path) -> Path:
    folder = Path(os.path.realpath(path))
    while not os.path.ismount(folder):
        folder = folder.parent
    return folder


def _filesystem(mount: Path) -> str:
    """Return the type of the mounted filesystem, empty if the system does not say (macOS)."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    kinds = {_unescaped(fields[1]): fields[2] for line in lines if len(fields := line.split()) > 2}
    return kinds.get(str(mount), "")


def _unescaped(field: str) -> str:
    """Undo the escapes of /proc/mounts: a backslash and octal digits."""
    raw = re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), os.fsencode(field))
    return os.fsdecode(raw)
