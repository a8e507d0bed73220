"""The frame of the commands: options, files, output, errors and exit codes."""

import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVarTuple

import click

from ..activity import Actor, acting
from ..errors import BackendError, LedgerError, MemoryCoreError, NotIndexed
from ..memories.log_lines import LOGGER
from ..model.counting import Progress
from ..model.past import MemoryFilter
from ..render.text import to_json
from ..service import open_service
from ..settings import keep_files_private
from ..version import __version__

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_NO_ANSWER = 3
FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SECTIONS = {
    "Memories of one user": "save upload query explain list get update delete forget history "
    "changes restore recalls",
    "Users and their activity": "users normalize activity",
    "Export, import and migration": "export import migrate",
    "Storage and diagnosis": "status audit rebuild doctor logs redeploy-test demo mcp",
}
# What the library and mem0 call it.
_MEANT = {"add": "save", "find": "users find", "get_all": "list", "search": "query"}
_CONTEXT = {"help_option_names": ["-h", "--help"], "show_default": True}
_JSON = f"{__name__}.json"
_Values = TypeVarTuple("_Values")


def _note_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_JSON] = value or json_wanted()


def json_wanted() -> bool:
    """Return whether the command that runs was given --json."""
    return bool(click.get_current_context().meta.get(_JSON))


def _filter(_: click.Context, __: click.Parameter, pairs: tuple[str, ...]) -> MemoryFilter | None:
    split = (pair.partition("=") for pair in pairs)
    return MemoryFilter.read((key, value) for key, _, value in split) if pairs else None


where_option = click.option(
    "--where",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_filter,
    help="Only memories that match, such as text=tea, source=document, created-since=7d or "
    "expired=yes; repeatable.",
)
json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_note_json,
    help="Print one JSON document and nothing else.",
)


class _Commands(click.Group):
    """The root command: sets the actor, and turns errors into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with acting(_actor()):
                return super().invoke(ctx)
        except MemoryCoreError as exc:
            click.echo(f"Error: {exc}", err=True)
            no_answer = isinstance(exc, (BackendError, LedgerError, NotIndexed))
            ctx.exit(EXIT_NO_ANSWER if no_answer else EXIT_BAD_INPUT)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if meant := _MEANT.get(args[0]):
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{meant}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for title, names in _SECTIONS.items():
            with formatter.section(title):
                rows = [
                    (name.ljust(width), self.commands[name].get_short_help_str(80))
                    for name in names.split()
                ]
                formatter.write_dl(rows)


def output(
    document: Callable[[*_Values], Mapping[str, Any]],
    text: Callable[[*_Values], str],
    *values: *_Values,
    passed: bool = True,
) -> None:
    """Print values as JSON or as text; unless `passed`, end as a failed check.

    JSON is UTF-8 whatever the encoding of the terminal (RFC 8259).
    """
    click.echo(to_json(document(*values)).encode() if json_wanted() else text(*values))
    if not passed:
        click.get_current_context().exit(EXIT_CHECK_FAILED)


def with_service(command: Callable[..., None], *, index: bool = True) -> Callable[..., None]:
    """Open the service for a command and close it; add the option --json.

    With `index` False a command that reads only the ledger works while the index is broken.
    """

    @json_option
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with open_service(migrate=False, index=index) as service:
            command(service, *args, **kwargs)

    return run


@contextmanager
def file_errors(path: Path, action: str, advice: str) -> Iterator[None]:
    """Turn the failure to open, read or write a file into one sentence."""
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or exc
        raise MemoryCoreError(f"{str(path)!r} cannot be {action}: {reason}; {advice}") from exc


@contextmanager
def progress_bar(label: str, *, hidden: bool = False) -> Iterator[Progress]:
    """Show a bar on stderr if that is a terminal, and yield the function that advances it."""
    hidden = hidden or json_wanted() or not sys.stderr.isatty()
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=hidden) as bar:

        def advance(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield advance


@click.group(cls=_Commands, context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="holdfast")
@click.option("-v", "--verbose", is_flag=True, help="Show the log lines on stderr.")
def cli(verbose: bool) -> None:
    """Keep an assistant's memories of its users, and prove that they are kept.

    Environment variables say where memories are stored; `status` shows what was chosen and why.
    USER may be given in any form, such as " Alice@Example.com": the canonical id is used. Every
    command prints text, or with --json one JSON document.

    Exit codes: 0 success, 1 a check failed, 2 wrong usage or invalid input, 3 the storage did not
    answer.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO if verbose else logging.ERROR)


def main() -> None:
    """Run the command line."""
    # Names and memories use any script; a terminal that cannot show a letter gets its code.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    keep_files_private()
    called = Path(sys.argv[0]).stem
    cli(prog_name=called if called == "holdfast" else "python -m memory_core")


def _actor() -> Actor:
    """Return the user who runs the command, by name in the operating system, and the host."""
    try:
        from pwd import getpwuid

        name = getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, AttributeError):
        # No user database (Windows), or no entry in it: a container may run under any number.
        name = f"user {os.getuid()}" if hasattr(os, "getuid") else "somebody"
    return Actor(name, "shell", platform.node(), "command line")
