"""Small JSON files that are kept between runs, for the user's eyes alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.machine.files import write_atomically


def read(path: Path) -> dict[str, Any]:
    """Return the values by name; empty when there is nothing usable."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Replace all values in one rename; make the folder where it is missing.

    Raises OSError (a full disk, say); the old values are still there then.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, json.dumps(values, indent=1, sort_keys=True) + "\n", 0o600)
