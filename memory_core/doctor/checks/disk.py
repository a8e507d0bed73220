"""Checks of the local disk: kept by deployments, writable, with free space, and undamaged."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from ...errors import IndexDamaged
from ...model.counting import counted
from ...storage.backend import disk_step
from ...storage.objects.local import OF_OTHERS
from ..context import CHROMA, Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed

_DATABASE = "chroma.sqlite3"
_ROOM_BYTES = 256 * 1024 * 1024
_READ_WHOLE_BYTES = 256 * 1024 * 1024
_MOST_PROCESSES = 10
_HOSTS = {"RENDER": "Render", "KUBERNETES_SERVICE_HOST": "Kubernetes"}

_KEEP = (
    Fix("Configure S3: bucket, region and credentials", variable="AWS_S3_BUCKET",
        link="docs/configuration.md"),
    Fix("Or put the folder on a mounted disk", variable="MEMORY_DATA_DIR"),
)  # fmt: skip

# fmt: off
WIPED = FindingKind("disk.E001", "Memories are on a disk that the next deployment wipes",
    "Everything customers told the assistant is lost with the next deployment.", _KEEP)
UNWRITABLE = FindingKind("disk.E002", "The local folder cannot be written",
    "No new memory can be saved.",
    (Fix("Give the folder to the user that runs the assistant"),
     Fix("Or choose another folder", variable="MEMORY_DATA_DIR")),
    log_pattern=r"readonly database|\[Errno 13\]|Permission denied: ")
DAMAGED = FindingKind("disk.E003", "The database of ChromaDB is damaged",
    "The assistant finds no memories; they are safe on record.",
    (Fix("Move ChromaDB's folder away, then rebuild the index from the record",
         command="python -m memory_core rebuild"),),
    log_pattern=r"disk image is malformed|file is not a database|disk I/O error|has lost the ve")
UNREADABLE = FindingKind("disk.E004", "The vector files of ChromaDB are damaged",
    "Memories are safe on record and are listed; searching is slow, and new ones are not indexed.",
    (Fix("Rebuild the index from the record", command="python -m memory_core rebuild"),),
    log_pattern=r"vector files of collection .{1,400} are damaged")
UNKNOWN = FindingKind("disk.W001", "Memories are on this machine's disk alone",
    "Memories are lost when a deployment replaces the disk or the machine.", _KEEP)
NO_ROOM = FindingKind("disk.W002", "The local disk is almost full",
    "Soon no new memory can be saved.",
    (Fix("Free space on the disk, or use a larger one"),),
    log_pattern=r"No space left on device|\[Errno 28\]|database or disk is full")
READABLE = FindingKind("disk.W003", "Other users of this machine can read the memories",
    "Whoever has an account on this machine can read what customers told the assistant.",
    (Fix("Take the rights of other users away", command="chmod -R go-rwx data"),))
SHARED = FindingKind("disk.I001", "Another process has the database open",
    "No effect if it is Holdfast; a tool of ChromaDB's own may damage the index.",
    log_pattern=r"database is locked")
RELATIVE = FindingKind("disk.I002", "The folder depends on where the program is started",
    "No effect until it is started from another folder: then it finds no memories.")
# fmt: on


def host_of(context: Context) -> str:
    """Return the host that is known to replace its disk, or an empty string."""
    return next((host for name, host in _HOSTS.items() if context.given.get(name)), "")


def kept(context: Context) -> Iterator[Finding]:
    step, host = disk_step(context.settings), host_of(context)
    if not step.ok:
        mounts = Evidence("disk", step.detail, "the mounts of this machine")
        if host:
            detail = f"{host} starts each deployment with an empty disk; {step.detail}."
            yield WIPED.finding(detail, mounts, Evidence("host", host, "environment"))
        elif "overlay" in step.detail or "tmpfs" in step.detail:
            yield WIPED.finding(f"It ends with its container or machine: {step.detail}.", mounts)
        else:
            yield UNKNOWN.finding(f"{step.detail}.", mounts)
    paths = {"CHROMA_PATH": context.settings.chroma_path, "data": context.settings.data_dir}
    relative = [str(path.resolve()) for path in paths.values() if not path.is_absolute()]
    if relative:
        yield RELATIVE.finding(
            f"The full path is {listed(relative)} now.",
            *(Evidence(name, str(path), "environment or default") for name, path in paths.items()),
        )


def writable(context: Context) -> Iterator[Finding]:
    settings = context.settings
    for path in dict.fromkeys((settings.data_dir, settings.chroma_path)):
        parent = _existing(path)
        if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
            continue
        problem = "cannot be written" if parent.is_dir() else "is not a folder"
        yield UNWRITABLE.finding(
            f"{str(parent)!r} {problem}, so {str(path)!r} cannot be used.",
            Evidence("folder", str(path), "MEMORY_DATA_DIR or CHROMA_PATH"),
            Evidence("user", str(os.geteuid()), "system"),
        )
        return
    free = shutil.disk_usage(_existing(settings.data_dir)).free
    if free < _ROOM_BYTES:
        megabytes = f"{free / 1024**2:,.0f} MB"
        yield NO_ROOM.finding(
            f"{megabytes} are free at {str(settings.data_dir)!r}.",
            Evidence("free", megabytes, "system"),
        )


def private(context: Context) -> Iterator[Finding]:
    """Look at the rights of the folders: in one that others cannot enter, all is private."""
    for path in dict.fromkeys((context.settings.data_dir, context.settings.chroma_path)):
        if not path.is_dir() or not (rights := path.stat().st_mode & OF_OTHERS):
            continue
        command = f"chmod -R go-rwx {shlex.quote(str(path))}"
        yield READABLE.finding(
            f"{str(path)!r} has the rights {0o700 | rights:03o}.",
            Evidence("folder", f"{0o700 | rights:03o}", str(path)),
            fixes=(Fix("Take the rights of other users away", command=command),),
        )
        return


def database(context: Context) -> Iterator[Finding]:
    """Read through ChromaDB's database without writing; of a large one, its beginning.

    With `deep` all of it is read, and its indexes are compared.
    """
    path = context.settings.chroma_path / _DATABASE
    if not path.is_file():
        return
    size = path.stat().st_size
    if "deep" in context.tags:
        query = "PRAGMA integrity_check(3)"
    else:
        query = "PRAGMA quick_check(3)" if size < _READ_WHOLE_BYTES else "SELECT 'ok' FROM tenants"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            answers = list(dict.fromkeys(str(row[0]) for row in connection.execute(query)))
    except sqlite3.DatabaseError as exc:
        answers = [str(exc)]
    if answers != ["ok"]:
        size_of_file = Evidence("file", counted(size, "byte"), str(path))
        yield DAMAGED.finding(f"{str(path)!r}: {listed(answers)}.", size_of_file)


def vector_files(context: Context) -> Iterator[Finding]:
    """Try the vector files in a child process, unless they are as Holdfast left them."""
    from ...storage.vectors.chroma import open_folder

    folder, name = open_folder(context.settings.chroma_path), context.backend.location["collection"]
    if not folder.exists():
        return
    try:
        with folder.client("try", name):
            return
    except IndexDamaged as exc:
        yield UNREADABLE.finding(f"{exc}.", Evidence("collection", name, str(folder.path)))


def shared(context: Context) -> Iterator[Finding]:
    path = (context.settings.chroma_path / _DATABASE).resolve()
    holders = list(_holders(path)) if path.exists() else []
    if holders:
        yield SHARED.finding(
            f"Other processes that have {str(path)!r} open: {len(holders)}.",
            *(
                Evidence(f"process {pid}", command, "/proc")
                for pid, command in holders[:_MOST_PROCESSES]
            ),
        )


CHECKS = (
    Check("disk.writable", "The local folder can be written", writable, (UNWRITABLE, NO_ROOM),
          needs=("backend.decided",), backend=CHROMA),
    Check("disk.kept", "Deployments keep the disk", kept, (WIPED, UNKNOWN, RELATIVE),
          needs=("disk.writable",), backend=CHROMA),
    Check("disk.private", "Only the own user can read the local folder", private, (READABLE,),
          needs=("disk.writable",), backend=CHROMA),
    Check("disk.database", "The database of ChromaDB is undamaged", database, (DAMAGED,),
          needs=("disk.writable", "versions.sqlite", "versions.extras"), backend=CHROMA,
          limit_s=60.0),
    Check("disk.vectors", "The vector files of ChromaDB can be read", vector_files, (UNREADABLE,),
          needs=("disk.database",), backend=CHROMA, limit_s=360.0),
    Check("disk.others", "No other process has the database open", shared, (SHARED,),
          needs=("disk.writable",), backend=CHROMA),
)  # fmt: skip


def _existing(path: Path) -> Path:
    """Return the nearest part of a path that exists."""
    existing = path.resolve()
    while not existing.exists():
        existing = existing.parent
    return existing


def _holders(path: Path) -> Iterator[tuple[int, str]]:
    """Yield other processes of this machine that have a file open, where the system tells."""
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        # Files of other users are not readable, and processes end meanwhile.
        with suppress(OSError):
            if any(os.readlink(link) == str(path) for link in (process / "fd").iterdir()):
                # The name alone: arguments may hold secrets.
                yield int(process.name), (process / "comm").read_text().strip()
