"""Start everything in order and wait until it answers.

What runs already is left alone; run it as often as you like. A site that is
not in the database yet is no failure: you are told how to create it.

\b
Example: bin/stack up
         bin/stack --quiet up --timeout 600
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from collective.recipe.productionstack.ctl.alerts import Alert
from collective.recipe.productionstack.ctl.alerts import Post
from collective.recipe.productionstack.ctl.backups.exchange import Swap
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.lifecycle import boot
from collective.recipe.productionstack.ctl.lifecycle import intruders
from collective.recipe.productionstack.ctl.lifecycle import leftovers
from collective.recipe.productionstack.ctl.lifecycle import starting
from collective.recipe.productionstack.ctl.lifecycle import stopping
from collective.recipe.productionstack.ctl.lifecycle import supervisord
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.starting import Starter
from collective.recipe.productionstack.ctl.lifecycle.survey import Survey
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.ctl.traffic import pages
from collective.recipe.productionstack.ctl.watching import troubles
from collective.recipe.productionstack.daemons import certificates
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.cron import control as crontab
from collective.recipe.productionstack.daemons.cron import rivals
from collective.recipe.productionstack.daemons.supervisor.control import adopt
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack


@click.command("up", help=__doc__)
@click.option(
    "--timeout", default=300, show_default=True, metavar="SECONDS", help="Give up then."
)
@click.option(
    "--if-killed",
    is_flag=True,
    help="Only where supervisord was killed; never after down, or beside another verb.",
)
@click.pass_obj
def command(control: Control, *, timeout: int, if_killed: bool) -> int:
    if boot.is_asked(control):
        supervisord.ensure(control, control.newest())
        return 0
    was_killed = boot.was_killed(control)
    if if_killed and not was_killed:
        return 0
    if was_killed:
        _tell(control)
    try:
        _up(control, timeout)
    except ControlError as error:
        # What runs is to be stopped in order at shutdown: systemd does that for a unit
        # that has started, whatever of it does not answer yet.
        if not boot.is_inside(control) or not survey.take(control.newest()).answers:
            raise
        control.screen.fail(f"Error: {error}")
    return 0


def _tell(control: Control) -> None:
    """Tell that supervisord was killed: with the watchdog gone too nobody else does.

    Once: the watchdog says that it is well again.
    """
    stack = control.newest()
    known = troubles.load(stack)
    if stack.alone or troubles.KILLED in known:
        return
    Path(stack.folders.var).mkdir(parents=True, exist_ok=True, mode=0o700)
    troubles.save(stack, {**known, troubles.KILLED: troubles.WITHOUT})
    advice = f"{control.script} up is at work on it, in {stack.folders.buildout}."
    Post(control.screen.warn).send(stack, Alert(troubles.WITHOUT, advice))


def _up(control: Control, timeout: float) -> None:
    with control.lock():
        Swap(control.newest()).heal(control.screen)
        stack = _settle(control)
        deadline = time.monotonic() + timeout
        with control.screen.steps() as steps:
            found = _bring_up(control, stack, steps, deadline)
        outcomes.note_up(stack)
        _conclude(control, stack, found)


def _settle(control: Control) -> Stack:
    """Choose the configuration to start from; refuse before anything is started."""
    wanted = control.newest()
    if not wanted.announced.programs:
        message = (
            f"[{wanted.name}] starts nothing: it writes configuration alone. "
            "Start the daemon from your own supervisor."
        )
        raise ControlError(message)
    seen = survey.take(wanted)
    if seen.is_empty:
        wanted = control.generated()
        _refuse_intruders(control, wanted, seen)
        stopping.supervisord(control, wanted, seen)
        control.trees.apply()
    else:
        _refuse_intruders(control, wanted, seen)
    supervisord.make_folders(wanted)
    return wanted


def _refuse_intruders(control: Control, stack: Stack, seen: Survey) -> None:
    names = [one.name for one in stack.announced.programs]
    # What is no longer part of the stack is stopped before its successor starts.
    leaving = {pid for name in seen.infos.keys() - names for pid in seen.pids(name)}
    ours = {name: seen.pids(name) | leaving for name in names}
    found = intruders.found(stack, ours)
    if found:
        shown = "\n".join(f"    {one}" for one in found)
        message = (
            f"addresses of this stack are taken; nothing was started.\n{shown}\n"
            f"{intruders.remedy(stack, found)}\nThen run {control.script} up again."
        )
        raise ControlError(message)


def _bring_up(
    control: Control, stack: Stack, steps: Steps, deadline: float
) -> dict[str, list[str]]:
    supervisor = supervisord.ensure(control, stack)
    changes = adopt(supervisor)
    stopping.strangers(control, stack, changes.removed, steps)
    starter = Starter(control, stack, supervisor, steps, deadline)
    leftovers.replace(starter, control.screen)
    started = [
        program.name for group in _groups(stack) for program in _start(starter, group)
    ]
    roles.balancer(stack).let_go()
    found = pages.wait_for_all(starter)
    starter.settle()
    return {"started": started, "hints": pages.hints(control, stack, found)}


def _groups(stack: Stack) -> list[list[Program]]:
    """Return programs in the order of their start; a group starts side by side."""
    groups: list[list[Program]] = []
    for program in stack.announced.programs:
        if program.standby:
            continue
        beside = program.is_client or program.is_frontend
        if groups and beside and groups[-1][0].kind == program.kind:
            groups[-1].append(program)
        else:
            groups.append([program])
    return groups


def _start(starter: Starter, group: Sequence[Program]) -> list[Program]:
    if len(group) > 1 and group[0].is_client and starting.is_empty(starter.stack):
        # Two clients would both create the root of the database, and one would die.
        first = starter.start(group[:1])
        starting.forget_index(starter.stack)
        return first + starter.start(group[1:])
    started = starter.start(group)
    if any(one.kind == starter.stack.chain.load_balancer for one in started):
        starter.wait_for_server()
    return started


def _conclude(control: Control, stack: Stack, found: dict[str, list[str]]) -> None:
    screen = control.screen
    number = sum(not program.standby for program in stack.announced.programs)
    started = len(found["started"])
    screen.say(
        f"up: {number} programs answer"
        + (
            f", {started} of them started now"
            if started
            else ", nothing was to be started"
        )
    )
    hints = (*found["hints"], *_stand_ins(control, stack))
    for hint in (*hints, *boot.warnings(control), *_rivals(stack)):
        screen.warn(f"note: {hint}")
    if control.trees.applied() != control.trees.current():
        screen.warn(
            "note: what runs is not what buildout generated last: "
            f"run {control.script} reload"
        )


def _stand_ins(control: Control, stack: Stack) -> list[str]:
    """Say who waits for a first certificate: browsers warn of what serves till then."""
    waiting = [
        site.host
        for site in stack.virtual_hosts
        if site.acme and certificates.of_site(stack, site).is_stand_in
    ]
    if not waiting:
        return []
    more = f" and {len(waiting) - 1} more" if waiting[1:] else ""
    get = f"{control.script} certificate obtain"
    return [f"{waiting[0]}{more}: the certificate is self-signed until {get}"]


def _rivals(stack: Stack) -> list[str]:
    """Say what else of this user's crontab does the same."""
    with suppress(ControlError):
        return rivals.warnings(stack, crontab.read())
    return []
