"""What of this stack runs now, supervised or not."""

from __future__ import annotations

import itertools
import os
import signal as signals
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.supervisor.control import SOCKET
from collective.recipe.productionstack.daemons.supervisor.control import Info
from collective.recipe.productionstack.daemons.supervisor.control import NoAnswerError
from collective.recipe.productionstack.daemons.supervisor.control import Supervisor
from collective.recipe.productionstack.machine import own_processes
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.processes import Table
from collective.recipe.productionstack.model.stack import Stack

UNSUPERVISED = "UNSUPERVISED"
GUARD = "--guard"
"""Before the pid that a process stands for, in its command line."""


@dataclass(frozen=True, slots=True)
class Survey:
    """One look at everything that runs."""

    table: Table
    roots: dict[str, list[int]]
    infos: dict[str, Info]
    answers: bool

    @property
    def supervisor(self) -> int:
        """The pid of supervisord, 0 when it does not run."""
        return next(iter(self.roots.get(own_processes.SUPERVISOR, ())), 0)

    @property
    def leftovers(self) -> dict[str, list[int]]:
        """Programs that run without being supervised, with their topmost pids."""
        found = {}
        for name, pids in self.roots.items():
            loose = [pid for pid in pids if not self._is_supervised(pid)]
            if name != own_processes.SUPERVISOR and loose:
                found[name] = loose
        return found

    @property
    def is_empty(self) -> bool:
        """Whether no program of the stack runs (supervisord alone does not count)."""
        up = any(info.is_up for info in self.infos.values())
        return not up and not (self.roots.keys() - {own_processes.SUPERVISOR})

    def state(self, name: str) -> str:
        """Return supervisor's word for a program, or how it runs without it."""
        if info := self.infos.get(name):
            return (
                UNSUPERVISED
                if not info.is_up and name in self.leftovers
                else info.state
            )
        if not self.roots.get(name):
            return "STOPPED"
        return UNSUPERVISED if name in self.leftovers else "RUNNING"

    def pid(self, name: str) -> int:
        """Return a program's main process, 0 when it does not run."""
        if (info := self.infos.get(name)) and info.pid:
            return info.pid
        return next(iter(self.roots.get(name, ())), 0)

    def pids(self, name: str) -> set[int]:
        """Return every process of a program."""
        tops = {*self.roots.get(name, ()), self.pid(name)} - {0}
        return {pid for top in tops for pid in processes.family(self.table, top)}

    def _is_supervised(self, pid: int) -> bool:
        if not self.supervisor:
            return False
        return self.table[pid].parent == self.supervisor or pid in self._guarded()

    def _guarded(self) -> set[int]:
        """Return those that a child of supervisord stands for (see the subreaper)."""
        words = (
            processes.arguments(pid)
            for pid in processes.children(self.table, self.supervisor)
        )
        return {
            int(after)
            for each in words
            for word, after in itertools.pairwise(each)
            if word == GUARD and after.isdigit()
        }


def take(stack: Stack, timeout: float = 5) -> Survey:
    """Look at what runs now."""
    table = processes.table()
    roots = own_processes.roots(stack.folders.var, table, roles.UNMARKED)
    infos: dict[str, Info] = {}
    answers = False
    with suppress(NoAnswerError):
        infos = connect(stack, timeout).infos()
        answers = True
    return Survey(table, roots, infos, answers)


def connect(stack: Stack, timeout: float = 15) -> Supervisor:
    """Return the stack's supervisord."""
    return Supervisor(stack.socket(SOCKET).path, timeout)


def end(pids: Collection[int], signal: str, seconds: float) -> bool:
    """End processes with a signal, else with KILL; return whether that was needed."""
    table = processes.table()
    send(pids, signal)
    return finish(pids, table, seconds)


def finish(pids: Collection[int], table: Table, seconds: float) -> bool:
    """Wait for the end of processes and their families as they were; else KILL."""
    every = {one for pid in pids for one in processes.family(table, pid)}
    if wait_gone(every, seconds):
        return False
    send(every, "KILL")
    wait_gone(every, 5)
    return True


def send(pids: Collection[int], signal: str) -> None:
    """Send a signal to those that still run."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, getattr(signals, f"SIG{signal}"))


def wait_gone(pids: Collection[int], seconds: float) -> bool:
    """Wait until processes have ended (a zombie has); return whether they did."""
    return waiting.until(
        lambda: not any(processes.alive(pid) for pid in pids), seconds, 0.05
    )
