"""Where our package lies, without all of Plone beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from collective.recipe.productionstack import machine

PACKAGE = "collective/recipe/productionstack"


def _alone(found: Path) -> Path:
    """Return that folder, or one with a link where a wheel was installed."""
    if not (found / "zc").is_dir():
        return found
    folder = Path(tempfile.mkdtemp(prefix="source-"))
    (folder / PACKAGE).parent.mkdir(parents=True)
    (folder / PACKAGE).symlink_to(found / PACKAGE)
    return folder


SOURCE = _alone(Path(machine.__file__).parents[4])
"""What a path is given to import our package from."""
