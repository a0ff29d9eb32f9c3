"""Replace programs that a killed supervisord left running, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import suppress

from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.starting import Starter
from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.announced import Program

DRAIN_SECONDS = 30.0
UNKNOWN_SECONDS = 30.0
UP_SECONDS = 20.0
ASK_SECONDS = 2.0


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
    if program.is_storage:
        with _unasked(starter):
            wanted = health.connections(program.health, ASK_SECONDS)
            _swap(starter, screen, program, pids)
            # Until the clients are back none of them can serve for another.
            waiting.until(
                lambda: health.connections(program.health, ASK_SECONDS) >= wanted,
                UP_SECONDS,
            )
    elif program.kind == starter.stack.chain.web_server:
        # The new one stands for the old, which serves on; see its subreaper.
        starter.start([program])
        guards = [pid for pid in pids if survey.GUARD in processes.arguments(pid)]
        survey.end(guards, "KILL", 5)
    elif program.kind == starter.stack.chain.load_balancer:
        _beside(starter, screen, program, pids)
    elif program.kind == starter.stack.chain.proxy_cache:
        _step_aside(starter, screen, program)
        _swap(starter, screen, program, pids)
    elif program.is_client and _drain(starter, screen, program):
        _swap(starter, screen, program, pids)
        _take_back(starter, program)
    else:
        _swap(starter, screen, program, pids)


def _swap(
    starter: Starter, screen: Screen, program: Program, pids: Sequence[int]
) -> None:
    killed = survey.end(pids, program.stop_signal, program.stop_seconds)
    _report(screen, program.name, killed)
    if not program.standby:
        starter.start([program])


@contextmanager
def _unasked(starter: Starter) -> Iterator[None]:
    """Let no client be taken out for the second in which its database is away."""
    balancer = roles.balancer(starter.stack)
    with suppress(ControlError):
        balancer.keep_all(asking=False)
    try:
        yield
    finally:
        with suppress(ControlError):
            balancer.keep_all(asking=True)


def _beside(
    starter: Starter, screen: Screen, program: Program, pids: Sequence[int]
) -> None:
    """Start the new balancer while the old one serves: both may listen (SO_REUSEPORT).

    What was drained stays so. The old one ends when its requests have.
    """
    stack = starter.stack
    drained = roles.balancer(stack).drained()
    starter.start([program])

    def is_new() -> bool:
        pid = starter.supervisor.infos()[program.name].pid
        return roles.of_program(stack, program).master() == pid

    starter.until(is_new, program.name, f"{program.name} does not take over")
    balancer = roles.balancer(stack)
    for name in balancer.servers_seen().keys() & set(drained):
        balancer.set_state(name, "drain")
    killed = survey.end(pids, program.stop_signal, program.stop_seconds)
    _report(screen, program.name, killed)


def _take_back(starter: Starter, program: Program) -> None:
    """Give a client its visitors again, and let the next one be drained only then."""
    balancer = roles.balancer(starter.stack)
    with suppress(ControlError):
        balancer.set_state(program.name, "ready")
        waiting.until(
            lambda: any(
                one.is_up and one.name == program.name
                for one in balancer.servers_seen().values()
            ),
            UP_SECONDS,
        )


def _step_aside(starter: Starter, screen: Screen, program: Program) -> None:
    """Let the cache finish what it has in hand, while others go past it."""
    with suppress(ControlError):
        if not roles.cache(starter.stack).step_aside(DRAIN_SECONDS):
            _warn_of_requests(screen, program)


def _warn_of_requests(screen: Screen, program: Program) -> None:
    screen.warn(
        f"{program.name} still had requests after {DRAIN_SECONDS:.0f} s: stopped anyway"
    )


def _drain(starter: Starter, screen: Screen, program: Program) -> bool:
    """Let a client finish its requests; False where HAProxy cannot be asked."""
    balancer = roles.balancer(starter.stack)
    if program.name not in balancer.servers_seen():
        return False
    with suppress(ControlError):
        balancer.set_state(program.name, "drain")
        if not balancer.wait_idle({program.name}, DRAIN_SECONDS):
            _warn_of_requests(screen, program)
        return True
    return False


def _report(screen: Screen, name: str, killed: bool) -> None:  # noqa: FBT001
    if killed:
        screen.warn(f"{name} did not end in time and was killed")
