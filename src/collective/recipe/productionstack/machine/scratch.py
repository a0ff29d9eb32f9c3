"""Folders for a moment, taken away later where their maker was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path

from collective.recipe.productionstack.machine import locks

PREFIX = "stack-check-"
YOUNG = 60.0
"""Seconds within which a folder may be one whose lock is just being taken."""


@contextmanager
def folder() -> Iterator[Path]:
    """Give an empty folder until the block is left."""
    _sweep()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            locks.take(handle)
            yield Path(name)
        finally:
            os.close(handle)


def _sweep() -> None:
    """Remove what killed ones left: ours, not young, and locked by nobody."""
    for one in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            found = one.lstat()
            old = time.time() - found.st_mtime > YOUNG
            if found.st_uid == os.getuid() and old and not locks.is_held(str(one)):
                shutil.rmtree(one)
