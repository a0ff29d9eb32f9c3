"""``down``: stop everything cleanly."""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl import stop
from collective.recipe.productionstack.ctl import survey
from collective.recipe.productionstack.ctl.control import Control


@click.command("down", short_help="Stop everything cleanly.")
@click.pass_obj
def command(control: Control) -> int:
    """Stop everything cleanly.

    From the outside inwards, so that requests that run are finished; the database
    last. Also ends what runs without supervisord.

    \b
    Example: bin/stack down
    """
    with control.lock():
        stack = control.newest()
        if not survey.take(stack).roots:
            control.screen.say("down: nothing runs")
            return 0
        with control.screen.steps() as steps:
            stop.everything(control, stack, steps)
        control.screen.say("down: everything is stopped")
    return 0
