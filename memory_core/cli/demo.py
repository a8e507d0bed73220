"""The command `demo`: invented people, and failures that are staged and undone."""

from functools import partial

import click

from ..doctor.demo_director import DemoDirector
from ..model.counting import counted
from ..render import diagnosis
from ..service import open_service
from ..settings import Settings
from .base import cli, json_option, json_wanted, output, progress_bar

_open = partial(open_service, migrate=False)


def _director() -> DemoDirector:
    return DemoDirector(Settings.from_env())


def _say(sentence: str, director: DemoDirector) -> None:
    if not json_wanted():
        click.echo(sentence)
    output(diagnosis.demo_document, diagnosis.demo_text, director)


@cli.group(invoke_without_command=True)
@click.pass_context
@json_option
def demo(ctx: click.Context) -> None:
    """Break things on purpose and put them right, for a demonstration.

    Works on the embedded default and on the stand-in of `make demo`, never with an AWS account.
    Without a subcommand it lists what can be broken, and what is broken now.
    """
    director = _director()
    if ctx.invoked_subcommand is None:
        output(diagnosis.demo_document, diagnosis.demo_text, director)


@demo.command()
@json_option
def load() -> None:
    """Load twelve invented people; users who have memories already are left alone."""
    director = _director()
    with _open() as service, progress_bar("load") as advance:
        people = director.load(service, advance)
    _say(f"{counted(len(people), 'person', 'people')} loaded.", director)


@demo.command("break")
@click.argument("scene")
@json_option
def break_scene(scene: str) -> None:
    """Stage SCENE: the doctor finds it, `demo fix` undoes it."""
    director = _director()
    played = director.begin(scene, _open)
    look = " ".join(["doctor", *(f"--tag {tag}" for tag in played.tags)])
    _say(f"{played.effect} Look with `{look}`.", director)


@demo.command()
@click.argument("scene")
@json_option
def fix(scene: str) -> None:
    """Undo SCENE, as a person would."""
    director = _director()
    fixed = director.put_right(scene, _open)
    _say(f"Put right: {fixed.title}.", director)


@demo.command()
@json_option
def reset() -> None:
    """Undo all scenes and remove everything that the demo has created."""
    director = _director()
    made = director.reset(_open)
    people = counted(len(made.people), "invented person", "invented people")
    _say(f"Removed {people} and {counted(len(made.scenes), 'scene')}.", director)
