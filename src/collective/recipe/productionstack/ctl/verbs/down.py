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
    if boot.is_inside(control):
        _stop_unit(control)
        return 0
    with control.lock():
        _stop(control, math.inf)
        # supervisord that hung was killed: systemd would start it again.
        boot.unit(control).end()
    return 0


def _stop_unit(control: Control) -> None:
    """Stop in time for systemd, which calls this before and after supervisord's end."""
    # https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html
    failed = os.environ.get("SERVICE_RESULT", "success") != "success"
    # After a failure it starts again, and takes over what runs. Where nothing does,
    # another `down` is at work, which still holds the lock.
    if not failed and survey.take(control.newest()).roots:
        deadline = time.monotonic() + boot.STOP_SECONDS
        with control.lock(LOCK_SECONDS):
            _stop(control, deadline)


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
