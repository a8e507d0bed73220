"""Whether local data is on a disk of its own, which a deployment keeps."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .ledger import ROOT
from .objects import LocalObjects
from .records import Step
from .settings import Settings
from .stores.chroma_reader import is_chroma

# Mount points that a plain computer has anyway: being below one of them proves no disk of its own.
_ORDINARY_MOUNTS = frozenset(
    map(Path, ("/", "/home", "/opt", "/private", "/root", "/tmp", "/usr", "/Users", "/var"))
) | {Path("/System/Volumes/Data")}
_PASSING_FILESYSTEMS = frozenset(
    "aufs cgroup cgroup2 devpts devtmpfs overlay proc ramfs squashfs sysfs tmpfs".split()
)


def disk_step(settings: Settings) -> Step:
    """Return the step that says whether both local folders are on a mounted disk."""
    for path in (settings.chroma_path, settings.data_dir):
        mount = _mount_point(path)
        filesystem = _filesystem(mount)
        if mount in _ORDINARY_MOUNTS or filesystem in _PASSING_FILESYSTEMS:
            detail = f"{path} is on {mount} ({filesystem or 'system disk'}), not on a mounted disk"
            return Step("disk", False, detail)
    return Step("disk", True, f"{settings.data_dir} is on {mount}, a mounted disk of its own")


def _mount_point(path: Path) -> Path:
    place = Path(os.path.realpath(path))
    while not os.path.ismount(place):
        place = place.parent
    return place


def _filesystem(mount: Path) -> str:
    """Return the type of the mounted filesystem, empty where the system does not say (macOS)."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    kinds = {_unescaped(fields[1]): fields[2] for line in lines if len(fields := line.split()) > 2}
    return kinds.get(str(mount), "")


def _unescaped(field: str) -> str:
    """Undo what /proc/mounts does to spaces and other characters: a backslash and octal digits."""
    raw = re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), os.fsencode(field))
    return os.fsdecode(raw)


def has_local_memories(settings: Settings, backend: str) -> bool:
    """Say whether there is anything on the local disk beside memories on S3; asks nobody."""
    if backend != "s3_vectors":
        return False
    record = settings.data_dir / ROOT
    return is_chroma(settings.chroma_path) or (record.is_dir() and any(record.iterdir()))


def local_state(settings: Settings) -> object:
    """Return a value that differs when what lies on the local disk may."""
    keys = tuple(LocalObjects(settings.data_dir).list(ROOT))
    try:
        found = (settings.chroma_path / "chroma.sqlite3").stat()
    except OSError:
        return hash(keys), None
    return hash(keys), found.st_mtime_ns, found.st_size
