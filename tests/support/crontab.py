"""The real crontab of the user who runs the tests, for one test at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.daemons.cron import control as crontab


@contextlib.contextmanager
def emptied() -> Iterator[None]:
    """Give an empty crontab that nobody else tests with; put the user's back."""
    # Who else runs tests as this user has the same home, and locks leave no file.
    home = os.open(Path.home(), os.O_RDONLY)
    try:
        fcntl.flock(home, fcntl.LOCK_EX)
        before = crontab.read()
        _remove()
        try:
            yield
        finally:
            crontab.write(before) if before else _remove()
    finally:
        os.close(home)


def _remove() -> None:
    subprocess.run(("crontab", "-r"), check=False, stderr=subprocess.DEVNULL)
