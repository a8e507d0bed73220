"""What the commands share: options, output, errors and exit codes."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from ..activity import Actor, acting
from ..errors import BackendError, LedgerError, MemoryCoreError, NotIndexed
from ..memories.log_lines import LOGGER
from ..model.records import Progress
from ..render.text import to_json
from ..service import open_service
from ..version import __version__

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_NO_ANSWER = 3

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)


class _Commands(click.Group):
    """Says who acts, and turns our errors into one sentence on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with acting(_actor()):
                return super().invoke(ctx)
        except MemoryCoreError as exc:
            click.echo(f"Error: {exc}", err=True)
            no_answer = isinstance(exc, (BackendError, LedgerError, NotIndexed))
            ctx.exit(EXIT_NO_ANSWER if no_answer else EXIT_BAD_INPUT)


def output(document: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print one of the two; JSON is UTF-8 whatever the terminal speaks (RFC 8259)."""
    click.echo(to_json(document).encode() if as_json else text)


def with_service(command: Callable[..., None]) -> Callable[..., None]:
    """Open the service for a command, and close it."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with open_service(migrate=False) as service:
            command(service, *args, **kwargs)

    return run


def _actor() -> Actor:
    """Return who runs the command, as the operating system names them, and on which machine."""
    try:
        from pwd import getpwuid

        name = getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, AttributeError):
        # No such table (Windows), or nobody in it: a container may run under any number.
        name = f"user {os.getuid()}" if hasattr(os, "getuid") else "somebody"
    return Actor(name, "shell", platform.node(), "command line")


@contextmanager
def progress_bar(label: str, *, as_json: bool) -> Iterator[Progress]:
    """Show a bar on stderr where that is a terminal, and give the call that moves it."""
    hidden = as_json or not sys.stderr.isatty()
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=hidden) as bar:

        def advance(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield advance


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="memory_core")
@click.option("-v", "--verbose", is_flag=True, help="Show the log lines on stderr.")
def cli(verbose: bool) -> None:
    """Keep an assistant's memories through every deployment.

    USER may be written in any form; the canonical id is used. Exit codes: 0 done, 1 a check
    failed, 2 wrong usage or bad input, 3 the backend did not answer.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO if verbose else logging.ERROR)


def main() -> None:
    """Run the command line."""
    # Names and memories hold any script; a terminal that cannot show one gets a replacement.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    cli(prog_name="python -m memory_core")
