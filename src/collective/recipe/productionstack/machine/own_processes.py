"""Which processes belong to a stack, also when nothing supervises them any more.

Every program is started with two marks in its environment, which the kernel
keeps for us. A daemon that overwrites its own is given a locked file to hold.
Standard library only: the extension asks this too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine.processes import Table

STACK_MARK = "PRODUCTIONSTACK"
PROGRAM_MARK = "PRODUCTIONSTACK_PROGRAM"
SUPERVISOR = "supervisord"


def is_running(directory: str, name: str, unmarked: Iterable[str]) -> list[str]:
    """Return the names of the programs of a stack that run, supervisord included."""
    return sorted(roots(f"{directory}/var/{name}", processes.table(), unmarked))


def roots(var: str, table: Table, unmarked: Iterable[str]) -> dict[str, list[int]]:
    """Return the topmost processes of each program of the stack with that folder.

    Programs that are ``unmarked`` hold a lock of their name instead.
    """
    marked = _marked(var, table)
    found: dict[str, list[int]] = {}
    for pid, program in sorted(marked.items()):
        if marked.get(table[pid].parent) != program:
            found.setdefault(program, []).append(pid)
    for name in unmarked:
        if orphans := _unguarded(var, table, name, found.get(name, ())):
            found.setdefault(name, []).extend(orphans)
    if SUPERVISOR not in found and (top := _from_pid_file(var, table)):
        found[SUPERVISOR] = [top]
    return found


def _marked(var: str, table: Table) -> dict[int, str]:
    real = _real(var)
    ourselves = _ancestors(table)
    found = {}
    for pid in table:
        marks = processes.environment(pid)
        if STACK_MARK in marks and _real(marks[STACK_MARK]) == real:
            program = marks.get(PROGRAM_MARK, "unknown")
            # The watchdog is a child of supervisord, and must see it all the same.
            if program == SUPERVISOR or pid not in ourselves:
                found[pid] = program
    return found


def _ancestors(table: Table) -> set[int]:
    """Return this process and those above it: never something to be stopped."""
    pid, found = os.getpid(), set()
    while pid in table and pid not in found:
        found.add(pid)
        pid = table[pid].parent
    return found


def _unguarded(var: str, table: Table, name: str, guards: Iterable[int]) -> list[int]:
    """Return the topmost holders of a program's lock that no subreaper looks after."""
    lock = f"{var}/{name}.lock"
    if not locks.is_held(lock):
        return []
    guarded = {pid for guard in guards for pid in processes.family(table, guard)}
    held = (processes.holders(lock) & table.keys()) - guarded
    return sorted(pid for pid in held if table[pid].parent not in held)


def _from_pid_file(var: str, table: Table) -> int | None:
    """Return supervisord's pid where it was not started by ``up`` (no mark)."""
    try:
        pid = int(Path(var, f"{SUPERVISOR}.pid").read_text())
    except (OSError, ValueError):
        return None
    ours = pid in table and SUPERVISOR in processes.command(pid)
    return pid if ours and pid not in _ancestors(table) else None


@cache
def _real(path: str) -> str:
    return os.path.realpath(path)
