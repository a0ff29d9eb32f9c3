"""supervisor: keeps every program running, as the same user."""

from __future__ import annotations

from typing import Any

from collective.recipe.productionstack.announced import Check
from collective.recipe.productionstack.announced import Job
from collective.recipe.productionstack.announced import Log
from collective.recipe.productionstack.announced import Program
from collective.recipe.productionstack.model import Stack

NAME = "supervisor"


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    values = {"control_socket": stack.socket(NAME)}
    return (("supervisor/supervisord.conf", "supervisor/supervisord.conf.j2", values),)


def programs(stack: Stack) -> tuple[Program, ...]:  # noqa: ARG001 (a service's member)
    """Return what is to be supervised."""
    return ()


def logs(stack: Stack) -> tuple[Log, ...]:  # noqa: ARG001
    """Return the files to rotate: none, supervisor caps its own."""
    return ()


def jobs(stack: Stack) -> tuple[Job, ...]:  # noqa: ARG001
    """Return the lines for the crontab."""
    return ()


def checks(stack: Stack) -> tuple[Check, ...]:  # noqa: ARG001
    """Return how the daemon is asked: supervisord has no such question."""
    return ()
