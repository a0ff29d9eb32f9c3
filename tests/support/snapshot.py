"""What lies on disk, to be compared with what lies there later."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

LIVE = (
    "var/log/",
    "var/filestorage/",
    "var/blobstorage/",
    "var/cache/",
    "var/stack/varnish/",
    "var/stack/watchdog.json/",
    "home/",
)
"""What running programs write to all the time."""


Seen = tuple[object, ...]


def snapshot(folder: Path) -> dict[str, Seen]:
    """Return name, mode, content and time of all that should stand still."""
    found: dict[str, Seen] = {}
    for base, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(base, name)
            relative = str(path.relative_to(folder))
            if f"{relative}/".startswith(LIVE) or "__pycache__" in relative:
                continue
            stat = path.lstat()
            if path.is_symlink():
                found[relative] = (stat.st_mode, str(path.readlink()))
            elif not path.is_file():
                found[relative] = (stat.st_mode,)
            else:
                # Other recipes write their files again, with the same words.
                others = relative.startswith(("bin/", "develop-eggs/", "parts/"))
                when = 0 if others else stat.st_mtime_ns
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[relative] = (stat.st_mode, digest, when)
    return found


def changed(before: dict[str, Seen], after: dict[str, Seen]) -> set[str]:
    """Return what came, went or became another."""
    names = before.keys() | after.keys()
    return {name for name in names if before.get(name) != after.get(name)}
