"""What starts the stack after a reboot, in words and as text to install."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collective.recipe.productionstack.ctl.control import LOCK
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.daemons import boot
from collective.recipe.productionstack.daemons.cron import control as crontab
from collective.recipe.productionstack.daemons.systemd import control as systemd
from collective.recipe.productionstack.daemons.systemd.control import Unit
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.machine import own_processes
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine.run import Result

SECONDS = 900
"""Disks and networks are slow right after a reboot; ZEO may come late."""

STOP_SECONDS = systemd.STOP_SECONDS - 10
"""What `down` may take in the unit: systemd ends it, and everything, after that."""

START_SECONDS = 90
"""What the unit may take to start supervisord alone."""

OUTSIDE = (
    "what runs now was not started by the unit, but lives in a login's session: a "
    "shutdown kills it in no order, and nothing starts it again when it was killed, "
    "until {script} down, then {script} up"
)

ASKED = "asked-unit.pid"
"""In the stack's folder: who has asked the unit for supervisord alone."""


def how(control: Control, timeout: float = 20) -> str:
    """Say in a few words what starts the stack after a reboot."""
    kind = boot.installed(str(control.directory), control.name, timeout)
    if kind == "crontab":
        return "the @reboot line of your crontab starts it"
    if kind == "systemd":
        late = "" if systemd.lingers() else ", but only at your next login"
        return f"your systemd unit {unit(control).path.name} starts it{late}"
    return f"nothing starts it: {control.script} boot install"


def warnings(control: Control) -> list[str]:
    """Say what a unit does not do as things are; a quick look at files alone."""
    found = []
    if unit(control).path.exists():
        if not systemd.lingers():
            found.append(
                "without lingering systemd stops the site when you log out; "
                f"root runs once: loginctl enable-linger {systemd.user()}"
            )
        if runs_outside(control):
            found.append(OUTSIDE.format(script=control.script))
    return found


def runs_outside(control: Control) -> bool:
    """Whether supervisord runs, but not in the unit: in a login's session, mostly."""
    try:
        pid = int(pid_file(control).read_text())
    except (OSError, ValueError):
        return False
    ours = own_processes.SUPERVISOR in processes.command(pid)
    return ours and not unit(control).owns(pid)


def was_killed(control: Control) -> bool:
    """Whether supervisord is gone without having ended, and nobody is at work on it."""
    if not pid_file(control).exists() or locks.is_held(str(control.var / LOCK)):
        return False
    return not survey.take(control.newest()).supervisor


def may_ask(control: Control) -> bool:
    """Whether there is a unit that can start supervisord, and this is not its work."""
    one = unit(control)
    return one.path.exists() and not is_inside(control) and one.is_loaded()


def is_inside(control: Control) -> bool:
    """Whether systemd runs this as part of the unit."""
    return unit(control).owns(os.getpid())


def ask(control: Control) -> Result:
    """Let the unit start supervisord, and that alone: we go on with the programs.

    What a login starts lives in that login's session, which a shutdown ends before all
    else, in no order. A process cannot change over, but what the unit starts is in it.
    """
    with _asking(control):
        return unit(control).start(START_SECONDS)


def is_asked(control: Control) -> bool:
    """Whether this runs in the unit for an ``up`` that waits for supervisord."""
    if not is_inside(control):
        return False
    try:
        pid = int((control.var / ASKED).read_text())
    except (OSError, ValueError):
        return False
    return processes.alive(pid) and locks.is_held(str(control.var / LOCK))


@contextmanager
def _asking(control: Control) -> Iterator[None]:
    path = control.var / ASKED
    path.write_text(str(os.getpid()), encoding="ascii")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def line(control: Control) -> str:
    """Return the fenced lines for the crontab."""
    begin, end = fences(control)
    up = f"{shlex.quote(_program(control))} --quiet up --timeout {SECONDS}"
    every_minute = f"* * * * * {_look(control)}{up} --if-killed"
    return f"{begin}\n@reboot umask 027; {up}\n{every_minute}\n{end}\n"


def _look(control: Control) -> str:
    """Return a look that costs next to nothing: most minutes there is nothing to do.

    supervisord that ended as it should has taken its pid file away; the mark tells it
    from another process that has its number now.
    """
    file, mark = shlex.quote(str(pid_file(control))), f"{own_processes.STACK_MARK}="
    mark = shlex.quote(f"{mark}{control.var}")
    return (
        f"test -s {file} && "
        f'! grep -qszxF {mark} "/proc/$(cat {file})/environ" && umask 027 && '
    )


def pid_file(control: Control) -> Path:
    """Return where supervisord writes its number, and leaves it when it is killed."""
    return control.var / f"{own_processes.SUPERVISOR}.pid"


def fences(control: Control) -> tuple[str, str]:
    """Return the lines around ours in the crontab."""
    return crontab.fences(str(control.directory), boot.line_name(control.name))


def unit(control: Control) -> Unit:
    """Return the unit of this stack."""
    return Unit(str(control.directory), control.name)


def unit_text(control: Control) -> str:
    """Return what the unit of this stack is to hold."""
    file = str(pid_file(control))
    return unit(control).text(_program(control), file, SECONDS)


def _program(control: Control) -> str:
    return f"{control.generated().folders.bin}/{control.name}"
