"""What is copied: the newest backup of each part, once it is known to be sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from collective.recipe.productionstack.ctl.backups import making
from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept import standing
from collective.recipe.productionstack.ctl.backups.kept.manifest import Manifest
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

Chosen = list[tuple[Backup, Copy]]


def sound(stack: Stack) -> Chosen:
    """Return the newest backups.

    Raises ControlError for one that must not be copied.
    """
    for job, what, verb in (
        ("backup", "backup", "backup"),
        ("verify", "verification", "backup, then bin/{name} verify-backup"),
    ):
        stamp = outcomes.load(stack, job)
        if stamp is not None and not stamp.ok:
            message = (
                f"the last {what} was not good ({stamp.verdict}), so nothing is copied "
                f"and nothing deleted. Run bin/{stack.name} {verb}."
            )
            raise ControlError(message.format(name=stack.name))
    chosen = []
    for backup in making.of(stack):
        copy = repozo.find(backup)
        known = manifest.load(backup, copy.date) if copy else None
        if copy is None or known is None:
            message = f"[{backup.name}] has no backup that bin/{stack.name} backup made"
            raise ControlError(f"{message}, so nothing is copied. Run that first.")
        if trouble := _lost(stack, backup, copy, known):
            message = (
                f"the backup {copy.date} is not whole: {trouble}. Nothing is copied"
            )
            raise ControlError(f"{message}; run bin/{stack.name} backup.")
        chosen.append((backup, copy))
    return chosen


def _lost(stack: Stack, backup: Backup, copy: Copy, known: Manifest) -> str:
    """Compare with what was written down; the filestorage's content is read."""
    if found := standing.troubles(stack, backup):
        return found[0]
    if found := manifest.relisted(copy, known):
        return found[0]
    for one in copy.data:
        if trouble := manifest.trouble(one, *known.files.get(one.name, (-1, ""))):
            return trouble
    there = dict(filestorage.blob_files(copy.blobs)) if copy.blobs else {}
    for name, (size, _) in known.blobs.items():
        seen = there.get(name)
        if seen is None or not S_ISREG(seen.st_mode) or seen.st_size != size:
            return f"the blob {name} is missing, no file, or has another size"
    return ""


def name_of(chosen: Chosen) -> str:
    """Return the name of the generation that these make."""
    return max(copy.date for _, copy in chosen)


def size_of(chosen: Chosen) -> int:
    """Return how many bytes of database they hold."""
    return sum(max(0, copy.size) for _, copy in chosen)


def parts(backup: Backup, copy: Copy) -> Iterator[tuple[list[str], str]]:
    """Yield what is copied, and the folder of a generation where it goes.

    Blobs come first: a filestorage without its blobs would look like a backup.
    """
    if copy.blobs is not None:
        yield [f"{copy.blobs}/"], blobs_inside(backup, copy.date)
    files = [str(one) for one in copy.files]
    yield files, Path(backup.location).name
    noted = manifest.path(backup, copy.date)
    yield [str(noted)], f"{manifest.FOLDER}/{backup.name}"


def blobs_inside(backup: Backup, date: str) -> str:
    """Return where the blobs of a backup lie in a generation.

    It is named as the filestorage: a later copy of the same may lie elsewhere here.
    """
    blobs = Path(backup.blob_dir).name
    return f"{Path(backup.blob_location).name}/{blobs}.{date}/{blobs}"


def manifest_inside(backup: Backup, date: str) -> str:
    """Return where the manifest of a backup lies in a generation."""
    return f"{manifest.FOLDER}/{backup.name}/{manifest.path(backup, date).name}"


def unlisted(backup: Backup, copy: Copy) -> Iterator[tuple[Path, str]]:
    """Yield the files that no manifest lists, and where they lie in a generation."""
    noted = manifest.path(backup, copy.date)
    yield noted, manifest_inside(backup, copy.date)
    listing = copy.files[-1]
    yield listing, f"{Path(backup.location).name}/{listing.name}"
