"""cron: backup, pack and rotation, as a block for the user's own crontab."""

from __future__ import annotations

import hashlib
from typing import Any

from collective.recipe.productionstack.announced import Check
from collective.recipe.productionstack.announced import Job
from collective.recipe.productionstack.announced import Log
from collective.recipe.productionstack.announced import Program
from collective.recipe.productionstack.model import Stack

NAME = "cron"


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:  # noqa: ARG001
    """Return path in the tree, template and further values of each file."""
    return (("crontab", "cron/crontab.j2", {}),)


def programs(stack: Stack) -> tuple[Program, ...]:  # noqa: ARG001 (a service's member)
    """Return what is to be supervised."""
    return ()


def logs(stack: Stack) -> tuple[Log, ...]:  # noqa: ARG001
    """Return the files to rotate."""
    return ()


def jobs(stack: Stack) -> tuple[Job, ...]:  # noqa: ARG001
    """Return the lines for the crontab."""
    return ()


def checks(stack: Stack) -> tuple[Check, ...]:  # noqa: ARG001
    """Return how the daemon is asked: crontab(1) has no portable dry run."""
    return ()


def daily(stack: Stack, job: str) -> str:
    """Return a time between 04:00 and 05:59, spread by name and folder.

    Hours 1 to 3 are left out: they come twice, or not at all, when clocks change.
    """
    number = _spread(stack, job)
    return f"{number % 60} {4 + number // 60 % 2} * * *"


def weekly(stack: Stack, job: str) -> str:
    """Return a time on Sunday between 06:00 and 07:59, after the daily backup."""
    number = _spread(stack, job)
    return f"{number % 60} {6 + number // 60 % 2} * * 0"


def _spread(stack: Stack, job: str) -> int:
    text = f"{stack.folders.buildout}:{stack.name}:{job}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
