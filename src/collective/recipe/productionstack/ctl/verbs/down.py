"""Stop everything cleanly.

From the outside inwards, so that requests that run are finished; the database
last. Also ends what runs without supervisord.

\b
Example: bin/stack down
"""

from __future__ import annotations

import math
import os
import time

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import boot
from collective.recipe.productionstack.ctl.lifecycle import stopping
from collective.recipe.productionstack.ctl.lifecycle import survey

LOCK_SECONDS = 15
"""At shutdown the verb of a login that holds the lock is about to be ended."""


@click.command("down", help=__doc__)
@click.pass_obj
def command(control: Control) -> int:
    unit = boot.unit(control)
    if not unit.owns(os.getpid()):
        with control.lock():
            _stop(control, math.inf)
            # supervisord that hung was killed: systemd would start it again.
            unit.end()
    elif survey.take(control.newest()).roots:  # else another `down` was just at work
        deadline = time.monotonic() + boot.STOP_SECONDS
        with control.lock(LOCK_SECONDS):
            _stop(control, deadline)
    return 0


def _stop(control: Control, deadline: float) -> None:
    stack = control.newest()
    seen = survey.take(stack)
    if not seen.roots:
        stopping.supervisord(control, stack, seen)
        control.screen.say("down: nothing runs")
        return
    with control.screen.steps() as steps:
        stopping.everything(control, stack, steps, deadline)
    control.screen.say("down: everything is stopped")
