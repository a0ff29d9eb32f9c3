"""Locks on files and folders (flock(2)): the kernel gives them back when we end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import waiting

PAUSE = 0.2


def take(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take the lock of an open file, if nobody has it; return whether it is ours."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: str) -> bool:
    """Whether some process holds the lock on a file; looking leaves no trace."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not take(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


@contextmanager
def held(
    path: Path,
    note: str,
    busy: Callable[[str], str],
    seconds: float = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[int]:
    """Hold the lock on a file, with a note in it; give the open file's descriptor.

    ``busy`` words the error from the holder's note; ``tell`` is given that note once,
    when others are waited for. Raises ControlError when they keep it so long.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for number, _ in enumerate(waiting.tries(seconds, PAUSE)):
            if take(handle):
                break
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip()
            if not number and seconds:
                tell(holder)
        else:
            raise ControlError(busy(holder))
        os.ftruncate(handle, 0)
        os.pwrite(handle, note.encode(), 0)
        try:
            yield handle
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)
