"""What starts the stack after a reboot, in words and as text to install."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.daemons import boot
from collective.recipe.productionstack.daemons.cron import control as crontab
from collective.recipe.productionstack.daemons.systemd.control import Unit

SECONDS = 900
"""Disks and networks are slow right after a reboot; ZEO may come late."""


def how(control: Control, timeout: float = 20) -> str:
    """Say in a few words what starts the stack after a reboot."""
    kind = boot.installed(str(control.directory), control.name, timeout)
    if kind == "crontab":
        return "the @reboot line of your crontab starts it"
    if kind == "systemd":
        lingers = Path("/var/lib/systemd/linger", user()).exists()
        late = f", once root has run: loginctl enable-linger {user()}"
        name = unit(control).path.name
        return f"your systemd unit {name} starts it{'' if lingers else late}"
    return f"nothing starts it: {control.script} boot install"


def line(control: Control) -> str:
    """Return the fenced line for the crontab."""
    begin, end = fences(control)
    program = shlex.quote(_program(control))
    return (
        f"{begin}\n@reboot umask 027; {program} --quiet up --timeout {SECONDS}\n{end}\n"
    )


def fences(control: Control) -> tuple[str, str]:
    """Return the lines around ours in the crontab."""
    return crontab.fences(str(control.directory), boot.line_name(control.name))


def unit(control: Control) -> Unit:
    """Return the unit of this stack."""
    return Unit(str(control.directory), control.name)


def unit_text(control: Control) -> str:
    """Return what the unit of this stack is to hold."""
    return unit(control).text(_program(control), SECONDS)


def user() -> str:
    """Return the name of the user who runs this."""
    return pwd.getpwuid(os.getuid()).pw_name


def _program(control: Control) -> str:
    return f"{control.generated().folders.bin}/{control.name}"
