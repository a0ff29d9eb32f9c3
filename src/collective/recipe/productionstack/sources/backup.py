"""``collective.recipe.backup``: the scripts that make backups."""

from __future__ import annotations

from collections.abc import Mapping

from collective.recipe.productionstack.announced import Job
from collective.recipe.productionstack.model import Backup
from collective.recipe.productionstack.sources import Places

RECIPE = "collective-recipe-backup"


def read(name: str, section: Mapping[str, str], places: Places) -> Backup:
    """Return what a part makes of its options."""
    prefix = places.absolute(section.get("locationprefix", "var"))
    location = section.get("location", f"{name}s")
    return Backup(
        name=name,
        script=f"{places.bin}/{name}",
        location=places.absolute(location, prefix),
    )


def job(backup: Backup, schedule: str) -> Job:
    """Return the daily backup."""
    return Job(
        name="backup",
        why="Back up the database and its blobs.",
        schedule=schedule,
        command=(backup.script, "-q"),
        exclusive=True,
    )
