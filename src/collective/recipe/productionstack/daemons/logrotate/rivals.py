"""Rules of the system's logrotate for logs that the stack's own rotates.

Two of them rename in turn: what the other left is taken for a log of its own, and a
daemon is told to open a file again that is not its any more.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from collective.recipe.productionstack.model.stack import Stack

SYSTEM = Path("/etc/logrotate.d")
"""Where an administrator puts a rule by hand (Debian's /etc/logrotate.conf)."""


def warnings(stack: Stack, folder: Path = SYSTEM) -> list[str]:
    """Name each file whose rule meets a log of the stack, and say what to do."""
    if not stack.writes("logrotate"):
        return []
    logs = [log.path for log in stack.announced.logs]
    return [
        f"{path} rotates {log} too, which bin/{stack.name} cron install does. Drop it"
        " from that file, or leave logrotate out of the stack's services"
        for path in _files(folder)
        if (log := next((one for one in logs if _meets(path, one)), ""))
    ]


def _files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(one for one in folder.iterdir() if one.is_file())
    return []


def _meets(path: Path, log: str) -> bool:
    return any(fnmatchcase(log, one) for one in _patterns(path))


def _patterns(path: Path) -> Iterator[str]:
    """Yield the paths and patterns that a file of rules names."""
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):  # a quotation mark that belongs to a script
                for word in shlex.split(line, comments=True):
                    if word.startswith("/"):
                        yield word.removesuffix("{")
