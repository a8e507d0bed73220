"""Compressed files: their content is unpacked into a temporary file, and read from there."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO
from zipfile import BadZipFile, ZipFile

from ..errors import InvalidMemory

_LARGEST = 2 * 1024**3
_CHUNK = 1024**2
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_BROKEN = (EOFError, RuntimeError, ValueError, BadZipFile, gzip.BadGzipFile, zlib.error)
_MEMBER = re.compile(r"(?:.*/)?(?P<stem>[^/.][^/]*?)\.(?P<suffix>af|csv|json|jsonl)(?:\.gz)?", re.I)


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file, or the content of a .gz or .zip, one file after the other.

    Names in a zip that differ only in their suffix, as in a backup of OpenMemory, hold the same
    memories: of these the .json is read, which names the user.

    Raises:
        InvalidMemory: it cannot be unpacked, has more than 2 GB, or no file of a known kind.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if not file.seekable():
            raise InvalidMemory(
                f"{path.name!r} can be read only once; write it into a file, and import that"
            )
        start = file.read(len(_ZIP))
        file.seek(0)
        if not start.startswith((_GZIP, _ZIP)):
            yield file
            return
        with TemporaryFile() as unpacked:
            try:
                if start.startswith(_GZIP):
                    _copy(gzip.GzipFile(fileobj=file), unpacked, path.name)
                else:
                    _unzip(file, unpacked, path.name)
            except _BROKEN as exc:
                raise InvalidMemory(
                    f'"{path.name}" cannot be unpacked ({exc}); check that it is whole and has no '
                    "password"
                ) from exc
            unpacked.seek(0)
            yield unpacked


def _unzip(file: BinaryIO, unpacked: BinaryIO, name: str) -> None:
    with ZipFile(file) as archive:
        members = [(match["stem"], match["suffix"].lower(), member)
                   for member in archive.namelist()
                   if (match := _MEMBER.fullmatch(member))
                   and not member.startswith("__MACOSX/")
                   and not match["stem"].endswith(".manifest")]  # fmt: skip
        chosen: dict[str, tuple[str, str]] = {}
        for stem, suffix, member in sorted(members, key=lambda row: (row[1] != "json", row[2])):
            chosen.setdefault(stem, (suffix, member))
        if not chosen or (len(chosen) > 1 and "csv" in [suffix for suffix, _ in chosen.values()]):
            holds = "several tables" if chosen else "no .json, .jsonl, .csv or .af"
            raise InvalidMemory(
                f'"{name}" holds {holds}; unpack it, and import each file of memories separately'
            )
        for number, (_, member) in enumerate(chosen.values()):
            unpacked.write(b"\n" if number else b"")
            with archive.open(member) as packed:
                plain = gzip.GzipFile(fileobj=packed) if member.lower().endswith(".gz") else packed
                _copy(plain, unpacked, name)


def _copy(packed: IO[bytes] | gzip.GzipFile, unpacked: BinaryIO, name: str) -> None:
    while chunk := packed.read(_CHUNK):
        if unpacked.tell() + len(chunk) > _LARGEST:
            raise InvalidMemory(
                f'"{name}" holds more than {_LARGEST // 1024**3} GB; unpack it, and import that'
            )
        unpacked.write(chunk)
