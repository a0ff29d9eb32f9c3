"""What starts a stack after a reboot: where it is kept, whether it is there.

Imports no click: the extension asks this too, where the extra ``ctl`` is not there.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from collective.recipe.productionstack.ctl import crontab


def line_name(name: str) -> str:
    """Return the name of the crontab block, which is not that of the jobs."""
    return f"{name} boot"


def unit_path(directory: str, name: str) -> Path:
    """Return where the systemd unit lies; the folder is part of its name."""
    number = hashlib.sha256(directory.encode()).hexdigest()[:8]
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home, "systemd/user", f"{name}-{number}.service")


def installed(directory: str, name: str, timeout: float = 20) -> str:
    """Return what starts it, ``crontab`` or ``systemd``; empty where nothing does."""
    if unit_path(directory, name).exists():
        return "systemd"
    there = crontab.installed(directory, line_name(name), timeout)
    return "crontab" if there else ""
