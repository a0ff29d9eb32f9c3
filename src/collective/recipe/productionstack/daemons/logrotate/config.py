"""logrotate: rotates what the others write, run by the user with a state of its own."""

from __future__ import annotations

from typing import Any

from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import nothing
from collective.recipe.productionstack.model.stack import Stack

NAME = "logrotate"
ROLES: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ()
COLLECTS = "logs"
VERSIONED = ("", "")

PROGRAM = "/usr/sbin/logrotate"
"""Cron's PATH does not lead there."""


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:  # noqa: ARG001
    """Return path in the tree, template and further values of each file."""
    return (("logrotate/logrotate.conf", "logrotate/logrotate.conf.j2", {}),)


programs = nothing
logs = nothing


def jobs(stack: Stack) -> tuple[Job, ...]:
    """Return the lines for the crontab."""
    conf = f"{stack.folders.applied}/logrotate/logrotate.conf"
    if stack.alone:
        conf = f"{stack.folders.etc}/logrotate/logrotate.conf"
    state = f"{stack.folders.var}/logrotate.state"
    return (
        Job(
            name="logrotate",
            why="Rotate the logs that have grown or are a day old.",
            schedule="17 * * * *",
            command=(PROGRAM, "-s", state, conf),
        ),
    )


def checks(stack: Stack) -> tuple[Check, ...]:  # noqa: ARG001
    """Return how logrotate is asked; it reports most faults with status 0.

    Since 3.22 an option that it does not know is a warning.
    """
    return (
        Check(
            service=NAME,
            daemon="logrotate",
            minimum=(3, 8),
            version_argument="--version",
            command=(
                "logrotate",
                "-d",
                "-s",
                "{scratch}/state",
                "{tree}/logrotate/logrotate.conf",
            ),
            complains=r"^error:|^warning: .* -- ignoring line$",
        ),
    )
