"""What the watchdog found wrong when it looked last, kept for ``status``."""

from __future__ import annotations

from pathlib import Path

from collective.recipe.productionstack.machine import state
from collective.recipe.productionstack.model.stack import Stack

NAME = "watchdog.json"

KILLED = "supervisord down"
"""The key of what the watchdog tells as an orphan, and ``up`` where it is gone too."""

WITHOUT = "supervisord was killed: nothing that ends is started again until it is back"


def load(stack: Stack) -> dict[str, str]:
    """Return the text of each trouble, by program and kind of trouble."""
    return state.read(Path(stack.folders.var, NAME))


def save(stack: Stack, values: dict[str, str]) -> None:
    """Write all of them in one rename."""
    state.write(Path(stack.folders.var, NAME), values)
