"""Exchange files and folders for fresh ones, all or none, also when we are killed.

What is to be renamed stands in a journal before the first of it is; while that is
there, ``up`` and ``restore`` first put everything back.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from collective.recipe.productionstack.ctl.jobs.outcomes import LOCK
from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.machine import state
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.stack import Stack

JOURNAL = "restore.json"
FRESH = ".restoring"
COPIES_SECONDS = 600.0


class Swap:
    """Renames that belong together."""

    def __init__(self, stack: Stack) -> None:
        """Know where the journal lies; nothing is touched."""
        self.stack = stack
        self.journal = Path(stack.folders.var, JOURNAL)
        self.mark = time.strftime("replaced-%Y-%m-%d-%H-%M-%S", time.gmtime())
        self.moves: list[tuple[str, str]] = []
        self.made: list[str] = []

    @property
    def aside(self) -> str:
        """Where what was replaced lies; empty where nothing was."""
        folders = {Path(new).parent for _, new in self.moves}
        kept = (one for one in folders if one.name == self.mark and one.is_dir())
        return ", ".join(sorted(map(str, kept)))

    def fresh(self, target: Path) -> Path:
        """Return where to prepare what will take a place: beside it, on one disk."""
        path = target.with_name(f"{target.name}{FRESH}")
        self.made.append(str(path))
        return path

    def replace(self, target: Path, fresh: Path, also: Sequence[str] = ()) -> None:
        """Plan that a fresh one takes the place of another; neighbours go with that."""
        folder = target.parent / self.mark
        self.moves.append((str(target), str(folder / target.name)))
        self.moves.append((str(fresh), str(target)))
        for suffix in also:
            name = f"{target.name}{suffix}"
            self.moves.append((str(target.with_name(name)), str(folder / name)))

    def commit(self) -> None:
        """Do all that is planned."""
        state.write(self.journal, {"moves": self.moves, "made": self.made})
        for old, new in self.moves:
            if os.path.lexists(old):
                Path(new).parent.mkdir(parents=True, exist_ok=True, mode=0o750)
                Path(old).rename(new)
        self.journal.unlink()

    def undo(self) -> None:
        """Put everything back; delete what was prepared."""
        for old, new in reversed(self.moves) if self.journal.exists() else ():
            if os.path.lexists(new) and not os.path.lexists(old):
                Path(new).rename(old)
        for one in self.made:
            path = Path(one)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)

    def wait_for_copies(self, screen: Screen) -> None:
        """Wait for what a killed run has begun: it holds that run's lock.

        Raises ControlError when that goes on for too long.
        """
        if not any(os.path.lexists(one) for one in self.made):
            return
        lock = f"{self.stack.folders.var}/{LOCK}"
        for number, _ in enumerate(waiting.tries(COPIES_SECONDS)):
            if not locks.is_held(lock):
                return
            if not number:
                screen.say("waiting for the copies that a killed restore has begun")
        raise ControlError(
            "what a killed restore has begun still copies. Wait, then run this again."
        )

    def heal(self, screen: Screen) -> None:
        """Undo what a killed run has left half done; delete what it had prepared.

        Raises ControlError while the journal cannot be read: nothing is guessed.
        """
        if not self.journal.exists():
            for one in self.stack.data.backups:
                for target in filter(None, (one.data_file, one.blob_dir)):
                    self.fresh(Path(target))
            self.wait_for_copies(screen)
            self.undo()
            return
        values = state.read(self.journal)
        if not values:
            message = (
                f"a restore was interrupted, and {self.journal}, which says what it "
                "had moved, cannot be read. Put the data in place by hand (what was "
                f"replaced lies in folders named {self.mark[:8]}-…), then delete it."
            )
            raise ControlError(message)
        self.moves = [(old, new) for old, new in values["moves"]]
        self.made = values["made"]
        self.undo()
        screen.warn("note: a restore was interrupted; the data is as it was before it")
