"""Let one running daemon take in the applied tree, and see that it really did."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterable

from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons.haproxy import control as haproxy
from collective.recipe.productionstack.daemons.haproxy.control import Balancer
from collective.recipe.productionstack.daemons.nginx import control as nginx
from collective.recipe.productionstack.daemons.varnish import control as varnish
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack

SECONDS = 15.0


def reload(stack: Stack, program: Program) -> None:
    """Reload one daemon; ControlError when it stays with what it had."""
    if program.reload == "vcl":
        varnish.load(stack)
        return
    look = {"haproxy": haproxy.worker_of, "nginx": nginx.workers}.get(program.kind)
    before = look(stack, program) if look else frozenset()
    drained = Balancer(stack).drained() if program.kind == "haproxy" else []
    _signal(stack, program)
    if look is not None and not _changes(lambda: look(stack, program), before):
        message = (
            f"{program.name} did not take the configuration in and serves on with the "
            f"old one. Its log in {stack.folders.log} says why."
        )
        raise ControlError(message)
    _wait_healthy(stack, program)
    _drain_again(stack, drained)


def _drain_again(stack: Stack, names: Iterable[str]) -> None:
    """Keep visitors away as before: a new HAProxy knows nothing of it."""
    known = Balancer(stack).servers() if names else {}
    for name in known.keys() & set(names):
        Balancer(stack).set_state(name, "drain")


def _signal(stack: Stack, program: Program) -> None:
    seen = survey.take(stack)
    if program.name in seen.infos:
        survey.connect(stack).signal(program.name, program.reload)
        return
    pids = seen.roots.get(program.name) or _by_its_own_word(stack, program)
    if not pids:
        message = f"{program.name} does not run. Start it, it reads the new files then."
        raise ControlError(message)
    survey.send(pids, program.reload)


def _by_its_own_word(stack: Stack, program: Program) -> list[int]:
    """Return the master of a daemon that the user starts, without our marks."""
    if program.kind == "haproxy":
        worker = processes.process(Balancer(stack).worker())
        pid = worker.parent if worker else 0
    else:
        pid = nginx.pid_in_file(stack, program)
    return [pid] if program.kind in processes.command(pid) else []


def _changes(look: Callable[[], frozenset[int]], before: frozenset[int]) -> bool:
    """Wait until a process is there that was not there before."""
    deadline = time.monotonic() + SECONDS
    while not look() - before:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _wait_healthy(stack: Stack, program: Program) -> None:
    deadline = time.monotonic() + SECONDS
    while (answer := health.probe(program.health, 2)) != health.OK:
        if time.monotonic() > deadline:
            message = (
                f"{program.name} was reloaded but its health is: {answer}. "
                f"Its log in {stack.folders.log} says why."
            )
            raise ControlError(message)
        time.sleep(0.1)
