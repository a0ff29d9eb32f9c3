"""The pipe through which supervisord reads what a program prints."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from collective.recipe.productionstack.machine.files import MEGABYTE

STDOUT = 1
ROOM = MEGABYTE
"""What the kernel lets everybody have (pipe(7), /proc/sys/fs/pipe-max-size)."""


def widen(pid: int) -> None:
    """Give a program's pipe room for thousands of lines, if it has one.

    supervisord is one thread: while it is busy a full pipe makes Zope wait, and
    HAProxy, which never waits, drop lines.
    """
    with suppress(OSError):
        handle = os.open(f"/proc/{pid}/fd/{STDOUT}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            if fcntl.fcntl(handle, fcntl.F_GETPIPE_SZ) < ROOM:
                fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, ROOM)
        finally:
            os.close(handle)
