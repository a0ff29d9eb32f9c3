"""Stop everything cleanly.

From the outside inwards, so that requests that run are finished; the database
last. Also ends what runs without supervisord.

\b
Example: bin/stack down
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import stopping
from collective.recipe.productionstack.ctl.lifecycle import survey


@click.command("down", help=__doc__)
@click.pass_obj
def command(control: Control) -> int:
    with control.lock():
        stack = control.newest()
        if not survey.take(stack).roots:
            control.screen.say("down: nothing runs")
            return 0
        with control.screen.steps() as steps:
            stopping.everything(control, stack, steps)
        control.screen.say("down: everything is stopped")
    return 0
