"""One at a time: what backs up, packs, verifies, restores or copies a database."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model import Stack

NAME = "maintenance.lock"
SECONDS = 7200.0


@contextmanager
def take(
    control: Control, stack: Stack, what: str, seconds: float = SECONDS
) -> Iterator[int]:
    """Wait for our turn; give the lock's descriptor, for programs to hold too.

    Raises ControlError when others are still at work after that time.
    """
    folder = Path(stack.folders.var)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(control, handle, what, seconds)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{what} (pid {os.getpid()})".encode(), 0)
        yield handle
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _wait(control: Control, handle: int, what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    told = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.pread(handle, 200, 0).decode(errors="replace") or "another job"
            if time.monotonic() > deadline:
                message = (
                    f"{who} still works on the database after {seconds:.0f} s; "
                    f"{what} was not begun. Look at that one, then run this again."
                )
                raise ControlError(message) from None
            if not told:
                control.screen.say(f"{what}: waiting for {who} to end")
            told = True
            time.sleep(0.2)
        else:
            return
