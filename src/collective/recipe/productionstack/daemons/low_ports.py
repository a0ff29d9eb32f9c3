"""Ports that only root may listen on, and who is allowed to all the same."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import run

FIRST = "sys/net/ipv4/ip_unprivileged_port_start"
CAP_NET_BIND_SERVICE = 10
WEB_SERVERS = ("nginx", "apache2", "httpd")
UNITS = Path("/etc/systemd/system")


def trouble(port: int, folder: str, pids: Collection[int] = ()) -> str:
    """Say why nobody of a buildout can listen on a port, with the remedy.

    ``pids`` are processes whose right to do so counts, beside our own.
    """
    try:
        first = int((processes.PROC / FIRST).read_text())
    except (OSError, ValueError):
        first = 1024
    every = (os.getpid(), *pids)
    may = any(processes.has_capability(pid, CAP_NET_BIND_SERVICE) for pid in every)
    if port >= first or may or _is_given(folder):
        return ""
    return (
        f"only root may listen on ports below {first}. Choose a way that "
        f"docs/how-to/ports-80-and-443.md names, or a port from {first} on."
    )


def _is_given(folder: str) -> bool:
    """Whether a web server has the capability itself, or a unit of root's gives it."""
    for program in filter(None, map(run.find, WEB_SERVERS)):
        with suppress(OSError):
            if os.getxattr(program, "security.capability"):
                return True
    texts = (_text(one) for one in UNITS.glob("*.service"))
    return any("CAP_NET_BIND_SERVICE" in text and folder in text for text in texts)


def _text(unit: Path) -> str:
    """Return what a unit says, nothing of one that is not ours to read."""
    with suppress(OSError):
        return unit.read_text(errors="replace")
    return ""
