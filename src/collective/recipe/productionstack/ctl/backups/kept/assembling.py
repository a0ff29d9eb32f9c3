"""Put a backup together again, somewhere."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.machine.files import need_room
from collective.recipe.productionstack.model.stack import Stack

PREFIX = "scratch-"
SPARE = 16 * 1024**2


@contextmanager
def folder(stack: Stack) -> Iterator[Path]:
    """Give an empty folder that is deleted afterwards, with what a killed run left."""
    for left in Path(stack.folders.var).glob(f"{PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=stack.folders.var) as name:
        yield Path(name)


def assemble(copy: Copy, target: Path, steps: Steps) -> list[str]:
    """Write the Data.fs of a backup; return what is wrong with its pieces.

    Raises ControlError where the disk has no room for it.
    """
    need_room(target.parent, max(copy.size, 0) + SPARE, "the database")
    troubles = copy.gaps
    with target.open("xb") as stream:
        for number, piece in enumerate(copy.pieces, 1):
            steps.begin("data", f"file {number} of {len(copy.pieces)}")
            if trouble := piece.trouble(stream.write):
                troubles.append(trouble)
    steps.done("data", "is whole" if not troubles else "is NOT whole")
    return troubles
