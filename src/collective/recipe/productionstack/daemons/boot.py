"""What starts a stack after a reboot: where it is kept, whether it is there.

Imports no click: the extension asks this too, where the extra ``ctl`` is not there.
"""

from __future__ import annotations

from collective.recipe.productionstack.daemons.cron import control as crontab
from collective.recipe.productionstack.daemons.systemd.control import Unit


def line_name(name: str) -> str:
    """Return the name of the crontab block, which is not that of the jobs."""
    return f"{name} boot"


def installed(directory: str, name: str, timeout: float = 20) -> str:
    """Return what starts it, ``crontab`` or ``systemd``; empty where nothing does."""
    if Unit(directory, name).path.exists():
        return "systemd"
    there = crontab.installed(directory, line_name(name), timeout)
    return "crontab" if there else ""
