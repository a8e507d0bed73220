"""The folders of the tests lie in memory where there is room for them.

Holdfast waits for the disk at every write, and so do ChromaDB and SQLite: on an ordinary disk a run
waits for it longer than it computes. What the tests prove does not depend on the kind of disk.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MEMORY_DISK = Path("/dev/shm")
ROOM_BYTES = 4 * 1024**3
"""A container may have 64 MB; a run needs some hundred."""


def use_memory_disk() -> None:
    """Point TMPDIR to it unless that is set, for this process and those it starts."""
    if "TMPDIR" in os.environ or not os.access(MEMORY_DISK, os.W_OK | os.X_OK):
        return
    disk = os.statvfs(MEMORY_DISK)
    may_run_programs = not disk.f_flag & os.ST_NOEXEC
    if may_run_programs and disk.f_bavail * disk.f_frsize >= ROOM_BYTES:
        os.environ["TMPDIR"] = str(MEMORY_DISK)
        tempfile.tempdir = None
