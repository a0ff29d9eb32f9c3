"""Let one running daemon take in the applied tree, and see that it really did."""

from __future__ import annotations

from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack

SECONDS = 15.0


def reload(stack: Stack, program: Program) -> None:
    """Reload one daemon.

    Raises ControlError when it stays with what it had, or does not answer after it.
    """
    roles.of_program(stack, program).reload(lambda: _signal(stack, program))
    _wait_healthy(stack, program)


def _signal(stack: Stack, program: Program) -> None:
    seen = survey.take(stack)
    if program.name in seen.infos:
        survey.connect(stack).signal(program.name, program.reload)
        return
    # One that the user starts has no marks of ours: it says itself who it is.
    master = roles.of_program(stack, program).master()
    pids = seen.roots.get(program.name) or [pid for pid in (master,) if pid]
    if not pids:
        message = f"{program.name} does not run. Start it, it reads the new files then."
        raise ControlError(message)
    survey.send(pids, program.reload)


def _wait_healthy(stack: Stack, program: Program) -> None:
    for _ in waiting.tries(SECONDS):
        if (answer := health.probe(program.health, 2)) == health.OK:
            return
    message = (
        f"{program.name} was reloaded but its health is: {answer}. "
        f"Its log in {stack.folders.log} says why."
    )
    raise ControlError(message)
