"""Whether what was accepted as the newest backup still lies there: a quick look."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.kept import ledger
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept.ledger import Accepted
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.jobs.outcomes import LOCK
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

LAYOUT = ".layout"


def of_all(stack: Stack) -> dict[str, str]:
    """Return the first trouble of each backup part; none while a job is at work."""
    if locks.is_held(f"{stack.folders.var}/{LOCK}"):
        return {}
    found = {one.name: troubles(stack, one) for one in stack.data.backups}
    return {name: texts[0] for name, texts in found.items() if texts}


def troubles(stack: Stack, backup: Backup) -> list[str]:
    """Say what of the newest accepted backup is gone or has another size.

    Names and sizes alone are looked at; ``verify-backup`` reads.
    """
    known = ledger.newest(stack, backup)
    if known is None:
        return []
    copy = repozo.find(backup)
    if copy is None:
        return [f"there is no backup in {backup.location}; there was {known.date}"]
    if copy.date < known.date:
        gone = f"the backup {known.date} is gone from {backup.location}"
        return [f"{gone}; the newest there is {copy.date}"]
    found = [*repozo.unlisted(backup), *copy.gaps, *_files(backup, known)]
    return [*found, *_blobs(backup, copy, known)]


def _files(backup: Backup, known: Accepted) -> Iterator[str]:
    noted = manifest.path(backup, known.date)
    if not noted.is_file():
        yield f"the manifest {noted} is gone"
    elif manifest.has_changed(noted, known.manifest):
        yield f"the manifest {noted} has changed since it was written"
    for name, size in known.files.items():
        one = Path(backup.location, name)
        try:
            seen = one.lstat()
        except OSError:
            yield f"{one} is missing"
            continue
        if not stat.S_ISREG(seen.st_mode):
            yield f"{one} is not a file of its own"
        elif seen.st_size != size:
            yield f"{one} has {seen.st_size} bytes, not {size}"


def _blobs(backup: Backup, copy: Copy, known: Accepted) -> Iterator[str]:
    if known.blobs and copy.blobs is None:
        yield f"the blobs of {known.date} are missing"
    elif copy.blobs is not None:
        links = [one for one in (copy.blobs, copy.blobs.parent) if one.is_symlink()]
        yield from (f"{one} is a symbolic link, no folder" for one in links)
        if not copy.blobs.is_dir():
            yield f"the folder {copy.blobs} is missing"
        elif _layout(Path(backup.blob_dir)) not in {"", _layout(copy.blobs)}:
            yield f"{copy.blobs / LAYOUT} is not that of {backup.blob_dir}"


def _layout(folder: Path) -> str:
    """Return how blobs lie in a folder: ZODB would look for them elsewhere."""
    with suppress(OSError, ValueError):
        return (folder / LAYOUT).read_text("utf-8").strip()
    return ""
