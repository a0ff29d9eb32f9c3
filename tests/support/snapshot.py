"""What lies on disk, to be compared with what lies there later."""

from __future__ import annotations

import os
from pathlib import Path

LIVE = (
    "var/log/",
    "var/filestorage/",
    "var/blobstorage/",
    "var/cache/",
    "var/stack/varnish/",
    "home/",
)
"""What running programs write to all the time."""


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return name, kind, mode, size and times of all that should stand still."""
    found: dict[str, tuple[object, ...]] = {}
    for base, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(base, name)
            relative = str(path.relative_to(folder))
            if f"{relative}/".startswith(LIVE) or "__pycache__" in relative:
                continue
            stat = path.lstat()
            if path.is_symlink():
                found[relative] = (stat.st_mode, os.readlink(path))
            elif path.is_dir():
                found[relative] = (stat.st_mode,)
            else:
                found[relative] = (stat.st_mode, stat.st_size, stat.st_mtime_ns)
    return found
