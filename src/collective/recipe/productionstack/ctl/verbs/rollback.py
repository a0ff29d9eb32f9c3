"""Go back to the configuration before the current one.

What runs is reloaded. Done twice, it goes forth again. The next run of
bin/buildout writes its own configuration again.

\b
Example: bin/stack rollback
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import reloading
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.errors import ControlError


@click.command("rollback", help=__doc__)
@click.pass_obj
def command(control: Control) -> int:
    with control.lock():
        return _rollback(control)


def _rollback(control: Control) -> int:
    current, previous = control.trees.current(), control.trees.previous()
    if current is None or previous is None or previous == current:
        message = (
            "there is no previous configuration to go back to. "
            "One is kept from the second change by bin/buildout on."
        )
        raise ControlError(message)
    runs = not survey.take(control.newest()).is_empty
    control.trees.switch_to(previous)
    control.screen.tell(
        f"rollback: {previous.name} is current again, {current.name} is kept. "
        "The next bin/buildout writes its own again."
    )
    if not runs:
        return 0
    try:
        return reloading.reload(control)
    except ControlError:
        control.trees.switch_to(current)
        raise
