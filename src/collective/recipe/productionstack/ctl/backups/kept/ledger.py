"""What was accepted as a backup, kept apart from the backups themselves.

What vanishes or changes where the backups lie is seen by comparing with this.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.machine import state
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

NAME = "backups.json"
ROTTEN = "rotten"
KINDS: dict[str, type] = {
    **dict.fromkeys(("size", "last", "objects", "blobs", "blob_bytes"), int),
    "manifest": str,
    "files": dict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One backup when it was found good: sizes in bytes, ``last`` its transaction.

    ``manifest`` is the SHA-256 sum of its manifest, ``files`` the sizes of its pieces.
    """

    date: str
    manifest: str
    size: int
    last: int
    objects: int
    blobs: int
    blob_bytes: int
    files: dict[str, int]


def load(stack: Stack, backup: Backup) -> dict[str, Accepted]:
    """Return what was accepted, by date, oldest first."""
    found = {}
    for date, values in sorted(_part(stack, backup).items()):
        try:
            one = Accepted(date=date, **values)
        except TypeError:  # of another version, or not ours
            continue
        # What another version wrote may be of other kinds.
        if all(isinstance(values[name], kind) for name, kind in KINDS.items()):
            found[date] = one
    return found


def newest(stack: Stack, backup: Backup) -> Accepted | None:
    """Return what was accepted last."""
    known = load(stack, backup)
    return known[max(known)] if known else None


def accept(stack: Stack, backup: Backup, one: Accepted, there: Collection[str]) -> None:
    """Write down what was accepted; forget those that have expired since."""
    known = {**load(stack, backup), one.date: one}
    kept = {
        date: _without_date(entry)
        for date, entry in known.items()
        if date in there or date == one.date
    }
    _save(stack, backup, kept)


def rotten(stack: Stack, backup: Backup) -> list[str]:
    """Return the copied blobs that a verification found changed."""
    found = state.read(_path(stack)).get(f"{ROTTEN} {backup.name}")
    return found if isinstance(found, list) else []


def note_rotten(stack: Stack, backup: Backup, names: Collection[str]) -> None:
    """Write down which copied blobs are to be copied afresh."""
    values = state.read(_path(stack))
    state.write(_path(stack), {**values, f"{ROTTEN} {backup.name}": sorted(names)})


def _without_date(one: Accepted) -> dict[str, Any]:
    values = dataclasses.asdict(one)
    del values["date"]
    return values


def _part(stack: Stack, backup: Backup) -> dict[str, dict[str, Any]]:
    found = state.read(_path(stack)).get(backup.name)
    return found if isinstance(found, dict) else {}


def _save(stack: Stack, backup: Backup, values: dict[str, dict[str, Any]]) -> None:
    state.write(_path(stack), {**state.read(_path(stack)), backup.name: values})


def _path(stack: Stack) -> Path:
    return Path(stack.folders.var, NAME)
