"""Restart what no visitor is sent to: stop it, start it, see that it answers."""

from __future__ import annotations

import time

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import stopping
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.starting import Starter
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.daemons.supervisor.control import adopt
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack


def restart(
    control: Control, stack: Stack, program: Program, steps: Steps, seconds: float
) -> Starter:
    """Restart one program; return who has started it.

    Raises ControlError where it does not answer within so many seconds.
    """
    seen = survey.take(stack)
    if seen.pid(program.name):
        stopping.programs(control, stack, seen, [program], steps)
    running = survey.connect(stack)
    adopt(running)
    deadline = time.monotonic() + seconds
    starter = Starter(control, stack, running, steps, deadline)
    starter.start([program])
    return starter
