"""The log analyser in a child process with limits: a log is written by strangers as well."""

from __future__ import annotations

from io import SEEK_END, BytesIO
from typing import BinaryIO

from ..errors import InvalidLog
from ..model.child_process import MAX_SECONDS, ChildEnded, call_in_child
from ..model.counting import Progress
from ..settings import survey
from .logs import LogReport, analyze_log

_SHARE_BYTES = 10 * 1024**2
"""Bytes that may take `MAX_SECONDS`; they take 5 on two cores of a small server."""


def read_log(
    source: BinaryIO | bytes, *, isolate: bool = True, on_progress: Progress | None = None
) -> LogReport:
    """Return the report on a log, as `analyze_log` does.

    Unless told not to `isolate`, a child process reads it, with 200 MB of memory and 30 seconds for
    each 10 MB that are begun. A source that cannot be sought, such as a pipe, is read here: it may
    never end.

    Raises:
        InvalidLog: there is no log in it, or it takes too much to read.
    """
    stream = BytesIO(source) if isinstance(source, bytes) else source
    if not (isolate and stream.seekable()):
        return analyze_log(stream, on_progress=on_progress)
    here = stream.tell()
    total = stream.seek(0, SEEK_END) - here
    stream.seek(here)
    seconds = MAX_SECONDS * (1 + total // _SHARE_BYTES)
    # With the variables of this process, whose secrets the report has to mask.
    environ = survey().given
    try:
        return call_in_child(
            analyze_log, stream, total=total, seconds=seconds, environ=environ,
            on_progress=on_progress,
        )  # fmt: skip
    except ChildEnded as exc:
        raise InvalidLog(f"it {exc}; choose a part of the log") from exc
