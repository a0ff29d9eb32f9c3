"""``collective.recipe.backup``: the scripts that make backups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.sources.reading import Places
from collective.recipe.productionstack.sources.reading import is_on
from collective.recipe.productionstack.sources.reading import whole_number

ODD = ("only_blobs", "archive_blob", "compress_blob", "incremental_blobs")
"""With these a backup is no filestorage with one folder of blobs for each day."""

RECIPE = "collective-recipe-backup"


def read(name: str, section: Mapping[str, str], places: Places) -> Backup:
    """Return what a part makes of its options."""
    prefix = places.absolute(section.get("locationprefix", "var"))
    blob_name = "blobstoragebackups" if name == "backup" else f"{name}-blobstorages"

    def place(option: str, default: str, base: str = prefix) -> str:
        return places.absolute(section.get(option, "") or default, base)

    data = section.get("datafs", "")
    blobs = section.get("blob_storage", section.get("blob-storage", ""))
    wanted = section.get("backup_blobs", section.get("backup-blobs", "true"))
    return Backup(
        name=name,
        script=f"{places.bin}/{name}",
        location=place("location", f"{name}s"),
        data_file=places.absolute(data) if data else "",
        blob_dir=places.absolute(blobs) if blobs and is_on(wanted) else "",
        blobs=is_on(wanted),
        blob_location=place("blobbackuplocation", blob_name),
        unreadable=next((one for one in ODD if is_on(section.get(one, ""))), "")
        or ("" if is_on(section.get("blob_timestamps", "true")) else "blob_timestamps"),
        keep=whole_number(section, "keep", "2"),
    )


def beside(backup: Backup, storage: Storage | None, directory: str) -> Backup:
    """Return a backup that names its sources, also those that the recipe looks for."""
    data = storage.data_file if storage else f"{directory}/var/filestorage/Data.fs"
    blobs = storage.blob_dir if storage else f"{directory}/var/blobstorage"
    return replace(
        backup,
        data_file=backup.data_file or data,
        blob_dir=(backup.blob_dir or blobs) if backup.blobs else "",
    )


def job(backup: Backup, schedule: str) -> Job:
    """Return the daily backup."""
    return Job(
        name=backup.name,
        why="Back up the database and its blobs.",
        schedule=schedule,
        command=(backup.script, "-q"),
        waits=True,
    )
