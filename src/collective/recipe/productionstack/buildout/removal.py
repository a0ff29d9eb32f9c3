"""What happens when a part of ours is no longer listed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.buildout import guards
from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.buildout.our_parts import users_fault
from collective.recipe.productionstack.plan import folders
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.sources import zope2instance
from collective.recipe.productionstack.tree.trees import Trees

logger = logging.getLogger("productionstack")


@users_fault
def uninstall(name: str, options: Any) -> None:
    """Clear away a part that is really dropped; a reinstallation keeps everything."""
    buildout = options.buildout
    if name in sections.listed(buildout) or name in buildout._parts:  # noqa: SLF001
        return
    directory = buildout["buildout"]["directory"]
    guards.refuse_live(directory, name)
    places = folders.of(directory, buildout["buildout"]["bin-directory"], name)
    Trees(places.etc, places.applied).remove()
    (Path(places.bin) / name).unlink(missing_ok=True)
    logger.info("%s: removed %s and bin/%s.", name, places.etc, name)
    logger.info("%s: %s and the logs in %s stay.", name, places.var, places.log)
    for line in _fallen_back(buildout):
        logger.warning(line)


def _fallen_back(buildout: Any) -> list[str]:
    """Name what other parts listen on once nobody sets it for them."""
    lines = []
    for recipe, option, default in (
        (zeoserver.RECIPE, "zeo-address", "port 8100"),
        (zope2instance.RECIPE, "http-address", "port 8080"),
    ):
        lines += [
            f"[{part}] {option} is not set: without the stack it is {default} on all"
            f" interfaces. Write for example: {option} = 127.0.0.1:{default[5:]}"
            for part in sections.listed_with(buildout, recipe)
            if option not in sections.flat(buildout, part)
        ]
    return lines
