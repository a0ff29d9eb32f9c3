"""``cron``: our fenced block in the user's crontab, the rest untouched."""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl import crontab
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError

FILE = "crontab"


@click.group("cron", short_help="Show, install or remove the block in your crontab.")
def command() -> None:
    """Show, install or remove the stack's block in your crontab.

    Only the lines between our two fences are ever touched.

    \b
    Example: bin/stack cron show
             bin/stack cron install
    """


@command.command("show")
@click.pass_obj
def show(control: Control) -> None:
    """Print the generated block.

    \b
    Example: bin/stack cron show
    """
    click.echo(block(control), nl=False)


@command.command("install")
@click.pass_obj
def install(control: Control) -> None:
    """Put the block into your crontab, or bring it up to date.

    \b
    Example: bin/stack cron install
    """
    _edit(control, block(control), "installed")


@command.command("remove")
@click.pass_obj
def remove(control: Control) -> None:
    """Take the block out of your crontab.

    \b
    Example: bin/stack cron remove
    """
    _edit(control, "", "removed")


def block(control: Control) -> str:
    """Return the generated block with its fences."""
    control.generated()
    folder = control.trees.current()
    path = folder / FILE if folder else None
    if path is None or not path.is_file():
        message = (
            f"[{control.name}] writes no crontab. Add cron to its services, "
            "then run bin/buildout."
        )
        raise ControlError(message)
    text = path.read_text(encoding="utf-8")
    begin, end = crontab.fences(str(control.directory), control.name)
    if begin in text.splitlines():
        return text
    return f"{begin}\n{text.rstrip()}\n{end}\n"


def _edit(control: Control, block: str, done: str) -> None:
    before = crontab.read()
    begin, end = crontab.fences(str(control.directory), control.name)
    after = crontab.edited(before, block, begin, end)
    if after == before:
        control.screen.say(f"cron: nothing to change, the block is {done} already")
        return
    crontab.write(after)
    control.screen.say(f"cron: the block is {done}")
