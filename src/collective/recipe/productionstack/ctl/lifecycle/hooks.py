"""The user's own commands before and after a client is restarted."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.stack import Stack

SECONDS = 600


def words(text: str) -> tuple[str, ...]:
    """Split a command as a shell would; there is no shell.

    Raises ControlError for a quote that is not closed or a program that is not there.
    """
    try:
        command = tuple(shlex.split(text))
    except ValueError as error:
        message = f"the command {text!r} cannot be read: {error}. Close its quotes."
        raise ControlError(message) from None
    if command and run.find(command[0]) is None:
        message = f"there is no program {command[0]}. Name it with its whole path."
        raise ControlError(message)
    return command


def run_one(stack: Stack, text: str, names: Iterable[str]) -> None:
    """Run a command with the clients' names in PRODUCTIONSTACK_CLIENTS.

    Raises ControlError when it cannot be run, or fails.
    """
    command = words(text)
    if not command:
        return
    shown = " ".join(sorted(names))
    done = run.run(
        (run.find(command[0]) or command[0], *command[1:]),
        cwd=stack.folders.buildout,
        env={**os.environ, "PRODUCTIONSTACK_CLIENTS": shown},
        timeout=SECONDS,
    )
    if not done.ok:
        message = f"the command {text!r} ended with status {done.status}.{done.said}"
        raise ControlError(message)
