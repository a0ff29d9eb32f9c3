"""What an earlier run did, so that an unchanged one need not do it again.

It is kept in ``var``; losing it costs a second of work, never correctness.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.machine import state
from collective.recipe.productionstack.model.folders import Folders


class Memory:
    """Values by name, in one JSON file."""

    def __init__(self, folders: Folders) -> None:
        """Read what is there; anything unreadable counts as nothing."""
        self.path = Path(folders.var) / "checked.json"
        self.values = state.read(self.path)

    def get(self, name: str) -> Any:
        """Return a value, or None."""
        return self.values.get(name)

    def knows(self, digest: str, daemons: dict[str, str]) -> bool:
        """Whether these files were accepted by these daemons."""
        return bool(self.get("digest") == digest and self.get("daemons") == daemons)

    def keep(self, **values: object) -> None:
        """Remember exactly these values."""
        state.write(self.path, values)


def fingerprint(files: Iterable[Path], text: str) -> str:
    """Return a digest over a text and the size and time of files, by path."""
    total = hashlib.sha256(text.encode())
    for path in sorted(set(files)):
        try:
            stat = path.stat()
        except OSError:
            continue
        total.update(f"{path}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return total.hexdigest()[:16]
