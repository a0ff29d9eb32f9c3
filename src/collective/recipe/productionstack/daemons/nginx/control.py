"""Talk to a running nginx."""

from __future__ import annotations

from pathlib import Path

from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack


def pid_in_file(stack: Stack, program: Program) -> int:
    """Return the pid that nginx wrote down, 0 when it did not."""
    try:
        return int(Path(stack.folders.var, f"{program.kind}.pid").read_text())
    except (OSError, ValueError):
        return 0


def workers(stack: Stack, program: Program) -> frozenset[int]:
    """Return the children of nginx's master, whoever its own parent is."""
    master = pid_in_file(stack, program)
    return frozenset(processes.children(processes.table(), master))
