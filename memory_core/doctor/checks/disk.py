"""Checks of the local disk: kept by deployments, writable, with free space, and undamaged."""

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
from ...storage.vectors.chroma_readonly import DATABASE, is_chroma
from ..context import CHROMA, Context
from ..findings import Check, Evidence, Finding, Fix, finding, listed

_ROOM_BYTES = 256 * 1024 * 1024
_READ_WHOLE_BYTES = 256 * 1024 * 1024
_MOST_PROCESSES = 10
_HOSTS = {"RENDER": "Render", "KUBERNETES_SERVICE_HOST": "Kubernetes"}


def host_of(context: Context) -> str:
    """Return the host that is known to replace its disk, or an empty string."""
    return next((host for name, host in _HOSTS.items() if context.given.get(name)), "")


def kept(context: Context) -> Iterator[Finding]:
    step, host = disk_step(context.settings), host_of(context)
    if not step.ok:
        mounts = Evidence("disk", step.detail, "the mounts of this machine")
        if host:
            detail = f"{host} starts each deployment with an empty disk; {step.detail}."
            yield finding("disk.E001", detail, mounts, Evidence("host", host, "environment"))
        elif "overlay" in step.detail or "tmpfs" in step.detail:
            yield finding(
                "disk.E001", f"It is lost with its container or machine: {step.detail}.", mounts
            )
        else:
            yield finding("disk.W001", f"{step.detail}.", mounts)
    paths = {"CHROMA_PATH": context.settings.chroma_path, "data": context.settings.data_dir}
    relative = [str(path.resolve()) for path in paths.values() if not path.is_absolute()]
    if relative:
        yield finding(
            "disk.I002",
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
        yield finding(
            "disk.E002",
            f"{str(parent)!r} {problem}, so {str(path)!r} cannot be used.",
            Evidence("folder", str(path), "MEMORY_DATA_DIR or CHROMA_PATH"),
            Evidence("user", str(os.geteuid()), "system"),
        )
        return
    free = shutil.disk_usage(_existing(settings.data_dir)).free
    if free < _ROOM_BYTES:
        megabytes = f"{free / 1024**2:,.0f} MB"
        yield finding(
            "disk.W002",
            f"{megabytes} are free at {str(settings.data_dir)!r}.",
            Evidence("free", megabytes, "system"),
        )


def private(context: Context) -> Iterator[Finding]:
    """Look at the folders' permissions: if others cannot enter one, all in it is private."""
    for path in dict.fromkeys((context.settings.data_dir, context.settings.chroma_path)):
        if not path.is_dir() or not (rights := path.stat().st_mode & OF_OTHERS):
            continue
        command = f"chmod -R go-rwx {shlex.quote(str(path))}"
        yield finding(
            "disk.W003",
            f"{str(path)!r} has the permissions {0o700 | rights:03o}.",
            Evidence("folder", f"{0o700 | rights:03o}", str(path)),
            fixes=(Fix("Remove the permissions of other users", command=command),),
        )
        return


def database(context: Context) -> Iterator[Finding]:
    """Read ChromaDB's database without writing; only the beginning of a large one.

    With `deep` all of it is read, and its indexes are compared.
    """
    path = context.settings.chroma_path / DATABASE
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
        yield finding("disk.E003", f"{str(path)!r}: {listed(answers)}.", size_of_file)


def vector_files(context: Context) -> Iterator[Finding]:
    """Test the vector files in a child process, unless they are as Holdfast left them."""
    from ...storage.vectors.chroma import open_folder

    folder, name = open_folder(context.settings.chroma_path), context.backend.location["collection"]
    if not is_chroma(folder.path):
        return
    try:
        with folder.client("try", name):
            return
    except IndexDamaged as exc:
        yield finding("disk.E004", f"{exc}.", Evidence("collection", name, str(folder.path)))


def shared(context: Context) -> Iterator[Finding]:
    path = (context.settings.chroma_path / DATABASE).resolve()
    holders = list(_holders(path)) if path.exists() else []
    if holders:
        yield finding(
            "disk.I001",
            f"Other processes that have {str(path)!r} open: {len(holders)}.",
            *(
                Evidence(f"process {pid}", command, "/proc")
                for pid, command in holders[:_MOST_PROCESSES]
            ),
        )


CHECKS = (
    Check("disk.writable", "The local folder can be written", writable, "disk.E002 disk.W002",
          needs=("backend.decided",), backend=CHROMA),
    Check("disk.kept", "Deployments keep the disk", kept, "disk.E001 disk.W001 disk.I002",
          needs=("disk.writable",), backend=CHROMA),
    Check("disk.private", "Only our own user can read the local folder", private, "disk.W003",
          needs=("disk.writable",), backend=CHROMA),
    Check("disk.database", "The database of ChromaDB is undamaged", database, "disk.E003",
          needs=("disk.writable", "versions.sqlite", "versions.extras"), backend=CHROMA,
          limit_s=60.0),
    Check("disk.vectors", "The vector files of ChromaDB can be read", vector_files, "disk.E004",
          needs=("disk.database",), backend=CHROMA, limit_s=360.0),
    Check("disk.others", "No other process has the database open", shared, "disk.I001",
          needs=("disk.writable",), backend=CHROMA),
)  # fmt: skip


def _existing(path: Path) -> Path:
    """Return the nearest part of a path that exists."""
    whole = path.resolve()
    return next(part for part in (whole, *whole.parents) if part.exists())


def _holders(path: Path) -> Iterator[tuple[int, str]]:
    """Yield other processes of this machine that have a file open, as far as /proc shows."""
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        # Files of other users are not readable, and processes may end at any time.
        with suppress(OSError):
            if any(os.readlink(link) == str(path) for link in (process / "fd").iterdir()):
                # The name alone: arguments may hold secrets.
                yield int(process.name), (process / "comm").read_text().strip()
