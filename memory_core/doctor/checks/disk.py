"""The local disk: kept or wiped, writable, with room, sound, and used by one process."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from ...storage.backend import disk_step
from ..context import CHROMA, Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed

_DATABASE = "chroma.sqlite3"
_ROOM_BYTES = 256 * 1024 * 1024
_READ_WHOLE_BYTES = 256 * 1024 * 1024
_LOST = "Everything customers told the assistant is lost with the next deployment."
_KEEP = (
    Fix("Configure S3: bucket, region and credentials", variable="AWS_S3_BUCKET",
        link="docs/configuration.md"),
    Fix("Or put the folder on a mounted disk", variable="MEMORY_DATA_DIR"),
)  # fmt: skip

WIPED = FindingKind(
    "disk.E001", "Memories are on a disk that the next deployment wipes", _LOST, _KEEP
)  # fmt: skip
UNWRITABLE = FindingKind(
    "disk.E002",
    "The local folder cannot be written",
    "Nothing new can be saved.",
    (
        Fix("Give the folder to the user that runs the assistant"),
        Fix("Or choose another folder", variable="MEMORY_DATA_DIR"),
    ),
)
DAMAGED = FindingKind(
    "disk.E003",
    "The database of ChromaDB is damaged",
    "The assistant finds no memories; they are safe on record.",
    (
        Fix("Move ChromaDB's folder away, then make it again from the record",
            command="python -m memory_core rebuild"),
    ),
)  # fmt: skip
UNKNOWN = FindingKind(
    "disk.W001",
    "Memories are on this machine's disk alone",
    "They are lost when a deployment replaces the disk or the machine.",
    _KEEP,
)
NO_ROOM = FindingKind(
    "disk.W002",
    "The local disk is almost full",
    "Soon nothing new can be saved.",
    (Fix("Make room on the disk, or take a larger one"),),
)
OTHERS = FindingKind(
    "disk.I001",
    "Another process has the database open",
    "Nothing where it is Holdfast; a tool of ChromaDB's own beside it may damage the index.",
)
RELATIVE = FindingKind(
    "disk.I002",
    "The folder depends on where the program is started",
    "Nothing, unless it is started elsewhere: then it looks for memories in another place.",
)


def host_of(context: Context) -> str:
    """Return the host that says it replaces its disk, empty for none."""
    names = {"RENDER": "Render", "KUBERNETES_SERVICE_HOST": "Kubernetes"}
    return next((host for name, host in names.items() if context.given.get(name)), "")


def kept(context: Context) -> Iterator[Finding]:
    step, host = disk_step(context.settings), host_of(context)
    paths = {"CHROMA_PATH": context.settings.chroma_path, "data": context.settings.data_dir}
    if not step.ok:
        evidence = [Evidence("disk", step.detail, "the mounts of this machine")]
        passing = "overlay" in step.detail or "tmpfs" in step.detail
        if host:
            detail = f"{host} starts each deployment with an empty disk; {step.detail}."
            yield WIPED.found(detail, *evidence, Evidence("host", host, "environment"))
        elif passing:
            yield WIPED.found(f"It ends with its container or machine: {step.detail}.", *evidence)
        else:
            yield UNKNOWN.found(f"{step.detail}.", *evidence)
    relative = {name: path for name, path in paths.items() if not path.is_absolute()}
    if relative:
        places = [str(path.resolve()) for path in relative.values()]
        yield RELATIVE.found(
            f"It is {listed(places)} now.",
            *(Evidence(name, str(path), "environment or default") for name, path in paths.items()),
        )


def writable(context: Context) -> Iterator[Finding]:
    settings = context.settings
    for path in dict.fromkeys((settings.data_dir, settings.chroma_path)):
        place = _existing(path)
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            what = "is no folder" if not place.is_dir() else "cannot be written"
            yield UNWRITABLE.found(
                f"{str(place)!r} {what}, and {str(path)!r} is to be there.",
                Evidence("folder", str(path), "MEMORY_DATA_DIR or CHROMA_PATH"),
                Evidence("user", str(os.geteuid()), "system"),
            )
            return
    free = shutil.disk_usage(_existing(settings.data_dir)).free
    if free < _ROOM_BYTES:
        yield NO_ROOM.found(
            f"{free / 1024**2:,.0f} MB are free at {str(settings.data_dir)!r}.",
            Evidence("free", f"{free / 1024**2:,.0f} MB", "system"),
        )


def database(context: Context) -> Iterator[Finding]:
    """Read through ChromaDB's database without writing; of a large one its beginning.

    With `deep` all of it is read, and its indexes are compared.
    """
    path = context.settings.chroma_path / _DATABASE
    if not path.is_file():
        return
    size = path.stat().st_size
    if "deep" in context.tags:
        look = "PRAGMA integrity_check(3)"
    else:
        look = "PRAGMA quick_check(3)" if size < _READ_WHOLE_BYTES else "SELECT 'ok' FROM tenants"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            said = list(dict.fromkeys(str(row[0]) for row in opened.execute(look)))
    except sqlite3.DatabaseError as exc:
        said = [str(exc)]
    if said != ["ok"]:
        yield DAMAGED.found(
            f"{str(path)!r}: {listed(said)}.",
            Evidence("file", f"{size:,} bytes", str(path)),
        )


def others(context: Context) -> Iterator[Finding]:
    path = (context.settings.chroma_path / _DATABASE).resolve()
    holders = list(_holders(path)) if path.exists() else []
    if holders:
        yield OTHERS.found(
            f"{len(holders)} other processes have {str(path)!r} open.",
            *(Evidence(f"process {pid}", command, "/proc") for pid, command in holders[:10]),
        )


CHECKS = (
    Check("disk.writable", "The local folder can be written", writable, (UNWRITABLE, NO_ROOM),
          needs=("backend.decided",), backend=CHROMA),
    Check("disk.kept", "A deployment keeps the disk", kept, (WIPED, UNKNOWN, RELATIVE),
          needs=("disk.writable",), backend=CHROMA),
    Check("disk.database", "ChromaDB's database is sound", database, (DAMAGED,),
          needs=("disk.writable", "versions.sqlite"), backend=CHROMA, limit_s=60.0),
    Check("disk.others", "No other process has the database open", others, (OTHERS,),
          needs=("disk.writable",), backend=CHROMA),
)  # fmt: skip


def _existing(path: Path) -> Path:
    """Return the nearest part of a path that exists."""
    place = path.resolve()
    while not place.exists():
        place = place.parent
    return place


def _holders(path: Path) -> Iterator[tuple[int, str]]:
    """Yield other processes of this machine that have a file open, where the system says so."""
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        # Others' files may not be looked at, and processes end meanwhile.
        with suppress(OSError):
            if any(os.readlink(one) == str(path) for one in (process / "fd").iterdir()):
                # The name alone: arguments may hold secrets.
                yield int(process.name), (process / "comm").read_text().strip()
