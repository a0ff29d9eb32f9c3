"""What the watchdog found wrong when it looked last, kept for ``status``."""

from __future__ import annotations

import json
from pathlib import Path

from collective.recipe.productionstack.machine import files
from collective.recipe.productionstack.model.stack import Stack

NAME = "watchdog.json"


def load(stack: Stack) -> dict[str, str]:
    """Return the text of each trouble, by program and kind of trouble."""
    try:
        values = json.loads(Path(stack.folders.var, NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def save(stack: Stack, values: dict[str, str]) -> None:
    """Write all of them in one rename."""
    text = json.dumps(values, indent=1, sort_keys=True) + "\n"
    files.write_atomically(Path(stack.folders.var, NAME), text, 0o600)
