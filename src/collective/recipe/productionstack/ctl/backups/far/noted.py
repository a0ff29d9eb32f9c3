"""What was sent, written down here: the far end is not asked what it should hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.ctl.backups.far import choosing
from collective.recipe.productionstack.ctl.backups.far.choosing import Chosen
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.machine import state
from collective.recipe.productionstack.model.stack import Stack

NAME = "copies.json"


def load(stack: Stack, target: str) -> dict[str, dict[str, str]]:
    """Return SHA-256 sums by generation and path in it, of what no manifest lists.

    Those of generations that an earlier version sent are not known.
    """
    found = state.read(_path(stack)).get(target)
    return found if isinstance(found, dict) else {}


def save(
    stack: Stack, target: str, name: str, chosen: Chosen, kept: Iterable[str]
) -> None:
    """Note a generation that was sent; forget those that are not kept."""
    sums = {}
    for backup, copy in chosen:
        for one, inner in choosing.unlisted(backup, copy):
            sums[inner] = manifest.sha256(one)
    known = {**load(stack, target), name: sums}
    values = {one: known.get(one, {}) for one in kept}
    put(stack, target, values)


def put(stack: Stack, target: str, values: dict[str, Any]) -> None:
    """Write down what is known of a place."""
    state.write(_path(stack), {**state.read(_path(stack)), target: values})


def _path(stack: Stack) -> Path:
    return Path(stack.folders.var, NAME)
