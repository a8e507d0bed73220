"""Children of the zygote that are a whole program: a module run as `python -m`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from runpy import run_module

from memory_core.memories import inputs, writer
from tests.support.wrappers import die
from tests.support.zygote import Report


def command(
    report: Report,
    arguments: list[str],
    environ: dict[str, str],
    stdin: str,
    out: str,
    err: str,
    interrupt_at: int | str = 0,
    batch: int = 0,
) -> None:
    """Be `python -m memory_core ARGUMENTS`, with nothing of the library used before.

    Files opened in the data folder are counted; Ctrl-C is pressed as the one of that number is
    opened, or at an audit event of that name. Reports the exit code, and how many there were.
    With `batch` so many memories are saved at once.
    """
    for name in [one for one in os.environ if one.startswith(("AWS_", "MEMORY_", "OPENAI_"))]:
        del os.environ[name]
    os.environ.update(environ)
    if batch:
        inputs.PUT_BATCH = writer.PUT_BATCH = batch
    opened = _interrupt(environ["MEMORY_DATA_DIR"], interrupt_at)
    code = _run("memory_core", arguments, stdin, out, err)
    report([code, len(opened)])


def program(
    report: Report,
    module: str,
    arguments: list[str],
    cwd: str,
    environ: dict[str, str],
    out: str,
    err: str,
    killed: bool = False,
) -> None:
    """Be `python -m MODULE ARGUMENTS` in a folder, with these variables alone; report the code.

    With `killed`, end as `kill -9` ends it before it has done or said anything.
    """
    if killed:
        die()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    tempfile.tempdir = None
    sys.modules.pop(module, None)
    report(_run(module, arguments, os.devnull, out, err))


def _interrupt(folder: str, at: int | str) -> list[str]:
    """Count the files opened below a folder; press Ctrl-C at one of them, or at an event."""
    opened: list[str] = []
    # What runs in the background of a shell begins with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(folder):
            opened.append(str(arguments[0]))
            if len(opened) == at:
                os.kill(os.getpid(), signal.SIGINT)
        elif event == at:
            os.kill(os.getpid(), signal.SIGINT)

    sys.addaudithook(watch)
    return opened


def _run(module: str, arguments: list[str], stdin: str, out: str, err: str) -> int:
    """Run the module to its end, with its streams on files or pipes; return its exit code."""
    for at, (path, flags) in enumerate(
        [(stdin, os.O_RDONLY), (out, os.O_WRONLY | os.O_CREAT), (err, os.O_WRONLY | os.O_CREAT)]
    ):
        os.dup2(os.open(path, flags), at)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # Python itself does so as it starts.
        stream.reconfigure(encoding=os.environ.get("PYTHONIOENCODING", "utf-8"))  # type: ignore[union-attr]
    sys.argv[1:] = arguments
    logging.disable(logging.NOTSET)
    code = 0
    try:
        run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        # Whoever read it may have left.
        with suppress(BrokenPipeError):
            stream.flush()
    return code
