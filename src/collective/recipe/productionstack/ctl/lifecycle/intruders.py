"""Who else holds an address that is ours."""

from __future__ import annotations

import pwd
import socket
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle.survey import Survey
from collective.recipe.productionstack.daemons import low_ports
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine.net import sockets
from collective.recipe.productionstack.machine.processes import Table
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import LISTENERS
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


KEEPERS = frozenset(["supervisord", "supervisor.supervisord"])
"""The last part of a word by which supervisord is started."""


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


def remedy(stack: Stack, intruders: Iterable[Intruder]) -> str:
    """Say what makes room: who to stop, and another port only where that helps."""
    others, table = list(intruders), processes.table()
    folder = f"{stack.folders.buildout}/"
    # What belongs to another folder is another site, which nobody is to stop for this.
    ours = [it for it in others if folder in _commands(table, it.pid)]
    keepers = {one for it in ours for one in _supervisors(table, it.pid)}
    if keepers and len(ours) == len(others):
        return "\n".join(_take_over(one, folder) for one in sorted(keepers))
    names = (name for each in LISTENERS.values() for name in each)
    derived = {getattr(stack.chain, name) for name in names}
    if all(one.address in derived for one in others):
        return "Stop that or choose another port-base."
    return "Stop that, or choose another address in its part."


def _commands(table: Table, pid: int) -> str:
    """Return the command lines of a process and of the supervisord above it."""
    every = (pid, *_supervisors(table, pid))
    return "\n".join(processes.command(one) for one in every)


def _supervisors(table: Table, pid: int) -> Iterator[int]:
    """Yield the supervisord above a process, which would start it again."""
    while one := table.get(pid):
        words = processes.arguments(pid)
        if pid != 1 and any(PurePath(word).name in KEEPERS for word in words):
            yield pid
        pid = one.parent


def _take_over(pid: int, folder: str) -> str:
    words = processes.arguments(pid)
    conf = next((after for word, after in pairwise(words) if word == "-c"), "")
    shown = printable(conf) if conf else "its own configuration"
    client = f"supervisorctl -c {shown}" if conf else "supervisorctl"
    # One that is of this folder alone may go; another keeps others' programs too.
    alone = folder in processes.command(pid)
    what = "shutdown" if alone else "stop PROGRAM (status names it)"
    return (
        f"Another supervisord (pid {pid}, {shown}) keeps it running; only one can."
        f" To let this stack take over: {client} {what}. Take that out of its "
        "configuration, and what starts it after a reboot out of your crontab."
    )


def unusable(stack: Stack, supervisord: int) -> Iterator[str]:
    """Yield the listeners' addresses that this user, or this machine, cannot have."""
    every = {one for program in stack.announced.programs for one in program.listens}
    for address in sorted(one for one in every if not one.path):
        folder, pids = stack.folders.buildout, (supervisord,)
        why = _unresolved(address) or low_ports.trouble(address.port, folder, pids)
        if why:
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


def refuse_taken(control: Control, old: Stack, stack: Stack, seen: Survey) -> None:
    """See that no daemon takes an address that another must leave first.

    Two balancers may both listen (SO_REUSEPORT); of what ``up`` starts that is seen to.

    Raises ControlError that names both.
    """
    held = {
        address: program.name
        for program in old.announced.programs
        for address in program.listens
        if seen.pid(program.name)
    }
    for program in stack.announced.programs:
        for address in _taken(stack, program, seen):
            holder = held.get(address, program.name)
            if holder != program.name:
                message = (
                    f"{program.name} is to listen on {address}, where {holder} still "
                    "does; nothing was changed. Nobody is served while they change "
                    f"places: {control.script} down, then {control.script} up."
                )
                raise ControlError(message)


def _taken(stack: Stack, program: Program, seen: Survey) -> set[Address]:
    """Return where a program of the chain begins to listen at this reload."""
    chain = stack.chain
    if program.kind == chain.web_server and chain.is_of_web_server(CACHE):
        return {chain.cache, chain.purge}
    if program.kind in chain.inner and not seen.pid(program.name):
        return set(program.listens) - {chain.balancer}
    return set()
