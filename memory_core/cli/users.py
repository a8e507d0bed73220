"""The commands over all users."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from .. import render_users
from ..service import MemoryService, open_service
from .base import cli, json_option, output, with_service


@cli.group(invoke_without_command=True)
@json_option
@click.pass_context
def users(ctx: click.Context, as_json: bool) -> None:
    """List every user with the number of memories, or find one."""
    if ctx.invoked_subcommand:
        return
    with open_service() as service:
        found, as_of = service.users(), datetime.now(UTC)
    document = render_users.users_document(found, as_of)
    output(document, render_users.users_text(found, as_of), as_json=as_json)


@users.command("find")
@click.argument("text")
@json_option
@with_service
def find_command(service: MemoryService, text: str, as_json: bool) -> None:
    """Find whose memories are meant: TEXT is an id in any form, a name, or a memory's id."""
    found = service.find(text)
    document = render_users.found_document(found)
    output(document, render_users.found_text(found), as_json=as_json)
