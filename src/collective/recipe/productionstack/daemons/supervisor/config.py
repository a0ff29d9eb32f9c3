"""supervisor: keeps every program running, as the same user."""

from __future__ import annotations

from typing import Any

from collective.recipe.productionstack.model.announced import RESTART
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.announced import nothing
from collective.recipe.productionstack.model.stack import Stack

NAME = "supervisor"
ROLES: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ("clients",)
COLLECTS = "programs"
VERSIONED = ("", "")
WATCHDOG = "watchdog"


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    values = {"control_socket": stack.socket(NAME)}
    return (("supervisor/supervisord.conf", "supervisor/supervisord.conf.j2", values),)


def programs(stack: Stack) -> tuple[Program, ...]:
    """Return what is to be supervised: the watchdog, a verb of the script."""
    if stack.alone:
        return ()
    door = stack.socket(WATCHDOG)
    return (
        Program(
            name=WATCHDOG,
            kind=WATCHDOG,
            command=(f"{stack.folders.bin}/{stack.name}", "watch"),
            health=Health(address=door),
            listens=(door,),
            stop_seconds=10,
            reload=RESTART,
            tree_files=("stack.json",),
        ),
    )


logs = nothing
jobs = nothing
checks = nothing
