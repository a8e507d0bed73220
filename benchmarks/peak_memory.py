"""The most memory that a process took at once (Linux)."""

from __future__ import annotations

import ctypes
import gc
import re
from pathlib import Path

_PROC = Path("/proc")


def peak_mb(process_id: int | str = "self") -> float:
    """Return the high-water mark of a process's resident memory."""
    status = (_PROC / str(process_id) / "status").read_text()
    mark = re.search(r"VmHWM:\s+(\d+) kB", status)
    if not mark:
        raise RuntimeError("the system does not report the peak memory of a process")
    return int(mark[1]) / 1024


def reset_peak() -> None:
    """Set this process's high-water mark to what it needs now.

    What was freed goes back to the system first, or later growth would be hidden in it.
    """
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    (_PROC / "self" / "clear_refs").write_text("5")


def find_process(*words: str) -> int:
    """Return the id of the process whose command line has all these words."""
    for folder in _PROC.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text(errors="replace").split("\0")
        except OSError:  # It has ended since it was listed.
            continue
        if set(words) <= set(command):
            return int(folder.name)
    raise RuntimeError(f"no process was started with {' '.join(words)}")
