"""What the parts of other recipes mean; one module per recipe that we read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from collective.recipe.productionstack.model import Address

LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the buildout has its folders; all absolute."""

    directory: str
    bin: str
    parts: str

    def absolute(self, path: str, base: str = "") -> str:
        """Join a path to a base, the buildout's folder by default."""
        return str(PurePosixPath(base or self.directory) / path)


def listener(value: str, default_host: str) -> Address:
    """Read ``port``, ``host:port``, ``[v6]:port`` or a socket's path.

    Raises ValueError for anything else, or a port that does not exist.
    """
    value = value.strip()
    if "/" in value:
        return Address(path=value.removeprefix("unix:"))
    found = re.fullmatch(r"(?:(?:\[([^\]]+)\]|([^:\[\]\s]*)):)?([0-9]{1,5})", value)
    if found is None or not 1 <= int(found[3]) <= LAST_PORT:
        raise ValueError("not an address with a port from 1 to 65535")
    return Address(found[1] or found[2] or default_host, int(found[3]))
