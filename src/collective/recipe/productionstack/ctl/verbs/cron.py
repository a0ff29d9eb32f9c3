"""Show, install or remove the stack's block in your crontab.

Only the lines between our two fences are ever touched.

\b
Example: bin/stack cron show
         bin/stack cron install
"""

from __future__ import annotations

import os
import pwd
import re

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.shell import Guessing
from collective.recipe.productionstack.daemons.cron import control as crontab
from collective.recipe.productionstack.daemons.cron import rivals
from collective.recipe.productionstack.daemons.logrotate import rivals as rotating
from collective.recipe.productionstack.errors import ControlError

MAILTO = re.compile(r"^MAILTO=(.*)$", re.MULTILINE)
FILE = "crontab"


@click.group("cron", cls=Guessing, help=__doc__)
def command() -> None:
    """Hold show, install and remove."""


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
    stack = control.generated()
    for text in (*rivals.warnings(stack, crontab.read()), *rotating.warnings(stack)):
        control.screen.warn(text)


@command.command("remove")
@click.pass_obj
def remove(control: Control) -> None:
    """Take the block out of your crontab.

    \b
    Example: bin/stack cron remove
    """
    _edit(control, "", "removed")


def block(control: Control) -> str:
    """Return the generated block with its fences.

    Raises ControlError where buildout has written none.
    """
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
    block = _giving_back(block, before.partition(begin)[0], end)
    after = crontab.edited(before, block, begin, end)
    if after == before:
        control.screen.say(f"cron: nothing to change, the block is {done} already")
        return
    crontab.write(after)
    control.screen.say(f"cron: the block is {done}")


def _giving_back(block: str, above: str, end: str) -> str:
    """See that who got mail above the block gets it for the lines below, too."""
    if not MAILTO.search(block):
        return block
    found = MAILTO.findall(above)
    who = found[-1] if found else pwd.getpwuid(os.getuid()).pw_name
    line = f"# The lines below go to whom they went before.\nMAILTO={who}\n"
    return block.replace(f"{end}\n", f"{line}{end}\n")
