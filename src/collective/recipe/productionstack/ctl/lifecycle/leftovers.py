"""Replace programs that a killed supervisord left running, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.starting import Starter
from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.announced import Program

DRAIN_SECONDS = 30.0
UNKNOWN_SECONDS = 30.0


def replace(starter: Starter, screen: Screen) -> None:
    """End each leftover before its successor starts: nothing ever runs twice."""
    leftovers = survey.take(starter.stack).leftovers
    known = {program.name: program for program in starter.stack.announced.programs}
    for name in sorted(leftovers.keys() - known.keys()):
        _report(screen, name, survey.end(leftovers[name], "TERM", UNKNOWN_SECONDS))
    for program in starter.stack.announced.programs:
        if program.name in leftovers:
            screen.say(f"{program.name:<16} runs without supervisord: replacing it")
            _replace(starter, screen, program, leftovers[program.name])


def _replace(
    starter: Starter, screen: Screen, program: Program, pids: Sequence[int]
) -> None:
    drained = program.is_client and _drain(starter, screen, program)
    killed = survey.end(pids, program.stop_signal, program.stop_seconds)
    _report(screen, program.name, killed)
    if not program.standby:
        starter.start([program])
    if drained:
        with suppress(ControlError):
            roles.balancer(starter.stack).set_state(program.name, "ready")


def _drain(starter: Starter, screen: Screen, program: Program) -> bool:
    """Let a client finish its requests; False where HAProxy cannot be asked."""
    balancer = roles.balancer(starter.stack)
    if program.name not in balancer.servers_seen():
        return False
    with suppress(ControlError):
        balancer.set_state(program.name, "drain")
        if not balancer.wait_idle({program.name}, DRAIN_SECONDS):
            screen.warn(
                f"{program.name} still had requests after {DRAIN_SECONDS:.0f} s: "
                "stopped anyway"
            )
        return True
    return False


def _report(screen: Screen, name: str, killed: bool) -> None:  # noqa: FBT001
    if killed:
        screen.warn(f"{name} did not end in time and was killed")
