"""Who else holds an address that is ours."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine import sockets
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.stack import Stack


@dataclass(frozen=True, slots=True)
class Intruder:
    """A process that is not ours on an address that is."""

    address: Address
    program: str
    pid: int
    who: str

    def __str__(self) -> str:
        """Name both."""
        return f"{self.address} (wanted by {self.program}) is in use by {self.who}"


LOW_PORTS = "sys/net/ipv4/ip_unprivileged_port_start"
CAP_NET_BIND_SERVICE = 10


def found(stack: Stack, ours: dict[str, set[int]]) -> list[Intruder]:
    """Return who else holds an address of a program; ``ours`` maps program to pids.

    The debug client's address may be taken: by the debug client, started by hand.
    """
    wanted = [
        (program.name, address, one)
        for one in sockets.listening()
        for program in stack.announced.programs
        for address in program.listens
        if not program.standby and address.clashes_with(one.address)
    ]
    owners = sockets.owners({one.inode for _, _, one in wanted})
    found = []
    for name, address, one in wanted:
        holders = owners.get(one.inode, set())
        strangers = holders - ours.get(name, set())
        if strangers or not holders:
            pid = min(strangers, default=0)
            found.append(Intruder(address, name, pid, _who(pid, one.uid)))
    return list(dict.fromkeys(found))


def unusable(stack: Stack, supervisord: int) -> Iterator[str]:
    """Yield the listeners' addresses that this user, or this machine, cannot have."""
    every = {one for program in stack.announced.programs for one in program.listens}
    for address in sorted(one for one in every if not one.path):
        if why := _unresolved(address) or _too_low(stack, address, supervisord):
            yield f"{address}: {why}"


def _unresolved(address: Address) -> str:
    """Say why a host is no address of this machine."""
    if address.is_everywhere:
        return ""
    try:
        found = socket.getaddrinfo(address.host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return f"{address.host} does not resolve. Write an address of this machine."
    for family, kind, _, _, target in found:
        with suppress(OSError), socket.socket(family, kind) as one:
            one.bind(target)
            return ""
    return f"{address.host} is no address of this machine. Write one that is."


def _too_low(stack: Stack, address: Address, supervisord: int) -> str:
    try:
        first = int((processes.PROC / LOW_PORTS).read_text())
    except (OSError, ValueError):
        first = 1024
    pids = (os.getpid(), supervisord)
    may = any(processes.has_capability(pid, CAP_NET_BIND_SERVICE) for pid in pids)
    if address.port >= first or may or _is_given(stack):
        return ""
    return (
        f"only root may listen on ports below {first}. Choose a way that "
        "docs/how-to/ports-80-and-443.md names, or another port-base."
    )


def _is_given(stack: Stack) -> bool:
    """Whether nginx has the capability of its own, or a unit of root's gives it."""
    with suppress(OSError):
        if os.getxattr(run.find("nginx") or "", "security.capability"):
            return True
    units = Path("/etc/systemd/system").glob("*.service")
    texts = (one.read_text(errors="replace") for one in units if one.is_file())
    return any(
        "CAP_NET_BIND_SERVICE" in text and stack.folders.buildout in text
        for text in texts
    )


def _who(pid: int, uid: int) -> str:
    if pid:
        return f"pid {pid}: {processes.command(pid)[:80]}"
    if uid == sockets.UNKNOWN:
        return "another process"
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return f"a process of user {user}"
