"""Objects as files below one directory, safe against kill -9 and against other processes."""

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from ...errors import BackendError, BackendUnavailable, EntryExists

OF_OTHERS = 0o077
"""The permissions of a file for users other than its owner."""

_STAGING = ".staging"
_STAGED_FOR_S = 600.0
"""Age at which a staged file counts as abandoned, on file systems without locks."""
_PUBLISH_ATTEMPTS = 20
# A directory's mtime changes in ticks (up to 10 ms on Linux); a listing could miss a file written
# in the same tick, so a fresh mtime proves nothing (git calls this "racy").
_RACY_NS = 50_000_000


class LocalObjects:
    """The keys are paths below `root`, which is made on the first write."""

    lists_freely = True
    atomic_puts = True
    in_order = True
    left_out: Set[str] = frozenset()

    def __init__(self, root: Path) -> None:
        self._root = root

    def put_if_absent(self, key: str, data: bytes) -> None:
        target = self._path(key)
        if target.name.startswith("."):
            raise _not_a_key(key)
        try:
            with self._staged(data) as staged:
                published = self._publish(staged, target)
        except OSError as exc:
            raise self._failed("write", target, exc) from exc
        if not published:
            raise EntryExists(f"object {key!r} exists already")

    def replace(self, key: str, data: bytes) -> None:
        target = self._path(key)
        try:
            with self._staged(data) as staged:
                make_private_folder(target.parent)
                staged.replace(target)
                self._sync(target, with_parents=False)
        except OSError as exc:
            raise self._failed("write", target, exc) from exc

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise self._failed("read", path, exc) from exc

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return {key: data for key in keys if (data := self.get(key)) is not None}

    def list(self, prefix: str, start_after: str = "") -> Iterator[str]:
        folder = prefix.rpartition("/")[0]
        for key in self._walk(folder):
            if key.startswith(prefix) and key > start_after:
                yield key

    def folders(self, prefix: str) -> Iterator[str]:
        for name in self._scan(prefix.rpartition("/")[0]):
            if name.endswith("/") or not name.startswith("."):
                yield name

    def delete(self, keys: Iterable[str]) -> None:
        folders = set()
        for key in keys:
            path = self._path(key)
            try:
                path.unlink()
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise self._failed("delete", path, exc) from exc
            folders.add(path.parent)
        for folder in folders:
            # Not empty, or gone already: both are fine.
            with suppress(OSError):
                folder.rmdir()

    def version(self, prefix: str) -> str | None:
        try:
            modified = self._path(prefix.rpartition("/")[0]).stat().st_mtime_ns
        except FileNotFoundError:
            return "absent"
        except OSError as exc:
            raise self._failed("read", self._path(prefix), exc) from exc
        if time.time_ns() - modified < _RACY_NS:
            return None
        return str(modified)

    def sweep(self) -> None:
        staging = self._root / _STAGING
        try:
            for path in staging.iterdir():
                with suppress(FileNotFoundError), path.open("rb") as file:
                    if _is_abandoned(file):
                        path.unlink()
        except FileNotFoundError:
            return
        except OSError as exc:
            raise self._failed("clean up", staging, exc) from exc

    @contextmanager
    def _staged(self, data: bytes) -> Iterator[Path]:
        """Yield a file that holds the data, locked for as long as its writer lives."""
        while True:
            make_private_folder(self._root / _STAGING)
            path = self._root / _STAGING / uuid4().hex
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                # A network file system may have no locks; then old files count as abandoned.
                with suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX)
                if not os.fstat(descriptor).st_nlink:
                    # Swept between the two calls.
                    continue
                try:
                    file.write(data)
                    file.flush()
                    os.fsync(descriptor)
                    yield path
                finally:
                    path.unlink(missing_ok=True)
                return

    def _publish(self, staged: Path, target: Path) -> bool:
        """Give the staged file its name; return False if the name was taken."""
        # link() fails when the name is taken, and shows the whole content or nothing. The folder
        # may be missing, or be removed as empty by another process between the two calls.
        made = False
        for _ in range(_PUBLISH_ATTEMPTS):
            try:
                os.link(staged, target)
            except FileExistsError:
                return False
            except FileNotFoundError:
                made = True
                make_private_folder(target.parent)
            else:
                self._sync(target, with_parents=made)
                return True
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target))

    def _sync(self, target: Path, *, with_parents: bool) -> None:
        """Make the name durable, and those of folders created for it."""
        folders = target.parents if with_parents else (target.parent,)
        # Another process may have deleted the folder, with the file.
        with suppress(FileNotFoundError):
            for folder in (path for path in folders if path.is_relative_to(self._root)):
                descriptor = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def _walk(self, folder: str) -> Iterator[str]:
        # A folder sorts as its keys do: with the slash that follows its name.
        for name in sorted(self._scan(folder)):
            key = f"{folder}/{name}" if folder else name
            if name.endswith("/") and key != f"{_STAGING}/":
                yield from self._walk(key.rstrip("/"))
            elif not name.endswith("/") and not name.startswith("."):
                # Desktops leave other files with a dot, such as .DS_Store.
                yield key

    def _scan(self, folder: str) -> Iterator[str]:
        """Yield the names in a folder, those of folders with a slash."""
        path = self._path(folder)
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    yield entry.name + "/" * entry.is_dir()
        except FileNotFoundError:
            return
        except OSError as exc:
            raise self._failed("list", path, exc) from exc

    def _path(self, key: str) -> Path:
        if key and not {"", ".", ".."}.isdisjoint(key.rstrip("/").split("/")):
            raise _not_a_key(key)
        return self._root / key

    def _failed(self, operation: str, path: Path, exc: OSError) -> BackendUnavailable:
        return BackendUnavailable(
            f"could not {operation} {str(path)!r}: {exc.strerror or exc}; "
            "check that the disk is there, writable and not full (MEMORY_DATA_DIR names it)",
            backend="local",
            operation=operation,
            code=str(exc.errno or ""),
        )


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents for this user alone; leave existing ones.

    Raises:
        OSError: it cannot be created, or something else has its name.
    """
    for missing in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
        # Another process may remove an empty parent in between.
        missing.mkdir(mode=0o700, parents=True, exist_ok=True)


def keep_private(folder: Path) -> None:
    """Remove other users' permissions for files in a private folder, such as ChromaDB's.

    A folder that other users may enter is left alone: it is shared on purpose, or the doctor says
    so.
    """
    if folder.stat().st_mode & OF_OTHERS:
        return
    for path in folder.rglob("*"):
        # Files of a database come and go.
        with suppress(FileNotFoundError, PermissionError):
            if (mode := path.stat().st_mode) & OF_OTHERS:
                path.chmod(mode & 0o7700)


def _is_abandoned(file: IO[bytes]) -> bool:
    """Return whether the writer of a staged file is dead: the kernel releases its lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(file.fileno()).st_mtime > _STAGED_FOR_S
    return True


def _not_a_key(key: str) -> BackendError:
    return BackendError(
        f"object key {key!r} leaves its folder or is hidden; this is a programming error",
        backend="local",
        operation="path",
    )
