"""Stop programs cleanly, supervised or not, and supervisord itself."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from collections.abc import Sequence
from contextlib import suppress

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import boot
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.survey import Survey
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.supervisor.control import Supervisor
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import own_processes
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import CLIENT
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.stack import Stack

REQUESTS_SECONDS = 30.0
SHUTDOWN_SECONDS = 20.0
LEFT_OVER_SECONDS = 30
STORAGE_RESERVE = 10
INNER_RESERVE = 20
OUTER_RESERVE = 40
"""Seconds before a deadline: to end supervisord in; storages and it; what stands before
the clients (an engine of searches, say), storages and it."""


def everything(
    control: Control, stack: Stack, steps: Steps, deadline: float = math.inf
) -> None:
    """Stop all programs, the outermost first, then supervisord.

    What has not ended is killed in time for the deadline, storages last.
    """
    seen = survey.take(stack)
    if seen.supervisor and not seen.answers:
        # It cannot be talked to; without it the programs are stopped in order below.
        control.screen.warn(f"supervisord (pid {seen.supervisor}) hangs: killing it")
        survey.end([seen.supervisor], "KILL", 5)
        seen = survey.take(stack)
    for group in (ordered := groups(stack, seen)):
        if _stands_behind(stack, group[0]):
            _let_requests_end(control, stack, deadline - OUTER_RESERVE)
        until = _until(stack, group[0], ordered, deadline)
        programs(control, stack, survey.take(stack), group, steps, deadline=until)
    supervisord(control, stack, survey.take(stack))


def _until(
    stack: Stack, first: Program, ordered: list[list[Program]], deadline: float
) -> float:
    """Return until when a group may take: what stands behind it needs its time too."""
    if first.is_storage:
        return deadline - STORAGE_RESERVE
    if first not in stack.extras.before:
        return deadline - OUTER_RESERVE
    waiting_too = [group for group in ordered if group[0] in stack.extras.before]
    left = len(waiting_too) - waiting_too.index([first])
    now = time.monotonic()
    return now + max(0.0, deadline - INNER_RESERVE - now) / left


def groups(stack: Stack, seen: Survey) -> list[list[Program]]:
    """Return what runs in the order of stopping; a group stops side by side."""
    known = {program.name for program in stack.announced.programs}
    names = sorted({*seen.infos, *seen.roots} - known - {own_processes.SUPERVISOR})
    strangers = [_unknown(name) for name in names]
    backwards = list(reversed(stack.announced.programs))
    clients = [one for one in backwards if one.is_client]
    inner = [one for one in backwards if one.is_storage or one in stack.extras.before]
    outer = [one for one in backwards if one not in clients and one not in inner]
    ordered = [
        *([one] for one in outer),
        [*clients, *strangers],
        *([one] for one in inner),
    ]
    running_now = [[one for one in group if _runs(seen, one)] for group in ordered]
    return [group for group in running_now if group]


def programs(  # noqa: PLR0913 (what, of what, seen how, and until when)
    control: Control,
    stack: Stack,
    seen: Survey,
    group: Sequence[Program],
    steps: Steps,
    *,
    deadline: float = math.inf,
) -> None:
    """Stop a group of programs with their own signals and wait for their end.

    Each has its own patience, and is killed at the deadline at the latest.
    """
    begun = time.monotonic()
    supervisor = survey.connect(stack) if seen.answers else None
    for program in group:
        steps.begin(program.name, "stopping")
        if supervisor and program.name in seen.infos and seen.infos[program.name].is_up:
            supervisor.stop(program.name)
        # Told now, so that all of a group end side by side; waited for below.
        survey.send(seen.leftovers.get(program.name, ()), program.stop_signal)
    for program in group:
        patience = min(program.stop_seconds, max(1, deadline - begun))
        killed = supervisor is not None and _wait_stopped(
            supervisor, program, seen.pids(program.name), begun, patience
        )
        if loose := seen.leftovers.get(program.name):
            killed |= survey.finish(loose, seen.table, patience)
        if killed:
            control.screen.warn(
                f"{program.name} did not end within {patience:.0f} s: killed"
            )
        steps.done(program.name, "killed" if killed else "stopped")


def strangers(
    control: Control, stack: Stack, names: Sequence[str], steps: Steps
) -> None:
    """Stop what the configuration no longer holds, and let supervisord forget it."""
    supervisor = survey.connect(stack)
    infos = supervisor.infos()
    for name in names:
        if name in infos:
            seen = survey.take(stack)
            programs(control, stack, seen, [_unknown(name)], steps)
            supervisor.remove(name)


def supervisord(control: Control, stack: Stack, seen: Survey) -> None:
    """Let supervisord end, if it runs; it was not killed then, and is not missed."""
    if seen.supervisor:
        _end_supervisord(control, stack, seen)
    boot.pid_file(control).unlink(missing_ok=True)


def _end_supervisord(control: Control, stack: Stack, seen: Survey) -> None:
    if seen.answers:
        with suppress(ControlError):
            survey.connect(stack).shutdown()
    else:
        survey.send([seen.supervisor], "TERM")
    if not survey.wait_gone([seen.supervisor], SHUTDOWN_SECONDS):
        control.screen.warn(f"supervisord (pid {seen.supervisor}) hangs: killed")
        survey.end([seen.supervisor], "KILL", 5)


def _let_requests_end(control: Control, stack: Stack, deadline: float) -> None:
    """Wait for requests in the clients: Zope gives them 5 s when it is stopped."""
    balancer = roles.balancer(stack)
    seconds = min(REQUESTS_SECONDS, max(0.0, deadline - time.monotonic()))
    if not balancer.wait_idle({one.name for one in stack.zope.clients}, seconds):
        control.screen.warn(
            f"requests still ran after {seconds:.0f} s: stopping the clients anyway"
        )


def _wait_stopped(
    supervisor: Supervisor,
    program: Program,
    pids: Collection[int],
    begun: float,
    patience: float,
) -> bool:
    """Wait until supervisor has stopped a program; return whether it had to be killed.

    supervisor itself kills after stop_seconds, which may be later than ``patience``.
    """
    left = begun + patience + 15 - time.monotonic()
    for _ in waiting.tries(left, 0.05):
        info = supervisor.infos().get(program.name)
        late = time.monotonic() - begun >= patience
        if info is None or not (info.is_up or info.state == "STOPPING"):
            return late
        if late:
            survey.send(pids, "KILL")
    message = (
        f"{program.name} cannot be stopped (pid {info.pid if info else '?'}). "
        "It hangs in the kernel, mostly for a disk: see dmesg."
    )
    raise ControlError(message)


def _stands_behind(stack: Stack, program: Program) -> bool:
    """Whether it is the balancer and no more: a web server ends requests itself."""
    shared = stack.chain.is_of_web_server(BALANCER)
    return program.kind == stack.chain.load_balancer and not shared


def _runs(seen: Survey, program: Program) -> bool:
    info = seen.infos.get(program.name)
    supervised = info is not None and (info.is_up or info.state == "STOPPING")
    return supervised or bool(seen.roots.get(program.name))


def _unknown(name: str) -> Program:
    """Return a stand-in for what an earlier configuration started."""
    return Program(
        name=name,
        kind=CLIENT,
        command=(),
        health=Health(address=Address()),
        stop_seconds=LEFT_OVER_SECONDS,
    )
