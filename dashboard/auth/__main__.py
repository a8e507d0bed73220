"""`python -m dashboard.auth hash`: make an entry of `DASHBOARD_USERS`."""

import sys

import click

from memory_core.errors import SettingsError

from .accounts import hash_password, parse_users
from .roles import Role


@click.group()
def cli() -> None:
    """Manage access to the dashboard."""


@cli.command("hash")
@click.option("--name", help="Print a whole entry for this name, not only the hash.")
@click.option("--role", type=click.Choice([role.word for role in Role]), default="viewer")
def hash_command(name: str | None, role: str) -> None:
    """Ask for a password and print its argon2 hash; from a pipe, read one line."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        hashed = hash_password(password)
        if name is None:
            click.echo(hashed)
            return
        entry = f"{name}:{role}:{hashed}"
        parse_users(entry, "--name")
        click.echo(entry)
    except (ValueError, SettingsError) as error:
        click.echo(f"{error}.", err=True)
        sys.exit(2)


if __name__ == "__main__":
    cli()
