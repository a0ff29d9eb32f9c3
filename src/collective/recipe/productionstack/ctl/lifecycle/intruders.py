"""Who else holds an address that is ours."""

from __future__ import annotations

import pwd
from dataclasses import dataclass

from collective.recipe.productionstack.machine import processes
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
