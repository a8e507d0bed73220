"""The log analyser in a child process with limits: strangers can write to a log."""

from io import SEEK_END, BytesIO
from typing import BinaryIO

from ..errors import InvalidLog
from ..model.child_process import ChildEnded, call_in_child
from ..model.counting import Progress
from ..settings import survey
from .logs import LogReport, analyze_log


def read_log(
    source: BinaryIO | bytes, *, isolate: bool = True, on_progress: Progress | None = None
) -> LogReport:
    """Return the report on a log, as `analyze_log` does.

    With `isolate` a child process reads it, limited to 200 MB of memory and 30 seconds; 50 MB take
    about ten on two cores. A source that cannot seek, such as a pipe, is read in this process,
    because it may never end.

    Raises:
        InvalidLog: it is not a log, or reading it exceeds the limits.
    """
    stream = BytesIO(source) if isinstance(source, bytes) else source
    if not (isolate and stream.seekable()):
        return analyze_log(stream, on_progress=on_progress)
    here = stream.tell()
    total = stream.seek(0, SEEK_END) - here
    stream.seek(here)
    # With the variables of this process, whose secrets the report has to mask.
    environ = survey().given
    try:
        return call_in_child(
            analyze_log, stream, total=total, environ=environ, on_progress=on_progress
        )
    except ChildEnded as exc:
        raise InvalidLog(f"it {exc}; choose a part of the log") from exc
